"""Bytes to read: a file; see `tables.contract.ByteInput`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO


class LocalFile:
    """A file.

    Args:
        path: The file.
        name: What the user calls it; by default the path.
    """

    seekable = True

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self.size: int | None = path.stat().st_size

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the bytes from a position on."""
        stream = self.path.open("rb")
        stream.seek(start)
        return stream


class Packed:
    """What is packed in another input."""

    seekable = False
    size: int | None = None

    def __init__(self, inner: LocalFile, how: str) -> None:
        self.name = inner.name
        self._inner = inner
        self._how = how

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the unpacked bytes from a position on."""
        import gzip

        stream = gzip.open(self._inner.open())
        stream.seek(start)
        return stream  # type: ignore[return-value]


def packed(data: bytes, how: str) -> bytes:
    """Return bytes packed, the same ones every time."""
    import gzip

    assert how == "gz"
    return gzip.compress(data, 6, mtime=0)
