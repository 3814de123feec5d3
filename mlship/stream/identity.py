"""By what name the broker knows the transactions of a process.

The name has to be the same when a process takes the place of one that died, so that what the dead one left open is
ended at once instead of after a time-out; and no two that live may have the same. On one machine numbers are held by
names of sockets that the kernel gives back with the process, whoever runs it and whatever folder he has for temporary
files; the machine's name, which containers have one each of, tells machines apart. That an old process which only
seemed to be dead writes nothing more rests on the group's generation, which each transaction carries (KIP-447), and not
on this name.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import socket
import stat
import sys
import tempfile
from pathlib import Path

from mlship.monitor.slots import Slot


class Identity:
    """The name of this process among those of its group.

    Args:
        group: The consumer group.

    Attributes:
        number: Its number on this machine, from 0.
        place: Its machine and number.
        transactional_id: The name.
    """

    def __init__(self, group: str) -> None:
        known = hashlib.sha256(group.encode()).hexdigest()[:16]
        # Linux has names of sockets apart from files, one set for each network that a machine or container has
        self._held = _Name(known) if sys.platform == "linux" else Slot(_own_folder() / known)
        self.number = self._held.number
        self.place = f"{socket.gethostname()}.{self.number}"
        self.transactional_id = f"mlship.{group}.{self.place}"

    def free(self) -> None:
        """Give the name back."""
        self._held.free()


class _Name:
    def __init__(self, known: str) -> None:
        for number in itertools.count():
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._socket.bind(f"\0mlship-stream-{known}-{number}")
            except OSError as error:
                self._socket.close()
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                self.number = number
                return

    def free(self) -> None:
        self._socket.close()


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
