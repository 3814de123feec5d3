"""A stream of bytes, cut into pieces of whole lines in one pass."""

from __future__ import annotations

from typing import BinaryIO

from mlship.errors import InputRefused

_LONGEST = 1 << 25
_BOM = b"\xef\xbb\xbf"
# How other kinds of files begin, and what they are.
_OTHER = (
    (b"PAR1", "a Parquet file", "Give it a name that ends in .parquet."),
    (b"ARROW1", "an Arrow file", "Give it a name that ends in .arrow."),
    (b"PK\x03\x04", "a zip archive", "Unpack it first with: unzip"),
    (b"\x1f\x8b", "compressed with gzip", "Give it a name that ends in .gz."),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "Give it a name that ends in .zst."),
    (b"\xff\xfe\0\0", "in UTF-32", "Turn it into UTF-8 first with: iconv -f UTF-32 -t UTF-8"),
    (b"\xff\xfe", "in UTF-16", "Turn it into UTF-8 first with: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "in UTF-16", "Turn it into UTF-8 first with: iconv -f UTF-16 -t UTF-8"),
)


class Lines:
    """The lines of a stream.

    Args:
        stream: The stream; it is read from where it stands.
        name: What the user calls it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._held = b""

    def piece(self, size: int, at: int) -> bytes:
        """Return the lines that end within a number of bytes, or the first one where it is longer.

        The last line need not end. How the stream was read before makes no difference.

        Args:
            size: The number of bytes.
            at: Where the piece begins, for messages.

        Returns:
            The bytes; none at the end.

        Raises:
            InputRefused: A line is longer than 32 MiB and the size.
        """
        data = self._filled(size + 1)  # one byte more tells whether the stream ends here
        if len(data) <= size:
            self._held = b""
            return data
        end = data.rfind(b"\n", 0, size) + 1
        if not end:
            data, end = self._long_line(size, at)
        self._held = data[end:]
        return data[:end]

    def _long_line(self, size: int, at: int) -> tuple[bytes, int]:
        most = max(_LONGEST, size)
        looked = size
        while True:
            data = self._filled(2 * looked)
            end = data.find(b"\n", looked, most) + 1
            if end or (len(data) < 2 * looked and len(data) <= most):
                return data, end or len(data)
            if len(data) >= most:
                raise InputRefused(
                    f"'{self._name}' has a line that begins at byte {at} and is longer than {most >> 20} MiB; "
                    "one JSON object a line was expected.",
                    hint=f"Turn a JSON array into lines with: jq -c '.[]' '{self._name}' > lines.ndjson",
                    code="line_too_long",
                )
            looked = len(data)

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them."""
        return self._filled(size)[:size]

    def skip(self, size: int) -> None:
        """Pass over bytes that `peek` returned."""
        self._held = self._held[size:]

    def unread(self, data: bytes) -> None:
        """Put back what `piece` returned."""
        self._held = data + self._held

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()

    def _filled(self, size: int) -> bytes:
        """What is held, filled up to a size where the stream has so much."""
        parts = [self._held]
        missing = size - len(self._held)
        while missing > 0 and (part := self._stream.read(missing)):
            parts.append(part)
            missing -= len(part)
        self._held = b"".join(parts)
        return self._held


def opening(lines: Lines, name: str) -> int:
    """Pass over a byte order mark, and return how long it is.

    Raises:
        InputRefused: The bytes are of another kind or encoding.
    """
    start = lines.peek(8)
    for magic, what, hint in _OTHER:
        if start.startswith(magic):
            raise InputRefused(f"'{name}' is {what}, not NDJSON in UTF-8.", hint=hint, code="not_ndjson")
    mark = len(_BOM) if start.startswith(_BOM) else 0
    lines.skip(mark)
    return mark
