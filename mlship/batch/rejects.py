"""The rejects file: which rows were not scored, and why; never what stood in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from mlship.model.values.codes import CellError
from mlship.tables.contract import Rows

_KEYS = ["file", "row", "byte", "errors"]


class RejectsFile:
    """A rejects file in the making; there is none as long as no row is rejected.

    One JSON object a line and row: `{"file", "row", "byte", "errors": [{"column", "code"}]}`. Row 1 is the first
    data row, `byte` where it begins in the file (null where the format has no such place), and `column` null when
    the row as a whole is refused. Only its owner may read it, because it tells where data is unusual.

    Args:
        path: The file to make.
        source: The input, as it is named in each line.
    """

    def __init__(self, path: Path, source: Path) -> None:
        self._path = path
        self._source = str(source)
        self._stream: IO[bytes] | None = None

    @property
    def exists(self) -> bool:
        """Whether any row was rejected."""
        return self._stream is not None

    def add(self, first_row: int, rows: Rows, errors: Iterable[CellError]) -> int:
        """Append the rejected rows of a chunk.

        Args:
            first_row: Number of the chunk's first row in the file, from 1.
            rows: The chunk's rows.
            errors: What was refused in them, ordered by row.

        Returns:
            How many rows were rejected.

        Raises:
            OSError: The system could not write.
        """
        count = 0
        for row, found in groupby(errors, key=lambda error: error.row):
            line = {
                "file": self._source,
                "row": first_row + row,
                "byte": rows.byte(row),
                "errors": [{"column": error.column, "code": error.code} for error in found],
            }
            self._write(line)
            count += 1
        return count

    def _write(self, line: dict[str, Any]) -> None:
        if self._stream is None:
            binary = getattr(os, "O_BINARY", 0)  # without it Windows writes CR before each LF
            self._stream = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o600), "wb")
        self._stream.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Let go of the file; everything is in it afterwards.

        Raises:
            OSError: The system could not write.
        """
        if self._stream is not None:
            self._stream.close()


def is_rejects_file(path: Path) -> bool:
    """Tell whether a file looks like one that this module wrote."""
    try:
        with path.open("rb") as stream:
            return list(json.loads(stream.readline())) == _KEYS
    except (OSError, ValueError, TypeError):
        return False
