"""What a stream of Arrow IPC in memory holds and unpacks to, told by its own messages without reading any column.

Messages are Flatbuffers (https://arrow.apache.org/docs/format/Columnar.html, Message.fbs). Bytes that are not packed
take no more room than they have in the body; packed ones say in front how many they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_CONTINUED = 0xFFFFFFFF
_DICTIONARY, _RECORDS = 2, 3
_NOT_PACKED = -1


def weighed(data: bytes) -> tuple[int, int] | None:
    """Return how many rows a stream has and how many bytes it unpacks to, or None when it is damaged."""
    rows, size = 0, len(data)
    try:
        for kind, batch, body in _batches(data):
            length = batch.number(0, "<q")
            if length < 0:
                return None
            if kind == _RECORDS:
                rows += length
            if batch.field(3):
                size += sum(_lengths(batch, body))
    except (struct.error, _Contradiction):
        return None
    return rows, size


class _Contradiction(Exception):
    """The bytes are not what they say they are."""


class _Table:
    """A table of a Flatbuffer."""

    def __init__(self, data: memoryview, at: int) -> None:
        self.data = data
        self.at = at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        if not 0 <= at < len(data) or not 0 <= self._fields < len(data):
            raise _Contradiction
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def field(self, index: int) -> int:
        """Where a field stands, 0 when it is not there."""
        place = 4 + 2 * index
        if place + 2 > self._size:
            return 0
        offset = struct.unpack_from("<H", self.data, self._fields + place)[0]
        return self.at + int(offset) if offset else 0

    def number(self, index: int, kind: str) -> int:
        """A number, 0 when it is not there."""
        at = self.field(index)
        return int(struct.unpack_from(kind, self.data, at)[0]) if at else 0

    def target(self, index: int) -> int:
        """Where a field leads, 0 when it is not there."""
        at = self.field(index)
        return at + int(struct.unpack_from("<I", self.data, at)[0]) if at else 0


def _batches(data: bytes) -> Iterator[tuple[int, _Table, memoryview]]:
    """The kind of each message with rows or a dictionary, what it says of them, and its body."""
    whole = memoryview(data)
    at = 0
    while at + 4 <= len(whole):
        (size,) = struct.unpack_from("<I", whole, at)
        at += 4
        if size == _CONTINUED:
            (size,) = struct.unpack_from("<I", whole, at)
            at += 4
        if size == 0:
            return
        if size > len(whole) - at:
            raise _Contradiction
        buffer = whole[at : at + size]
        message = _Table(buffer, struct.unpack_from("<I", buffer, 0)[0])
        kind, length = message.number(1, "<B"), message.number(3, "<q")
        at += size
        if not 0 <= length <= len(whole) - at:
            raise _Contradiction
        body = whole[at : at + length]
        at += length
        if kind in (_DICTIONARY, _RECORDS):
            found = _Table(buffer, message.target(2))
            yield kind, _Table(buffer, found.target(1)) if kind == _DICTIONARY else found, body


def _lengths(batch: _Table, body: memoryview) -> Iterator[int]:
    """How long each packed buffer is when it is not packed."""
    at = batch.target(2)
    (count,) = struct.unpack_from("<I", batch.data, at) if at else (0,)
    if count > len(batch.data) // 16:
        raise _Contradiction
    for place in range(count):
        offset, size = struct.unpack_from("<qq", batch.data, at + 4 + 16 * place)
        if not 0 <= offset <= offset + size <= len(body):
            raise _Contradiction
        if size >= 8:
            (length,) = struct.unpack_from("<q", body, offset)
            if length < _NOT_PACKED:
                raise _Contradiction
            yield max(0, length)
