"""Landlock: the kernel keeps a process and all it starts from files, since Linux 5.13 and without any privilege.

The three system calls have no wrapper in the C library, and need none: they take two small structures.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor
_ASK_VERSION, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_OF_A_FOLDER = _READ_FILE | _READ_DIR
_OF_SCRATCH = _OF_A_FOLDER | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE
_OF_A_DEVICE = _READ_FILE | _WRITE_FILE
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights of files each version of the interface knows; later ones know no more than 5 does."""


def version() -> int:
    """Return the version of the kernel's interface, or 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(_CREATE, None, 0, _ASK_VERSION))


def restrict(reading: Iterable[Path], scratch: Path | None) -> bool:
    """Keep this thread, and all that it starts from here on, from files, from programs and from TCP, for good.

    Args:
        reading: Files and folders that may be read; what does not exist is left out.
        scratch: The one folder that may be written in, or None.

    Returns:
        Whether it holds; False where the kernel has no Landlock.
    """
    known = version()
    if not known:
        return False
    rights = (1 << _RIGHTS.get(known, _RIGHTS[5])) - 1
    wanted = struct.pack("=Q", rights)
    if known >= 4:
        wanted += struct.pack("=Q", 3)  # neither bind nor connect of TCP
    if known >= 6:
        wanted += struct.pack("=Q", 3)  # neither abstract sockets nor signals to processes outside
    rules = _call(_CREATE, ctypes.c_char_p(wanted), len(wanted), 0)
    if rules < 0:
        return False
    try:
        for path in reading:
            _allow(rules, path, (_OF_A_FOLDER if path.is_dir() else _READ_FILE) & rights)
        _allow(rules, Path(os.devnull), _OF_A_DEVICE & rights)
        if scratch is not None:
            _allow(rules, scratch, _OF_SCRATCH & rights)
        libc = ctypes.CDLL(None)
        return libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and _call(_RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.c_char_p(struct.pack("=Qi", rights, handle)), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *given)
    return result
