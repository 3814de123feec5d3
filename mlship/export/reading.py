"""Reading a model file's bytes: a regular file, which begins as one, and fits into memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mlship.errors import ModelRefused, UsageError
from mlship.export.sniff import begins_with_zeros

_WANTED = "expected a fitted scikit-learn model saved by pickle or joblib"
_HEAD = 4096
_CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")
_TIMES = 2  # the file's bytes, and what is made of them


def check_name(path: Path) -> None:
    """Let pass what can be the name of a file, be there one or not.

    Raises:
        UsageError: It is too long, or has a null byte in it.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"'{path}' can be no file: {reason}.", hint="Give it a shorter name.", code="usage") from error


def read_model_file(path: Path) -> bytes:
    """Return the bytes of a model file.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        ModelRefused: It is no regular file, begins as no model does, or is larger than the memory.
    """
    check_name(path)
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; {_WANTED}.", hint="Name the file in it.", code="no_model")
    if path.exists() and not path.is_file():
        raise ModelRefused(f"'{path}' is not a regular file; {_WANTED}.", code="not_a_model")
    size = 0
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(_HEAD)
            if begins_with_zeros(head):  # as a sparse file does, of which there is no end to read
                raise ModelRefused(
                    f"'{path}' is not a model file: it begins with zeros; {_WANTED}.", code="not_a_model"
                )
            _check_size(path, size)
            return head + stream.read(max(0, size - len(head)))
    except FileNotFoundError:
        raise UsageError(f"There is no model file '{path}'.", hint="ls shows what is here.", code="no_model") from None
    except OSError as error:
        raise UsageError(f"The model file '{path}' cannot be read: {error.strerror}.", code="no_model") from error
    except MemoryError:
        raise _too_big(path, size, memory()) from None


def _check_size(path: Path, size: int) -> None:
    there = memory()
    if there is not None and _TIMES * size > there:
        raise _too_big(path, size, there)


def _too_big(path: Path, size: int, there: int | None) -> ModelRefused:
    has = f" of {there // 2**20:,} MiB" if there is not None else ""
    return ModelRefused(
        f"'{path}' has {size // 2**20:,} MiB, more than can be loaded in the memory{has} that there is.",
        hint="Load it on a machine with more memory.",
        code="load_limit",
    )


def memory() -> int | None:
    """The memory of this machine, or less where a container has less; None where the system does not tell."""
    found = []
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):  # none, or "max"
        found.append(int(_CONTROL_GROUP.read_text(encoding="ascii")))
    return min(found, default=None)
