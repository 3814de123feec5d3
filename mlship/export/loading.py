"""How a model file is to be loaded, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_GIB = 2**30


@dataclass(frozen=True)
class Bounds:
    """What a load may take; a bigger file may take more, in proportion.

    Attributes:
        seconds: Time of one processor, for a small file.
        bytes: Memory, for a small file.
        unpacked: Bytes that a small compressed file may unpack to.
    """

    seconds: int = 60
    bytes: int = 4 * _GIB
    unpacked: int = _GIB

    def seconds_for(self, size: int) -> int:
        """Return the seconds for a file of so many bytes: one more a megabyte, twice what xz needs to unpack it."""
        return self.seconds + size // 10**6

    def bytes_for(self, size: int) -> int:
        """Return the memory for a file of so many bytes: a vocabulary takes some 20 times its text."""
        return self.bytes + 32 * size

    def unpacked_for(self, size: int) -> int:
        """Return how far a file of so many bytes may unpack: a model's numbers shrink far less than a hundredfold."""
        return max(self.unpacked, 100 * size)


@dataclass(frozen=True)
class Loading:
    """How a model file is to be loaded.

    Attributes:
        trust: Exact names, `module.Name`, that the file may import and call besides those that mlship knows.
        python_path: Folders where the user's own modules lie.
        allow_version_mismatch: Whether a model of another major.minor version of scikit-learn is loaded.
        bounds: What the load may take.
    """

    trust: tuple[str, ...] = ()
    python_path: tuple[Path, ...] = ()
    allow_version_mismatch: bool = False
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class Source:
    """A model file that was read, not yet understood.

    Attributes:
        path: The file.
        data: Its bytes.
        given: What the user named, the file or the folder it lies in.
        said: The version of scikit-learn that the folder's description tells, or None.
    """

    path: Path
    data: bytes
    given: Path
    said: str | None = None

    @property
    def name(self) -> str:
        """What the user named, quoted for a message."""
        return f"'{self.given}'"


@dataclass(frozen=True)
class Loaded:
    """A model that was read.

    Attributes:
        estimator: The fitted estimator.
        digest: sha256 of the file, 64 hexadecimal digits.
        kind: How it was saved, such as `pickle`.
        mismatch: The versions of scikit-learn then and now, when they differ and that was allowed.
    """

    estimator: Any
    digest: str
    kind: str
    mismatch: tuple[str, str] | None = None
