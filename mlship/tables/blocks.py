"""Cutting a stream of bytes into chunks that end where a record ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from mlship.errors import InputRefused
from mlship.tables.contract import ByteInput, Chunk
from mlship.tables.recoding import Recoding

LONGEST_RECORD = 1 << 25


class Readable(Protocol):
    """What chunks are cut from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none only at the end."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class Cutter:
    """Reads an input once, from its beginning to its end, and cuts it at borders of records.

    Args:
        given: The input.
        chunk_size: Chunks end at the last border within this many bytes; a longer record makes one alone.
    """

    def __init__(self, given: ByteInput, chunk_size: int) -> None:
        self._given = given
        self._chunk_size = chunk_size
        self._stream: Readable | None = None
        self._encoding: str | None = None
        self._rest = b""
        self._at = 0

    def peek(self, size: int) -> bytes:
        """Return at least so many bytes from where reading stands, fewer only at the end."""
        if self._stream is None:
            self._stream = self._given.open(self._at)
        if len(self._rest) < size:
            self._rest += _read(self._stream, size - len(self._rest))
        return self._rest

    def recode(self, encoding: str) -> None:
        """Take the bytes from here on for text in an encoding, and give them in UTF-8 instead."""
        self.peek(1)
        assert self._stream is not None
        self._stream = Recoding(self._rest, self._stream, encoding, self._given.name)
        self._rest = b""
        self._encoding = encoding

    def skip(self, size: int) -> None:
        """Pass over bytes that were seen."""
        self._rest = self._rest[size:]
        self._at += size

    @property
    def recoded(self) -> bool:
        """Whether positions are those of the text in UTF-8, not of the input's own bytes."""
        return self._encoding is not None

    @property
    def at(self) -> int:
        """The position of the next byte."""
        return self._at

    def go_to(self, start: int) -> None:
        """Go on at a position; backwards only where the input can be opened again."""
        if self._stream is not None and start == self._at:
            return
        self.close()
        if self._encoding is None:
            self._stream, self._rest, self._at = self._given.open(start), b"", start
            return
        self._stream, self._rest, self._at = None, b"", 0
        self.recode(self._encoding)
        while self._at < start and self.peek(self._chunk_size):
            self.skip(min(len(self._rest), start - self._at))

    def chunks(
        self, index: int, last_border: Callable[[bytes], int], whole: Callable[[bytes], bool]
    ) -> Iterator[Chunk]:
        """Yield chunks with their bytes from where reading stands.

        Args:
            index: The number of the first one.
            last_border: Tells where the last whole record of a block ends, 0 when none does.
            whole: Tells whether what is left at the end of the input is a record, though nothing ends it.

        Raises:
            Endless: A record does not end, or is longer than 32 MiB and the chunk size.
            InputRefused: The input became shorter.
        """
        size = self._chunk_size
        while data := self.peek(size):
            at_end = len(data) < size
            if at_end:
                self._check_end(self._at + len(data))
            border = last_border(data) if len(data) <= size else last_border(data[:size])
            if not border and at_end and whole(data):
                border = len(data)
            if not border:
                if at_end or size >= max(LONGEST_RECORD, self._chunk_size):
                    raise Endless(self._at)
                size *= 2
                continue
            start = self._at
            chunk = data[:border]
            self.skip(border)
            yield Chunk(index, start, start + border, chunk)
            index += 1
            size = self._chunk_size
        self._check_end(self._at)

    def _check_end(self, end: int) -> None:
        if self._given.size is not None and self._encoding is None and end < self._given.size:
            raise InputRefused(
                f"'{self._given.name}' became shorter while it was read.",
                hint="Run the command again when nothing writes to the file.",
                code="input_changed",
            )

    def close(self) -> None:
        """Let go of the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Endless(Exception):
    """A record does not end.

    Args:
        start: Where it begins.
    """

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


def _read(stream: Readable, size: int) -> bytes:
    """Read so many bytes, fewer only at the end: pipes give what there is."""
    data = stream.read(size)
    if len(data) == size:
        return data
    parts = [data]
    missing = size - len(data)
    while missing and parts[-1]:
        parts.append(stream.read(missing))
        missing -= len(parts[-1])
    return b"".join(parts)
