"""What a process leaves: the network, file systems that can be written, and what root may do beyond others.

Linux gives them to root, and to others where it lets them make a namespace of users. Elsewhere nothing changes.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

_NEWNS, _NEWUSER, _NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MOUNT_SETATTR, _RECURSIVE, _READ_ONLY = 442, 0x8000, 1
_HERE = -100  # AT_FDCWD, which an absolute path does not use
_NO_NEW_PRIVILEGES = 38
_CAPABILITIES_V3 = 0x20080522
_READ_SEARCH = 1 << 2
"""Of the powers of root the one that stays: a sample may be a file of somebody else's."""


def leave() -> bool:
    """Leave the network and get a view of the file systems of its own; only a process without threads always can.

    Returns:
        Whether it did; both or neither.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    wanted = _NEWNS | _NEWNET
    return bool(libc.unshare(wanted) == 0 or libc.unshare(wanted | _NEWUSER) == 0)


def make_read_only(scratch: Path | None) -> bool:
    """Let nothing be written in any file system but in one folder, in the view that `leave` got.

    Returns:
        Whether it holds; False before Linux 5.12.
    """
    libc = ctypes.CDLL(None)
    if libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None) != 0:
        return False  # what follows would be seen outside
    own = os.fsencode(scratch.resolve()) if scratch is not None else None
    if own is not None and libc.mount(own, own, None, ctypes.c_ulong(_MS_BIND), None) != 0:
        return False
    if not _set(b"/", _RECURSIVE, add=_READ_ONLY):
        return False
    return own is None or _set(own, 0, drop=_READ_ONLY)


def drop_powers() -> bool:
    """Give up for good what root may do beyond others, but for reading files, and what a program could gain.

    Returns:
        Whether it holds; only where there is anything to give up, which is Linux.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    held = struct.pack("=II", _CAPABILITIES_V3, 0)
    given = ctypes.create_string_buffer(24)  # effective, permitted and inheritable, twice 32 of each
    if libc.capget(held, given) != 0:
        return False
    effective, permitted, *_ = struct.unpack("=6I", given.raw)
    kept = struct.pack("=6I", effective & _READ_SEARCH, permitted & _READ_SEARCH, 0, 0, 0, 0)
    return bool(libc.capset(held, kept) == 0)


def _set(path: bytes, how: int, *, add: int = 0, drop: int = 0) -> bool:
    attributes = struct.pack("=QQQQ", add, drop, 0, 0)
    numbers = (ctypes.c_long(item) for item in (_MOUNT_SETATTR, _HERE))
    size = ctypes.c_long(len(attributes))
    return bool(ctypes.CDLL(None).syscall(*numbers, path, ctypes.c_long(how), attributes, size) == 0)
