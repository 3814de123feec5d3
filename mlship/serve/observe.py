"""What is counted of each exchange, and how a worker is, as metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flask import Request

from mlship import __version__
from mlship.monitor.metrics import CONTENT_TYPE, OTHER, Count, Metrics, Spread, counter, exposed
from mlship.serve import reload
from mlship.serve.endpoint import Endpoint
from mlship.serve.exchange import Exchange, Reply
from mlship.serve.served import Served
from mlship.serve.watchers import Load

_SECONDS = (
    5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
_MOST_CODES = 100  # all codes are ours; should one ever not be, it cannot make series without end


class Observe:
    """An observer that counts.

    Args:
        metrics: The metrics of this worker.
        models: The models by name.
    """

    def __init__(self, metrics: Metrics, models: Mapping[str, Served]) -> None:
        self._metrics = metrics
        self._lock = metrics.lock
        self._requests: dict[tuple[int, int], Count] = {}
        self._errors: dict[str, Count] = {}
        stages = ("parse", "queue", "score", "write")
        told = "Seconds that a stage of a request took."
        self._parse, self._queue, self._score, self._write = (
            metrics.spread("mlship_stage_seconds", told, _SECONDS, stage=stage) for stage in stages
        )
        told = "Rows that were scored in the call that a request was scored in, by request."
        self._together = metrics.spread("mlship_batch_rows", told, _ROWS)
        self._of_model: dict[str, tuple[Spread, Count]] = {
            name: (
                metrics.spread("mlship_request_seconds", "Seconds from request to answer.", _SECONDS, model=name),
                metrics.count("mlship_rows", "Rows that were scored.", model=name),
            )
            for name in models
        }
        told = "Requests whose rows wait for being scored."
        self._depth = metrics.gauge("mlship_queue_depth", told, "livesum")
        told = "Requests that have come and are not answered."
        self._pending = metrics.gauge("mlship_requests_pending", told, "livesum")
        self._connections = metrics.gauge("mlship_connections", "Open connections.", "livesum")
        self._load: Load | None = None
        _introduce(metrics, models)

    def __call__(self, exchange: Exchange) -> None:
        """Count an exchange."""
        seconds = time.perf_counter() - exchange.started
        endpoint = exchange.endpoint
        key = (id(endpoint), exchange.status)
        requests = self._requests.get(key) or self._new_requests(key, endpoint)
        error = None
        if exchange.code:
            error = self._errors.get(exchange.code) or self._new_error(exchange.code)
        with self._lock:
            requests.pending += 1
            if error is not None:
                error.pending += 1
            if endpoint is None:
                return
            whole, rows = self._of_model[endpoint.served.name]
            whole.see(seconds)
            if exchange.call is None:
                return
            self._parse.see(exchange.parse)
            if exchange.outputs is None:
                return
            self._queue.see(exchange.queue)
            self._score.see(exchange.score)
            self._write.see(exchange.write)
            self._together.see(exchange.together)
            rows.pending += exchange.call.feed.rows

    def _new_requests(self, key: tuple[int, int], endpoint: Endpoint | None) -> Count:
        model, protocol = ("", "http") if endpoint is None else (endpoint.served.name, endpoint.protocol)
        told = "Requests that were answered, by the status of the answer."
        count = self._metrics.count("mlship_requests", told, model=model, protocol=protocol, code=str(key[1]))
        return self._requests.setdefault(key, count)

    def _new_error(self, code: str) -> Count:
        if len(self._errors) >= _MOST_CODES and code != OTHER:
            return self._errors.get(OTHER) or self._new_error(OTHER)
        return self._errors.setdefault(
            code, self._metrics.count("mlship_errors", "Answers that tell an error, by its code.", code=code)
        )

    def tick(self, load: Load) -> None:
        """Write what was counted, and how things are."""
        if load != self._load:
            self._load = load
            self._depth.set(load.waiting)
            self._pending.set(load.pending)
            self._connections.set(load.connections)
        self._metrics.flush()

    def close(self) -> None:
        """Write what was counted."""
        self._metrics.flush()


class MetricsView:
    """Answers `/metrics`.

    Args:
        metrics: The metrics of this worker; what it has not written yet is written first.
        folder: The server's folder.
    """

    def __init__(self, metrics: Metrics, folder: Path) -> None:
        self._metrics = metrics
        self._folder = folder

    def __call__(self, _: Request) -> Reply:
        """Answer with the metrics of all workers."""
        self._metrics.flush()
        return Reply(200, scraped(self._folder), CONTENT_TYPE)


def metrics_folder(folder: Path) -> Path:
    """Return where in a server's folder its metrics are."""
    return folder / "metrics"


def scraped(folder: Path) -> bytes:
    """Return the metrics of a server; any process may ask, it needs no model.

    Args:
        folder: The server's folder.
    """
    told = reload.last(folder) or {}
    reloads = {result: float(told.get(result, 0)) for result in ("succeeded", "refused")}
    family = counter("mlship_reloads", "Reloads, by what came of them.", "result", reloads)
    return exposed(metrics_folder(folder), [family])


def _introduce(metrics: Metrics, models: Mapping[str, Served]) -> None:
    """Tell what this worker is, and what it serves."""
    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:  # a build of the runtime under another name
        runtime = "unknown"
    metrics.gauge("mlship_build_info", "Versions.", "livemax", version=__version__, onnxruntime=runtime).set(1)
    metrics.gauge("mlship_workers", "Workers that answer.", "livesum").set(1)
    metrics.count("mlship_workers_started", "Workers that got ready, replacements included.").pending += 1
    for name, served in models.items():
        session = served.session
        metrics.gauge(
            "mlship_model_info",
            "The models that are served; two of a name while one takes the other's place.",
            "livemax",
            name=name,
            version=served.identity["version"],
            digest=session.digest,
            proven=str(session.proven).lower(),
        ).set(1)
        told = "1 when the golden rows were answered as by the original, or there are none; 0 when they were not."
        metrics.gauge("mlship_golden_agrees", told, "livemin", model=name).set(session.replay.agrees)
    metrics.flush()
