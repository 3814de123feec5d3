"""Parts of an output on their way through Spark, which writes them as texts, whatever they are.

Spark's writer of texts writes a value's bytes and then what is said to end a line. So lines come to it less their
last line feed, and a Parquet file less the four letters that end every Parquet file, which are said to end a line:
what is on the disk then is the file that was made here, by the encoder that the local engine has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mlship.tables.contract import Encoder

LINE_END, FILE_END = "\n", "PAR1"
_LARGEST = 32 << 20
"""About how many bytes of rows, in Arrow's format, make one file; it goes through the memory of Spark as a whole."""


class Lines:
    """Parts that are appended to each other in the order in which a task gives them.

    Args:
        encoder: Makes them.

    Attributes:
        given: How many bytes were given, ends of lines included.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._head = encoder.head()
        self.given = 0

    def __enter__(self) -> Self:
        """Hold nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hold nothing."""

    def add(self, data: bytes) -> Iterator[bytes]:
        """Yield a part, if there is one; the first one of a task has the head of its file."""
        data, self._head = self._head + data, b""
        if data:
            self.given += len(data)
            yield data.removesuffix(LINE_END.encode())

    def rest(self) -> Iterator[bytes]:
        """Yield the head where there was no row after it."""
        yield from self.add(b"")


class Files:
    """Parts that are files of their own, each made of the rows of several pieces.

    Args:
        encoder: Makes them.

    Attributes:
        given: Nothing is counted: rows are, where the files are.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._folder = tempfile.TemporaryDirectory(prefix="mlship-parts-")
        self._held: list[Path] = []
        self._size = 0
        self.given = 0

    def __enter__(self) -> Self:
        """Hold a folder for rows that wait."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def add(self, data: bytes) -> Iterator[bytes]:
        """Yield a file when there are rows enough for one."""
        if not data:
            return
        path = Path(self._folder.name, f"{len(self._held)}.arrow")
        path.write_bytes(data)
        self._held.append(path)
        self._size += len(data)
        if self._size >= _LARGEST:
            yield from self.rest()

    def rest(self) -> Iterator[bytes]:
        """Yield a file of the rows that still wait."""
        if not self._held:
            return
        whole = Path(self._folder.name, "whole")
        self._encoder.assemble(self._held, whole)
        for path in self._held:
            path.unlink()
        self._held, self._size = [], 0
        data = whole.read_bytes()
        whole.unlink()
        if not data.endswith(FILE_END.encode()):
            raise AssertionError("a Parquet file ends in PAR1")
        yield data[: -len(FILE_END)]
