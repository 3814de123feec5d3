"""The command line as a child of an array job, which sends itself a signal at one of its steps.

Run as `python child.py STEP WHEN SIGNAL ARGUMENTS`: the signal comes `before` or `after` that step is done, which is
a request that changes something, a line of a journal, a rename or a removal; 0 is never. A claim lasts for a second.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlship import objects
from mlship.batch.journal import Journal
from mlship.batch.outputs.shared import SharedObjects
from mlship.cli.main import run

LEASE = 1.0


def disturb(number: int, when: str, signum: int) -> None:
    """Send this process a signal at one of its steps."""
    count, guard = [0], threading.Lock()

    def disturbed(step: Callable[..., Any]) -> Callable[..., Any]:
        def at(*arguments: Any, **options: Any) -> Any:
            with guard:
                count[0] += 1
                here = count[0] == number
            if here and when == "before":
                os.kill(os.getpid(), signum)
            done = step(*arguments, **options)
            if here and when == "after":
                os.kill(os.getpid(), signum)
            return done

        return at

    for owner, name in [
        (objects, "_put"),
        (objects, "delete"),
        (Journal, "add"),
        (Path, "replace"),
        (Path, "unlink"),
    ]:
        setattr(owner, name, disturbed(getattr(owner, name)))


if __name__ == "__main__":
    defaults = SharedObjects.__init__.__kwdefaults__
    assert defaults is not None
    defaults["lease"] = LEASE
    disturb(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.exit(run(["batch", *sys.argv[4:]]))
