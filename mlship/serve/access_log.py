"""One line of JSON on stderr for each answer. No value of a row is in it, no query and no header but the request's id.

{"ts": "2026-01-31T12:00:00.123Z", "request_id": "...", "method": "POST", "path": "/predict", "status": 200, ...}
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from mlship.monitor.metrics import Metrics
from mlship.serve.exchange import Exchange
from mlship.serve.lines import Lines
from mlship.serve.watchers import Load

_STDERR = 2
_MOST_WAITING = 20_000
_LONGEST_WRITE = 4096  # a pipe takes so much at once, and lines of several workers stay whole
_LONGEST_PATH = 200
_LONGEST_METHOD = 16
_UNESCAPED = "/!$&'()*+,;=:@~"

_Line = tuple[Any, ...]


class AccessLog:
    """An observer that logs each exchange.

    Args:
        metrics: Where lines are counted that could not be written.
        write: Takes whole lines, at most 4,096 bytes of them unless a single one is longer.
    """

    def __init__(self, metrics: Metrics, write: Callable[[bytes], None] | None = None) -> None:
        self._lock = metrics.lock
        self._dropped = metrics.count("mlship_log_dropped", "Lines of the access log that could not be written.")
        self._write = write or _to_stderr
        self._lines: Lines[_Line] = Lines(self._write_all, _MOST_WAITING, "mlship-log")

    def __call__(self, exchange: Exchange) -> None:
        """Put the line of an exchange into the queue; it is formatted where it is written."""
        environ, endpoint, call = exchange.environ, exchange.endpoint, exchange.call
        body = environ.get("mlship.body")
        line = (
            time.time(),
            exchange.request_id,
            exchange.trace,
            environ.get("REMOTE_ADDR"),
            environ.get("REQUEST_METHOD"),
            environ.get("PATH_INFO"),
            exchange.status,
            exchange.code,
            None if endpoint is None else endpoint.served.name,
            None if endpoint is None else endpoint.protocol,
            None if call is None else call.feed.rows,
            0 if body is None else len(body),
            exchange.size,
            time.perf_counter() - exchange.started,
        )
        if not self._lines.put(line):
            self._drop(1)

    def tick(self, load: Load) -> None:
        """Do nothing: the thread has a clock of its own."""

    def close(self) -> None:
        """Write what is left."""
        self._lines.close()

    def _write_all(self, lines: list[_Line]) -> None:
        group: list[bytes] = []
        size = 0
        for line in map(_formatted, lines):
            if size + len(line) > _LONGEST_WRITE and group:
                self._write_group(group)
                group, size = [], 0
            group.append(line)
            size += len(line)
        self._write_group(group)

    def _write_group(self, group: list[bytes]) -> None:
        try:
            self._write(b"".join(group))
        except OSError:  # nobody reads any more, or the disk is full; requests go on
            self._drop(len(group))

    def _drop(self, lines: int) -> None:
        with self._lock:
            self._dropped.pending += lines


def _to_stderr(data: bytes) -> None:
    while data:
        data = data[os.write(_STDERR, data) :]


def _formatted(line: _Line) -> bytes:
    """One line; what is not known is left out. This is most of what logging costs, so that it is written out."""
    at, request_id, trace, client, method, path, status, code, model, protocol, rows, taken, given, seconds = line
    whole = int(at)
    told = {"ts": f"{_second(whole)}.{int((at - whole) * 1000):03d}Z"}
    if request_id:
        told["request_id"] = request_id
    if trace:
        told["trace_id"] = trace
    told["client"] = client
    if path is not None:
        told["method"], told["path"] = _escaped(method, _LONGEST_METHOD), _escaped(path, _LONGEST_PATH)
    told["status"] = status
    if code:
        told["code"] = code
    if model is not None:
        told["model"], told["protocol"] = model, protocol
    if rows is not None:
        told["rows"] = rows
    told["bytes_in"], told["bytes_out"], told["ms"] = taken, given, round(seconds * 1000, 3)
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=256)
def _escaped(text: str, longest: int) -> str:
    """A path as it would stand in a URL: nothing in it can break a line, or a terminal that shows it."""
    return quote(text[:longest].encode("latin-1", "replace"), safe=_UNESCAPED)[:longest]
