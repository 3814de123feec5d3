"""The frames of a Zstandard file (RFC 8878, 3.1), followed without unpacking them, to know whether one is whole."""

from __future__ import annotations

from collections.abc import Generator

_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_READ_LENGTH = 4
_REPEATED = 1


class Frames:
    """Where packed bytes stand between the frames of a file.

    Attributes:
        whole: Whether no frame has begun that has not ended.
        count: How many frames have ended.
    """

    def __init__(self) -> None:
        self.whole = True
        self.count = 0
        self._steps = self._walk()
        self._wanted = next(self._steps)
        self._number = b""

    def follow(self, data: bytes) -> None:
        """Go on by some bytes; what is no Zstandard at all is left to whoever unpacks it."""
        place = 0
        while place < len(data):
            self.whole = False
            step = min(self._wanted, len(data) - place)
            if step <= _READ_LENGTH:  # longer ones are passed over
                self._number += data[place : place + step]
            place += step
            self._wanted -= step
            while not self._wanted:
                number = int.from_bytes(self._number[-_READ_LENGTH:], "little")
                self._number = b""
                self._wanted = self._steps.send(number)

    def _walk(self) -> Generator[int, int, None]:
        """Yield the lengths of the pieces of a frame, and be sent the last bytes of each as a number."""
        while True:
            magic = yield _READ_LENGTH
            if magic in _SKIPPABLE:
                length = yield _READ_LENGTH
                yield length
            else:
                yield from self._frame()
            self.whole = True
            self.count += 1

    def _frame(self) -> Generator[int, int, None]:
        descriptor = yield 1
        single = descriptor >> 5 & 1
        size_of_content = (single, 2, 4, 8)[descriptor >> 6]
        size_of_dictionary = (0, 1, 2, 4)[descriptor & 3]
        yield (1 - single) + size_of_dictionary + size_of_content
        last = False
        while not last:
            block = yield 3
            last = bool(block & 1)
            yield 1 if block >> 1 & 3 == _REPEATED else block >> 3
        if descriptor >> 2 & 1:  # a checksum
            yield 4
