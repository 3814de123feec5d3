"""By what name the broker knows the transactions of a process.

The name has to be the same when a process takes the place of one that died, so that what the dead one left open is
ended at once instead of after a time-out; and no two that live may have the same. On one machine numbers are held by
locks that the kernel gives back with the process; the machine's name, which containers have one each of, tells machines
apart. That an old process which only seemed to be dead writes nothing more rests on the group's generation, which each
transaction carries (KIP-447), and not on this name.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from pathlib import Path

from mlship.monitor.slots import Slot


class Identity:
    """The name of this process among those of its group.

    Args:
        group: The consumer group.
        brokers: Where the group is.

    Attributes:
        transactional_id: The name.
        number: Its number on this machine, from 0.
    """

    def __init__(self, group: str, brokers: str) -> None:
        known = hashlib.sha256(f"{brokers}\0{group}".encode()).hexdigest()[:16]
        self._slot = Slot(_own_folder() / known)
        self.number = self._slot.number
        self.transactional_id = f"mlship.{group}.{socket.gethostname()}.{self.number}"

    def free(self) -> None:
        """Give the name back."""
        self._slot.free()


def _own_folder() -> Path:
    """A folder that all processes of this user find, and nobody else can write to."""
    user = os.geteuid()
    folder = Path(tempfile.gettempdir()) / f"mlship-stream-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022:
        return Path(
            tempfile.mkdtemp(prefix="mlship-stream-")
        )  # somebody's trap: a name of one's own is slower, and safe
    return folder
