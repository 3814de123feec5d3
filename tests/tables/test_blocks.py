"""Chunks put together are the input, whatever its stream gives at a time."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlship.tables.blocks import Cutter, Endless
from mlship.tables.records import last_border
from mlship.tables.streams import Pipe


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time.

    Args:
        data: What it gives.
        most: The most bytes at a time.
    """

    def __init__(self, data: bytes, most: int) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer's beginning."""
        got = self._data.read(min(self._most, len(buffer)))
        buffer[: len(got)] = got
        return len(got)


def streams(data: bytes, most: int) -> list[BinaryIO]:
    """Return the same bytes as kinds of streams: with a buffer, without, and all at once."""
    raw = cast("list[BinaryIO]", [io.BufferedReader(Dribble(data, most), 3), Dribble(data, most)])
    return [*raw, io.BytesIO(data)]


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda line: line.translate(None, b'\n"')), max_size=12),
    size=st.integers(1, 40),
    most=st.integers(1, 40),
    peeked=st.integers(1, 60),
)
def test_chunks_are_whole_lines_of_at_most_their_size(lines: list[bytes], size: int, most: int, peeked: int) -> None:
    """Every chunk ends where a line does, tells its place, and is longer than wanted only for a long line."""
    data = b"".join(line + b"\n" for line in lines)
    for stream in streams(data, most):
        cutter = Cutter(Pipe("stdin", stream), size)
        assert cutter.peek(peeked)[:peeked] == data[:peeked]
        found = list(cutter.chunks(0, last_border, lambda _: True))
        assert [chunk.index for chunk in found] == list(range(len(found)))
        assert b"".join(chunk.data or b"" for chunk in found) == data
        for chunk in found:
            assert chunk.data == data[chunk.start : chunk.stop]
            assert chunk.data.endswith(b"\n")
            first = chunk.data.index(b"\n") + 1
            assert len(chunk.data) <= (size if first <= size else 2 * first)


def test_what_does_not_end_is_told_with_its_place() -> None:
    """A last record that nothing ends, and that is none, is told by where it begins."""
    cutter = Cutter(Pipe("stdin", io.BytesIO(b"one\ntwo\nthr")), 8)
    with pytest.raises(Endless) as found:
        list(cutter.chunks(0, last_border, lambda _: False))
    assert found.value.start == 8
