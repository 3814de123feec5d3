"""What a bundle installs: versions with the sha256 of their files, and mlship's own wheel.

The lists in `mlship/targets/locks` are made with `make locks` from the `.in` file beside each, for Python 3.11 and
newer on any platform, and are what CI tests the bundles with. pip takes a lock as it is:

    pip install --require-hashes --only-binary :all: --no-deps -r mlship.lock
"""

from __future__ import annotations

import hashlib
from importlib import resources

from mlship.targets.wheel import wheel_name


def lock(name: str, wheel: bytes) -> bytes:
    """Return the lock of a bundle.

    Args:
        name: Which of the lists.
        wheel: mlship's own wheel, which lies beside the lock.
    """
    own = f"./{wheel_name()} \\\n    --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n"
    return (_text(name) + own).encode()


def _text(name: str) -> str:
    return (resources.files("mlship.targets") / "locks" / f"{name}.txt").read_text(encoding="utf-8")
