"""Bytes to read: files, what is packed in them, and standard input; see `tables.contract.ByteInput`."""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from mlship import extras
from mlship.errors import InputRefused, UsageError
from mlship.tables.contract import ByteInput
from mlship.tables.frames import Frames

Packing = Literal["gz", "zst"]
"""The ways to pack bytes, by the ending of a file's name."""

_BLOCK = 1 << 16
_BUFFER = 1 << 18
_GZIP = 31  # zlib's name for its format with a gzip header, checksum and length included
_TESTS: dict[Packing, str] = {"gz": "gzip -t", "zst": "zstd -t"}
_NAMES: dict[Packing, str] = {"gz": "gzip", "zst": "Zstandard"}


class LocalFile:
    """A file of this machine.

    Args:
        path: The file.

    Raises:
        OSError: The system could not look at it.
    """

    seekable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)
        self.size: int | None = path.stat().st_size

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the bytes from a position on."""
        stream = self._path.open("rb")
        stream.seek(start)
        return stream


class Packed:
    """What is packed in other bytes; positions are those of the unpacked bytes.

    Reading takes as much memory as was asked for and the window of the format, however far the bytes unpack.

    Args:
        inner: The packed bytes.
        how: The way they are packed.
    """

    seekable = False

    def __init__(self, inner: ByteInput, how: Packing) -> None:
        self._inner = inner
        self._how = how
        self.name = inner.name
        self.size: int | None = None

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the unpacked bytes from a position on, to which all before it are unpacked too.

        Raises:
            DependencyMissing: The library for Zstandard is not installed.
        """
        kind = _Gzip if self._how == "gz" else _Zstandard
        stream = cast("BinaryIO", io.BufferedReader(kind(self._inner.open(), self.name), _BUFFER))
        while start:
            passed = len(stream.read(min(start, 1 << 20)))
            if not passed:
                break
            start -= passed
        return stream


class Pipe:
    """A stream that can be read once, such as standard input.

    Args:
        name: What the user calls it.
        stream: The stream.
    """

    seekable = False

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name = name
        self.size: int | None = None
        self._stream: BinaryIO | None = stream

    def open(self, start: int = 0) -> BinaryIO:
        """Return the stream.

        Raises:
            UsageError: It was opened before, or is wanted from a later position on.
        """
        if self._stream is None or start:
            raise UsageError(
                f"'{self.name}' can be read only once, and only from its beginning.",
                hint="Save it to a file first, and name that file.",
            )
        stream, self._stream = self._stream, None
        with contextlib.suppress(OSError, ValueError):  # what is no file of the system's always waits
            # One that does not wait, as Node.js leaves its pipes, would seem to end wherever its writer is slow.
            os.set_blocking(stream.fileno(), True)
        return stream


class _Unpacking(io.RawIOBase):
    """Unpacked bytes; what went wrong is told as a refusal of the file."""

    how: Packing

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def damaged(self, why: str) -> InputRefused:
        return InputRefused(
            f"'{self._name}' is no {_NAMES[self.how]} file, or it is damaged: {why}.",
            hint=f"Check that it was copied whole: {_TESTS[self.how]} '{self._name}'",
            code="damaged_input",
        )


class _Gzip(_Unpacking):
    """All members of a gzip file, one after the other."""

    how = "gz"

    def __init__(self, stream: BinaryIO, name: str) -> None:
        super().__init__(stream, name)
        self._packed = b""
        self._member: Any = None
        self._members = 0

    def readinto(self, buffer: Any, /) -> int:
        """Unpack until there is something to return; 0 at the end."""
        while True:
            self._packed = self._packed or self._stream.read(_BLOCK)
            if not self._packed and self._member is None:
                return 0
            ended = not self._packed
            found = self._unpacked(len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
            if ended:  # zlib may have held back some bytes until now, but no longer
                raise self.damaged("it ends too early")

    def _unpacked(self, most: int) -> bytes:
        if self._member is None:
            self._member = zlib.decompressobj(_GZIP)
            self._members += 1
        try:
            found: bytes = self._member.decompress(self._packed, most)
        except zlib.error as error:
            if self._members > 1 and "header" in str(error):
                raise self.damaged("after its end there is something else") from None
            raise self.damaged(str(error).rpartition(": ")[2] or "it cannot be unpacked") from None
        self._packed = self._member.unconsumed_tail
        if self._member.eof:
            self._packed = self._member.unused_data
            self._member = None
        return found


class _Zstandard(_Unpacking):
    """All frames of a Zstandard file, one after the other."""

    how = "zst"

    def __init__(self, stream: BinaryIO, name: str) -> None:
        super().__init__(stream, name)
        self._library = _zstandard()
        self._packed = _Followed(stream)
        self._reader = self._library.ZstdDecompressor().stream_reader(self._packed, read_across_frames=True)

    def readinto(self, buffer: Any, /) -> int:
        """Unpack what there is room for; 0 at the end."""
        try:
            found: int = self._reader.readinto(buffer)
        except self._library.ZstdError as error:
            raise self._unreadable(str(error).rpartition(": ")[2]) from None
        if not found and not self._packed.frames.whole:  # the library takes a file that was cut for a whole one
            raise self.damaged("it ends too early")
        return found

    def _unreadable(self, why: str) -> InputRefused:
        if "memory" in why:
            return InputRefused(
                f"'{self._name}' was packed by Zstandard with a window of more than 128 MiB.",
                hint=f"Pack it again: zstd -d --long=31 -c '{self._name}' | zstd -o NEW.zst",
                code="window_too_large",
            )
        if self._packed.frames.count and "frame descriptor" in why:
            return self.damaged("after its end there is something else")
        return self.damaged(f"the library says '{why}'")


class _Followed:
    """Packed bytes on their way to the library for Zstandard."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.frames = Frames()

    def read(self, size: int) -> bytes:
        packed = self._stream.read(size)
        self.frames.follow(packed)
        return packed


def packed(data: bytes, how: Packing) -> bytes:
    """Pack some bytes so that, put one after the other, the results are what all bytes together would unpack to.

    The same bytes come of the same data with the same version of the library: no time and no name is in them.

    Raises:
        DependencyMissing: The library for Zstandard is not installed.
    """
    if how == "gz":
        member = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        return member.compress(data) + member.flush()
    frame: bytes = _zstandard().ZstdCompressor(level=3, write_checksum=True).compress(data)
    return frame


def _zstandard() -> Any:
    return extras.load("zstandard", needed_for="Reading and writing .zst files", hint="pip install 'mlship[zstd]'")
