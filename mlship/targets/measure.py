"""How much memory a process needs that works with a model: measured in processes of their own.

`python -m mlship.targets.measure serve|batch MODEL SHARE` prints bytes. Measured is what was resident, libraries
included.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlship.errors import ModelRefused
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.records import read_records
from mlship.serve.example import example_record
from mlship.serve.settings import Limits
from mlship.targets.contract import WORKERS, Memory

_FILE_BYTES = 32 << 20
"""Of a file to score: chunks for all workers, and the next ones read meanwhile."""
_THREADS = 2
"""Of a worker that has a CPU to itself: one scores, and one more reads and writes."""
_ROUNDS = 3  # what the allocator keeps hardly grows after that
_SECONDS, _SECONDS_OF_BATCH = 600.0, 540.0  # the second of a process of the first's, which has to end it
_REQUEST_SECONDS, _FILE_SECONDS = 10.0, 60.0
"""Of scoring the rows of a request, and of a file. A slow model gets fewer rows, made as large by what it ignores:
what is resident is bodies and chunks, and those are cut by bytes.
"""
_TRIED = 64  # rows by which it is known how slow a model is
_SLOW = 1.0  # seconds of a row past which one has to do


def measured(model: Path, share: float = 1.0) -> Memory:
    """Measure in new processes.

    Args:
        model: The ONNX file; one that opens.
        share: Of the time that scoring may take; only slow models are measured otherwise with less of it.

    Raises:
        ModelRefused: The process could not score with it.
    """
    idle, serve = _told(model, "serve", share)
    (batch,) = _told(model, "batch", share)
    return Memory(serve, batch, idle)


def _told(model: Path, use: str, share: float) -> list[int]:
    command = [sys.executable, "-m", __name__, use, str(model), str(share)]
    found: list[int] = json.loads(_run(command, model, _SECONDS))
    return found


def _run(command: list[str], model: Path, seconds: float) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLSHIP_")}  # options of others
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, env=env)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise ModelRefused(
            f"The memory that '{model}' needs could not be measured within {seconds:,.0f} seconds.", code="not_measured"
        ) from None
    if done.returncode != 0:
        told = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("hint: ")]
        why = told[-1:] or [f"it ended with {done.returncode}"]
        raise ModelRefused(f"The memory that '{model}' needs could not be measured: {why[0]}.", code="not_measured")
    return done.stdout


def serve(model: Path, share: float = 1.0) -> list[int]:
    """Work as a worker of `serve` does, and return the bytes that were resident before the first request, and at most.

    Raises:
        ModelRefused: The model does not open, or answers nothing.
    """
    for library in ("mlship.serve.app", "polars"):
        importlib.import_module(library)
    session = open_session(SessionSpec(model))
    record = example_record(session)
    idle = _peak("RUSAGE_SELF")
    if record is not None:  # else no row is known that it accepts, and what it takes when idle has to do
        _serve(session, record, share)
    return [idle, _peak("RUSAGE_SELF")]


def batch(model: Path, share: float = 1.0) -> list[int]:
    """Score a file by `mlship batch`, and return the bytes that were resident at most.

    Raises:
        ModelRefused: The model does not open, or the file could not be scored.
    """
    session = open_session(SessionSpec(model))
    record = example_record(session)
    if record is None:  # as above
        return [_peak("RUSAGE_SELF")]
    with tempfile.TemporaryDirectory(prefix="mlship-") as folder:
        file = Path(folder) / "rows.csv"
        most_rows = max(1, int(share * WORKERS * _FILE_SECONDS / _seconds_of_row(session, record)))
        file.write_text(_csv(record, most_rows), encoding="utf-8")
        command = [sys.executable, "-m", "mlship", "batch", str(file), "--model", str(model), "--workers", str(WORKERS)]
        _run(command, model, _SECONDS_OF_BATCH)
    return [_peak("RUSAGE_CHILDREN")]


def _seconds_of_row(session: Session, record: Mapping[str, Any]) -> float:
    """How long a row takes."""
    seconds = 0.0
    for rows in (1, _TRIED):
        columns = read_records(session.signature, [record] * rows).columns
        start = time.perf_counter()
        session.predict(columns)
        seconds = max((time.perf_counter() - start) / rows, 1e-9)
        if seconds > _SLOW:  # so many more of them would take minutes
            break
    return seconds


def _csv(record: Mapping[str, Any], most_rows: int) -> str:
    """A file of the same row again and again."""
    head, row = io.StringIO(), io.StringIO()
    csv.writer(row).writerow("" if value is None else value for value in record.values())
    size = len(row.getvalue())
    rows = max(1, min(_FILE_BYTES // size, most_rows))
    # Half of a file at most: a record as long as all of it is longer than batch takes one for.
    filler = {"_": "x" * (_FILE_BYTES // max(rows, 2) - size)} if rows == most_rows else {}
    wide = {**record, **filler}
    csv.writer(head).writerow(wide)
    row = io.StringIO()
    csv.writer(row).writerow("" if value is None else value for value in wide.values())
    return head.getvalue() + row.getvalue() * rows


def _serve(session: Session, record: Mapping[str, Any], share: float) -> None:
    """Answer the largest requests that are allowed, as many at a time as a worker has threads."""
    from mlship.serve.app import App
    from mlship.serve.desk import Desk
    from mlship.serve.health import Health
    from mlship.serve.served import Served
    from mlship.serve.settings import Pace
    from mlship.serve.table import endpoints_of
    from mlship.serve.views import views_of

    models = {"model": Served("model", session, Limits(), Pace())}
    health = Health(models, lambda: False)
    app = App(Desk(endpoints_of(models)), models, health, views_of(models, health))
    seconds = _seconds_of_row(session, record)
    body = _largest(record, int(share * _REQUEST_SECONDS / seconds))
    rounds = 1 if seconds > _SLOW else _ROUNDS
    with ThreadPoolExecutor(_THREADS) as pool:
        for status in pool.map(lambda _: _asked(app, body), range(_THREADS * rounds)):
            if not status.startswith("200"):
                raise ModelRefused(f"A request of the model's own example was answered {status}.")


def _largest(record: Mapping[str, Any], most_rows: int) -> bytes:
    """A request with as many rows and bytes as are allowed: columns that the model ignores fill it up."""
    limits = Limits()
    rows, size = max(1, min(limits.rows, most_rows)), len(_body(record, 1))
    if size * rows > limits.body:  # few wide rows
        return _body(record, max(1, limits.body * 9 // 10 // size))
    left = limits.body * 9 // 10 // rows - size
    names = (f"_{extra}" for extra in range(left // len(f'"_{left}":0.5,')))
    return _body({**record, **dict.fromkeys(names, 0.5)}, rows)


def _body(record: Mapping[str, Any], rows: int) -> bytes:
    return json.dumps([record] * rows, separators=(",", ":")).encode()


def _asked(app: Any, body: bytes) -> str:
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/predict",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    app(environ, lambda told, _headers, _error=None: status.append(told))
    return status[0]


def _peak(whose: str) -> int:
    resource: Any = importlib.import_module("resource")
    most: int = resource.getrusage(getattr(resource, whose)).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    use = {"serve": serve, "batch": batch}[sys.argv[1]]
    print(json.dumps(use(Path(sys.argv[2]), float(sys.argv[3]))))  # noqa: T201  its answer
