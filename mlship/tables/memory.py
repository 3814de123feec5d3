"""Bytes that are in memory already, to be read as a file is; see `tables.contract.ByteInput`."""

from __future__ import annotations

import io
from typing import BinaryIO


class Memory:
    """Bytes to read.

    Args:
        name: What the user calls where they come from.
        data: The bytes.
    """

    seekable = True

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.size: int | None = len(data)
        self._data = data

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the bytes from a position on."""
        stream = io.BytesIO(self._data)
        stream.seek(start)
        return stream
