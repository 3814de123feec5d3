"""The journal of a run: one line for its job, one for each chunk that is done; a line that is damaged ends it.

A line is a JSON object, a tab, and the crc32 of the object's bytes in hexadecimal. It is written after the chunk's
bytes and tells their digest, so that it need not be on the disk for the output to be right: whatever a crash
leaves is compared with the digests before it is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from pathlib import Path
from typing import IO, Any

from mlship.batch.outputs.contract import Done

_SYNC_SECONDS = 5.0


class Journal:
    """One journal.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None
        self._synced = time.monotonic()

    def read(self) -> tuple[dict[str, Any] | None, list[Done]]:
        """Return the first line, None when there is no whole one, and the chunks done up to the first damaged line."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None, []
        head = _parsed(lines[0])
        if head is None:
            return None, []
        done: list[Done] = []
        for line in lines[1:]:
            data = _parsed(line)
            if data is None:
                break
            try:
                found = Done.from_json(data)
            except TypeError:
                break
            if found.index != len(done) and (not done or found.index <= done[-1].index):
                break
            done.append(found)
        return head, done

    def begin(self, head: dict[str, Any], done: list[Done]) -> None:
        """Write it anew with what is known, and hold it open for more.

        Raises:
            OSError: The system could not write.
        """
        self.close()
        part = self._path.with_name(self._path.name + ".new")
        with part.open("wb") as stream:
            stream.write(b"".join(_line(item) for item in (head, *(chunk.to_json() for chunk in done))))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._path)
        self._stream = self._path.open("ab", buffering=0)

    def add(self, done: Done, *others: IO[bytes]) -> None:
        """Append a chunk; now and then it and other files are flushed to the disk.

        Raises:
            OSError: The system could not write.
        """
        assert self._stream is not None
        write_all(self._stream, _line(done.to_json()))
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync(*others, self._stream)
            self._synced = time.monotonic()

    def sync(self, *streams: IO[bytes]) -> None:
        """Flush files to the disk that hold what the journal tells of.

        Where that fails, the journal is dropped: the system takes what it could not write for written from then on,
        so that reading gives what the disk may never have, and another flush would succeed.

        Raises:
            OSError: The system could not.
        """
        try:
            for stream in streams:
                os.fsync(stream.fileno())
        except OSError:
            self.drop()
            raise

    def drop(self) -> None:
        """Forget everything, so that the next run starts over."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # each line was written by itself, and is looked at before it is used
                self._stream.close()
            self._stream = None


def write_all(stream: IO[bytes], data: bytes) -> None:
    """Write bytes whole: the system may take only a part at a time."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def _line(data: dict[str, Any]) -> bytes:
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()
    return text + b"\t%08x\n" % zlib.crc32(text)


def _parsed(line: bytes) -> dict[str, Any] | None:
    text, _, check = line.rpartition(b"\t")
    if check != b"%08x" % zlib.crc32(text):
        return None
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
