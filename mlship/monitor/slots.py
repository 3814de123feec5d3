"""Numbers for processes that come and go: the lowest that is free, given back by the kernel when its process ends.

Files that a process keeps for others to read are named by its number, so that a successor goes on with the files of
whom it replaces, and their count is bounded by the most processes that ever ran at once.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_TRIES = 3
_PAUSE_SECONDS = 0.005  # `is_taken` holds a number for some microseconds


class Slot:
    """A number that no other living process has in a folder.

    Args:
        folder: The folder, made when it is not there.

    Attributes:
        number: The number, from 0.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.number, self._handle = _taken(folder)

    def __str__(self) -> str:
        return str(self.number)

    def free(self) -> None:
        """Give the number back; the end of the process does so too."""
        os.close(self._handle)


def is_taken(folder: Path, number: int) -> bool:
    """Tell whether a living process has a number."""
    import fcntl

    try:
        handle = os.open(_file(folder, number), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _taken(folder: Path) -> tuple[int, int]:
    known = len(list(folder.glob("slot-*.lock")))
    for _ in range(_TRIES):
        for number in range(known):
            if (handle := _try(folder, number)) is not None:
                return number, handle
        time.sleep(_PAUSE_SECONDS)
    number = known
    while (handle := _try(folder, number)) is None:  # another process takes its own at the same time
        number += 1
    return number, handle


def _try(folder: Path, number: int) -> int | None:
    import fcntl

    handle = os.open(_file(folder, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _file(folder: Path, number: int) -> Path:
    return folder / f"slot-{number}.lock"
