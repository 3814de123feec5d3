"""Text of any encoding as text in UTF-8, as it is read."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from mlship.errors import InputRefused

if TYPE_CHECKING:
    from mlship.tables.blocks import Readable

_BLOCK = 1 << 20


class Recoding:
    """A stream of UTF-8 made of a stream of another encoding.

    Args:
        first: What was read of the stream already.
        stream: The rest of it.
        encoding: Python's name of its encoding.
        name: What the user calls it.

    Raises:
        InputRefused: On reading, when the bytes are not of that encoding.
    """

    def __init__(self, first: bytes, stream: Readable, encoding: str, name: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._name = name
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ended = False
        self._seen = 0
        self._ready = self._recoded(first)

    def _recoded(self, data: bytes) -> bytes:
        try:
            text = self._decoder.decode(data, self._ended)
        except UnicodeDecodeError as error:
            raise InputRefused(
                f"'{self._name}' is not in {self._encoding}: the bytes from {self._seen + error.start} on are none.",
                hint="Name its encoding: --encoding windows-1252",
                code="bad_encoding",
            ) from None
        self._seen += len(data)
        return text.encode("utf-8", "surrogatepass")

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none only at the end."""
        while not self._ready and not self._ended:
            data = self._stream.read(_BLOCK)
            self._ended = not data
            self._ready = self._recoded(data)
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()
