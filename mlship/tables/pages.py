"""What a Parquet file in memory unpacks to, told by its own page headers without unpacking any.

A decoder makes room for as much as a page header says, and fails when it was not so much. So the sum over all pages of
the columns to be read bounds what reading them takes, however little the file is. Headers are Thrift's compact protocol
(https://github.com/apache/parquet-format, parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MAGIC = b"PAR1"
_DEEPEST = 12
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


class _Contradiction(Exception):
    """The bytes are not what they say they are."""


class _Reader:
    """Reads structures of Thrift's compact protocol as mappings from the numbers of fields to values."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _DEEPEST:
            raise _Contradiction
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[field] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        if kind == _MAP:
            return self._map(depth + 1)
        raise _Contradiction

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        return [self._value(head & 15, depth) for _ in range(size)]

    def _map(self, depth: int) -> None:
        size = self._varint()
        kinds = self._byte() if size else 0
        for _ in range(size):
            self._value(kinds >> 4, depth)
            self._value(kinds & 15, depth)

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while True:
            octet = self._byte()
            number |= (octet & 127) << shift
            if octet < 128:
                return number
            shift += 7
            if shift > 63:
                raise _Contradiction

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise _Contradiction
        self.at += 1
        return self._data[self.at - 1]

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise _Contradiction
        self.at += size
        return self._data[self.at - size : self.at]


def weighed(data: bytes, columns: frozenset[str]) -> tuple[int, int] | None:
    """Return how many rows a file has and how many bytes some of its columns unpack to, or None when it is damaged.

    Args:
        data: The file.
        columns: The columns that will be read; each has one value a row.
    """
    if len(data) < 12 or not data.startswith(_MAGIC) or not data.endswith(_MAGIC):
        return None
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    if start < len(_MAGIC):
        return None
    try:
        footer = _Reader(data, start).struct()
        rows = sum(group[3] for group in footer[4]) if footer[4] else 0
        if rows != footer[3] or min((group[3] for group in footer[4]), default=0) < 0:
            return None
        size = 0
        for group in footer[4]:
            for meta in _wanted(group, columns):
                size += _unpacked(data[:start], meta, group[3])
    except (_Contradiction, KeyError, TypeError, AttributeError, ValueError):
        return None
    return rows, size


def _wanted(group: dict[int, Any], columns: frozenset[str]) -> Iterator[dict[int, Any]]:
    for chunk in group[1]:
        meta = chunk[3]
        path = meta[3]
        if len(path) == 1 and path[0].decode() in columns:
            yield meta


def _unpacked(data: bytes, meta: dict[int, Any], rows: int) -> int:
    """How many bytes the pages of one column of a row group unpack to."""
    at = min(meta[9], meta.get(11) or meta[9])
    end = at + meta[7]
    if not 0 < at <= end <= len(data):
        raise _Contradiction
    size = 0
    while at < end:
        reader = _Reader(data, at)
        header = reader.struct()
        values = (header.get(5) or header.get(8) or {}).get(1, 0)
        if header[2] < 0 or header[3] < 0 or not 0 <= values <= rows:
            raise _Contradiction
        size += header[2]
        at = reader.at + header[3]
    return size
