"""A record of all predictions, kept by choice: which model answered what to which request, and the digest of its input.

Each worker appends to a file of its own, `predictions-<start>-<slot>.ndjson`, readable by its owner alone. It is closed
and compressed after 64 MB or an hour. Requests never wait for it: what cannot be written is counted and given up.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import logging
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from mlship.monitor.metrics import Metrics
from mlship.serve.exchange import Exchange
from mlship.serve.lines import Lines
from mlship.serve.watchers import Load

LARGEST_FILE = 64 << 20
OLDEST_FILE = 3600.0
_MOST_WAITING = 64 << 20  # bytes of bodies and, roughly, of outputs
_BYTES_A_NUMBER = 24
_TOLD_SECONDS = 60.0

_log = logging.getLogger(__name__)
_Entry = tuple[float, Exchange]


class Audit:
    """An observer that records predictions.

    Args:
        folder: The folder of the record.
        metrics: Where predictions are counted that were not recorded.
        largest: Bytes after which a file is closed.
        oldest: Seconds after which a file is closed.
    """

    def __init__(
        self, folder: Path, metrics: Metrics, largest: int = LARGEST_FILE, oldest: float = OLDEST_FILE
    ) -> None:
        self._lock = metrics.lock
        told = "Requests whose predictions could not be recorded."
        self._dropped = metrics.count("mlship_audit_dropped", told)
        self._file = _Record(folder, str(metrics.slot), largest, oldest)
        self._told = -_TOLD_SECONDS
        self._lines: Lines[_Entry] = Lines(self._write, _MOST_WAITING, "mlship-audit")

    def __call__(self, exchange: Exchange) -> None:
        """Have an exchange recorded that has predictions."""
        call, outputs = exchange.call, exchange.outputs
        if call is None or outputs is None or exchange.status != 200:
            return
        weight = len(call.asked.body) + call.feed.rows * len(outputs) * _BYTES_A_NUMBER
        if not self._lines.put((time.time(), exchange), weight):
            self._drop(1, "they come faster than they can be written")

    def tick(self, load: Load) -> None:
        """Do nothing: the thread has a clock of its own."""

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._lines.close()
        self._file.close()

    def _write(self, entries: list[_Entry]) -> None:
        lines = [_line(at, exchange) for at, exchange in entries]
        entries.clear()
        try:
            self._file.append(b"".join(lines))
        except OSError as error:
            self._drop(len(lines), error.strerror or type(error).__name__)

    def _drop(self, count: int, why: str) -> None:
        with self._lock:
            self._dropped.pending += count
        now = time.monotonic()
        if now - self._told >= _TOLD_SECONDS:
            self._told = now
            _log.error("Predictions are not recorded: %s. mlship_audit_dropped_total counts them.", why)


class _Record:
    """The file that is written to, and those that are done with."""

    def __init__(self, folder: Path, slot: str, largest: int, oldest: float) -> None:
        self._folder = folder
        self._slot = slot
        self._largest = largest
        self._oldest = oldest
        self._handle = -1
        self._path = folder
        self._size = 0
        self._until = 0.0

    def append(self, data: bytes) -> None:
        """Append whole lines, or nothing.

        Raises:
            OSError: The system refused.
        """
        if self._handle >= 0 and (self._size >= self._largest or time.monotonic() >= self._until):
            self._done()
        if self._handle < 0:
            self._open()
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError:
            os.ftruncate(self._handle, self._size)  # no half of a line
            raise
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path = self._folder / f"predictions-{stamp}-{self._slot}.ndjson"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(self._path, flags, 0o600)
        self._size = 0
        self._until = time.monotonic() + self._oldest

    def _done(self) -> None:
        """Close and compress the file; where there is no room for that, it stays as it is."""
        self.close()
        packed = self._path.with_name(f"{self._path.name}.gz")
        part = packed.with_name(f".{packed.name}.part")
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with (
                os.fdopen(handle, "wb") as raw,
                gzip.GzipFile("", "wb", 6, raw) as stream,
                self._path.open("rb") as source,
            ):
                shutil.copyfileobj(source, stream, 1 << 20)
            part.replace(packed)
            self._path.unlink()
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()


def _line(at: float, exchange: Exchange) -> bytes:
    call, endpoint, outputs = exchange.call, exchange.endpoint, exchange.outputs
    assert call is not None
    assert endpoint is not None
    assert outputs is not None
    identity = endpoint.served.identity
    told: dict[str, Any] = {
        "ts": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": exchange.request_id,
        "model": {"name": identity["name"], "digest": identity["digest"]},
        "input_sha256": hashlib.sha256(call.asked.body).hexdigest(),
        "rows": call.feed.rows,
        "outputs": {name: values.tolist() for name, values in outputs.items()},
    }
    return orjson.dumps(told) + b"\n"
