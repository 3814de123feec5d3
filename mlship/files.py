"""Files: written whole or not at all, digested, and locked against a second run."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mlship.errors import OutputFailed, OutputLocked

_BLOCK = 1 << 20
_LOST = (errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""What the system says when a folder did not get to the disk, and not merely cannot be flushed."""


def file_digest(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits, reading it in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def publish(part: Path, final: Path) -> None:
    """Move a finished file to its final name so that a crash leaves the old one or the new one.

    The file is flushed to the disk before the rename and its directory after it.

    Raises:
        OutputFailed: The system refused, or the final name is a device, a pipe or a folder; it is untouched.
    """
    try:
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
    except OSError as error:
        raise OutputFailed(f"'{final}' could not be written: {error.strerror or error}.") from error
    give_name(part, final)


def give_name(part: Path, final: Path) -> None:
    """Move a file to its final name whose bytes are on the disk already; else as `publish`.

    Raises:
        OutputFailed: The system refused, or the final name is a device, a pipe or a folder. The final name is
            untouched, or has the new file when only making that durable failed.
    """
    try:
        if final.exists() and not final.is_file():  # root would replace /dev/null itself by a file
            raise OutputFailed(f"'{final}' could not be written: it is not a regular file.", hint="Name another file.")
        part.replace(final)
        sync_directory(final.parent)
    except OSError as error:
        raise OutputFailed(f"'{final}' could not be written: {error.strerror or error}.") from error


def sync_directory(folder: Path) -> None:
    """Make a rename durable, where the file system can; the file is whole under its name in any case.

    Raises:
        OSError: The disk failed or is full.
    """
    if os.name != "posix":  # Windows cannot open a directory, and its rename is already durable
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:  # folders that may not be listed, network file systems
        if error.errno in _LOST:
            raise


def write_atomic(path: Path, data: bytes) -> None:
    """Write bytes under a name so that nobody ever sees half of them.

    Raises:
        OutputFailed: The system refused; an older file of that name is whole.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        hint = None if path.parent.is_dir() else f"Make the folder first: mkdir -p '{path.parent}'"
        raise OutputFailed(f"'{path}' could not be written: {error.strerror or error}.", hint=hint) from error
    part = Path(name)
    try:
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            part.chmod(0o666 & ~current_umask())  # mkstemp makes 0600; the user's umask decides instead
        except OSError as error:
            raise OutputFailed(f"'{path}' could not be written: {error.strerror or error}.") from error
        publish(part, path)
    finally:
        with contextlib.suppress(OSError):  # it is not there after a success, and else says nothing new
            part.unlink()


def current_umask() -> int:
    """Return the process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on a file for the length of a `with` block.

    The system drops the lock when the process dies, also by SIGKILL, so a lock never goes stale. A forked child
    shares it until it ends or runs another program.

    Args:
        path: The lock file; made when absent, and left behind.
        what: The thing being guarded, quoted in the error.

    Raises:
        OutputLocked: Another process holds it.
        OutputFailed: The lock file cannot be made, or its file system knows no locks.
    """
    try:
        stream = path.open("a+b")
    except OSError as error:
        raise OutputFailed(f"'{what}' could not be written: {error.strerror or error}.") from error
    try:
        try:
            held = _try_lock(stream)
        except OSError as error:
            raise OutputFailed(f"'{what}' could not be locked: {error.strerror or error}.") from error
        if not held:
            raise OutputLocked(
                f"Another run of mlship is writing '{what}'.", hint="Wait for it to end, or write elsewhere with -o."
            )
        yield
    finally:
        with contextlib.suppress(OSError):  # nothing was written to it
            stream.close()


def _try_lock(stream: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:
        return _try_lock_windows(stream)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_lock_windows(stream: IO[bytes]) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")
    try:
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def others_may_read(handle: int) -> bool:
    """Tell whether an open file may be read by others than those that it is meant for.

    A file of somebody else's can be read through its group only, which is how Kubernetes hands a secret to a process
    that is not root.
    """
    found = os.fstat(handle)
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return bool(found.st_mode & (0o077 if own else 0o037))
