"""Inputs that lie in an object store: read by ranges, a little ahead of whoever reads on."""

from __future__ import annotations

import io
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, cast

from mlship.errors import InputRefused
from mlship.objects import Location, ObjectChanged, get_range, head, parse

_FIRST, _MOST = 256 << 10, 8 << 20
"""Bytes of the first request, which doubles from one to the next, and of the largest."""


class ObjectInput:
    """An object of a store as bytes to read; see `contract.ByteInput`.

    What is read is the version that there was when this was made: another one met on the way is refused.

    Args:
        uri: Its URI.

    Attributes:
        etag: The store's own name for these very bytes, or None. With `size` it tells whether the object changed.

    Raises:
        InputRefused: There is no such object.
        OutputFailed: The store refused, or could not be reached.
        UsageError: It is no URI of a store.
        DependencyMissing: The library for stores is not installed.
    """

    seekable = True

    def __init__(self, uri: str) -> None:
        self._place = parse(uri)
        found = head(self._place)
        self.name = self._place.uri
        self.size: int | None = found.size
        self.etag = found.etag
        self._bytes = found.size

    def state(self) -> dict[str, int | str | None]:
        """Return what changes when the object is replaced, as plain JSON values: `size` in bytes and `etag`."""
        return {"size": self._bytes, "etag": self.etag}

    def changed(self) -> bool:
        """Tell whether the object is another one now, or gone."""
        try:
            found = head(self._place)
        except InputRefused:
            return True
        return (found.size, found.etag) != (self._bytes, self.etag)

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the bytes from a position on; it can seek, and holds at most 16 MiB of them."""
        return cast(BinaryIO, io.BufferedReader(_Ranges(self._place, self._bytes, self.etag, start)))


class _Ranges(io.RawIOBase):
    """Reads an object by ranges, each as long as what was asked for or longer, up to a bound.

    Who reads a piece and goes elsewhere causes a request or two for it; who reads on gets larger ones, and the next one
    is under way while the last is used.
    """

    def __init__(self, place: Location, size: int, etag: str | None, start: int) -> None:
        super().__init__()
        self._place = place
        self._size = size
        self._etag = etag
        self._position = start
        self._block = memoryview(b"")
        self._block_start = start
        self._length = _FIRST
        self._in_a_row = 0
        self._pool: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        if self._position >= self._size or not len(target):
            return 0
        if not self._block_start <= self._position < self._block_start + len(self._block):
            self._fetch(len(target))
        piece = self._block[self._position - self._block_start :][: len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _fetch(self, wanted: int) -> None:
        reads_on = self._position == self._block_start + len(self._block) > self._block_start
        self._in_a_row = self._in_a_row + 1 if reads_on else 0
        self._length = self._length if reads_on else _FIRST
        data = self._ahead()
        if data is None:
            data = self._get(self._position, min(max(wanted, self._length), _MOST))
        self._block, self._block_start = memoryview(data), self._position
        self._length = min(2 * self._length, _MOST)
        after = self._position + len(data)
        if self._in_a_row > 1 and after < self._size:
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
            self._next = after, self._pool.submit(self._get, after, self._length)

    def _ahead(self) -> bytes | None:
        """What was asked for ahead, when it is what comes now."""
        asked, self._next = self._next, None
        return asked[1].result() if asked is not None and asked[0] == self._position else None

    def _get(self, start: int, length: int) -> bytes:
        try:
            data = get_range(self._place, start, min(start + length, self._size), self._etag)
        except ObjectChanged:
            data = b""
        if not data:
            raise InputRefused(
                f"'{self._place.uri}' was changed while it was read.",
                hint="Let whatever writes it finish, then run the command again.",
                code="input_changed",
            )
        return data

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._block = memoryview(b"")
        super().close()


def polars_options(uri: str) -> dict[str, str]:
    """Return what Polars has to be told as `storage_options` to read a URI where this process reads it.

    Polars takes credentials, region and endpoint from the same environment by itself; only an endpoint named for S3
    alone wins over the general one, as in the other libraries for S3.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if parse(uri).scheme != "s3" or not endpoint:
        return {}
    return {"aws_endpoint_url": endpoint}
