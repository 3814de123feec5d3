"""The rejects file: which rows were not scored, and why; what stood in them only where that was asked for.

One JSON object a line and row: `{"file", "row", "byte", "errors": [{"column", "code"}]}`, and `"record"` with
`--rejects` and from Spark. Row 1 is the first data row, and `byte` where it begins in the file; both are null where
rows have no such place, as on Spark, and `column` null when the row as a whole is refused. Only its owner may read
the file, because it tells where data is unusual.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlship.batch.score import Scored

_KEYS = ["file", "row", "byte", "errors"]


def reject_lines(scored: Scored, name: str, rows_before: int | None, *, records: bool) -> bytes:
    """Return the lines of a chunk's rejected rows.

    Args:
        scored: The chunk.
        name: Its input, as it is named in each line.
        rows_before: How many rows of that input come before the chunk, or None where rows have no number.
        records: Whether the rows' records are told too.
    """
    lines = []
    for row, found in groupby(scored.errors, key=lambda error: error.row):
        line = {
            "file": name,
            "row": None if rows_before is None else rows_before + row + 1,
            "byte": scored.bytes_of[row],
            "errors": [{"column": error.column, "code": error.code} for error in found],
        }
        if records:
            line["record"] = scored.records[row]
        lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return b"".join(lines)


def is_rejects_file(path: Path) -> bool:
    """Tell whether a file looks like one that this module made."""
    try:
        with path.open("rb") as stream:
            return list(json.loads(stream.readline()))[: len(_KEYS)] == _KEYS
    except (OSError, ValueError, TypeError):
        return False
