"""Waiting for a server that was started: what a service manager runs after it, so that "started" means "answers".

`python -m mlship.targets.ready URL PID` asks until `/readyz` answers 200, as long as the process is there.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from collections.abc import Sequence

_PAUSE_SECONDS = 0.2


def main(arguments: Sequence[str]) -> int:
    """Return 0 when the server is ready, and 6 when its process ended; how long is for the service manager to say."""
    url, pid = f"{arguments[0].rstrip('/')}/readyz", int(arguments[1])
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  named by whoever starts the server
                return 0
        except (OSError, ValueError) as error:  # not there yet, or 503
            if not _is_there(pid):
                print(f"Error: the server ended, and '{url}' was not ready: {error}.", file=sys.stderr)  # noqa: T201
                return 6
            time.sleep(_PAUSE_SECONDS)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
