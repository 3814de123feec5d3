"""Lines of NDJSON, each read as a JSON object or refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mlship.model.values.codes import Code
from mlship.model.values.records import kind_of

SPACE = b" \t\r"
"""What a blank line may hold."""
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]')


class Objects:
    """The lines of a chunk, less the blank ones.

    Attributes:
        lines: Their bytes.
        starts: Where each begins in the chunk.
        records: What each says; nothing for a refused one.
        refused: The refused ones, with the reason and the kind found.
    """

    def __init__(self, lines: list[bytes], starts: NDArray[np.int64]) -> None:
        self.lines = lines
        self.starts = starts
        self.records: list[dict[str, Any]] = []
        self.refused: dict[int, tuple[Code, str]] = {}

    def look_at_each(self) -> None:
        """Read the lines one by one, because some are no objects."""
        rows = [row for row, line in enumerate(self.lines) if line.strip(SPACE)]
        self.lines = [self.lines[row] for row in rows]
        self.starts = self.starts[rows]
        self.records = [self._record(row, line) for row, line in enumerate(self.lines)]

    def _record(self, row: int, line: bytes) -> dict[str, Any]:
        found = read_object(line)
        if isinstance(found, dict):
            return found
        self.refused[row] = found
        return {}


def read_object(text: bytes) -> dict[str, Any] | tuple[Code, str]:
    """Return what one JSON object says, or the reason why there is none and the kind that was found."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ("bad_json" if _is_utf8(text) else "bad_encoding", "")
    return value if type(value) is dict else ("bad_json", kind_of(value))


def parsed(data: bytes) -> Objects:
    """Read the lines of a chunk."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1
    found = Objects(lines, np.concatenate(([0], ends))[: len(lines)].astype(np.int64))
    try:
        records = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        found.look_at_each()
        return found
    if {dict}.issuperset(map(type, records)):
        found.records = records
    else:
        found.look_at_each()
    return found


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def members(line: str) -> dict[str, str]:
    """Return how each member of a valid JSON object is written, by its name."""
    found: dict[str, str] = {}
    depth = 0
    key, last, start = "", "", 0
    for mark in _MARKS.finditer(line):
        text = mark[0]
        if depth == 1 and text in ",}":
            if start:
                found[key] = line[start : mark.start()].strip()
            start = 0
        elif depth == 1 and text == ":":
            key, start = orjson.loads(last), mark.end()
        depth += (text in "{[") - (text in "]}")
        last = text
    return found
