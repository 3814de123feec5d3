"""Whether what is asked still looks like the sample, and how answers are distributed: counted off the requests' way.

The rows of exchanges are kept for a moment and counted on a thread of the pool every 2 seconds: at most the first 256
requests or 4,096 rows of each model in that time, and the others are told as a number. A worker writes its counts since
its model was loaded, by the model's digest; whoever counted last adds up those of all workers and tells what comes of
it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from mlship.model.feed import Feed, columns_of, joined, joined_outputs
from mlship.model.values.codes import Array
from mlship.monitor.contract import Counts, Seen
from mlship.monitor.distribution import Distribution
from mlship.monitor.drift import Drift
from mlship.monitor.metrics import Metrics
from mlship.monitor.predictions import Predictions
from mlship.serve.exchange import Exchange
from mlship.serve.served import Served
from mlship.serve.watchers import Load

MOST_ROWS = 4096
MOST_REQUESTS = 256
TICKS = 8

_log = logging.getLogger(__name__)
_Answered = tuple[Feed, Mapping[str, Array]]
Submit = Callable[[Callable[[], None]], "Future[None]"]


class DriftWatch:
    """An observer that watches inputs and predictions.

    Args:
        metrics: Where it is told.
        models: The models by name.
        folder: Where workers find each other's counts.
        submit: Has a function called on a thread.
    """

    def __init__(self, metrics: Metrics, models: Mapping[str, Served], folder: Path, submit: Submit) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own = folder / f"{metrics.slot}.json"
        self._submit = submit
        self._lock = threading.Lock()
        self._busy = False
        self._ticks = 0
        before = _read(self._own)
        self._watched = {name: _Watched(metrics, served, before.get(name)) for name, served in models.items()}
        self._tell()  # what its predecessor told last is gone with it

    def __call__(self, exchange: Exchange) -> None:
        """Keep the rows of an exchange that was scored."""
        call, endpoint = exchange.call, exchange.endpoint
        if call is not None and endpoint is not None and exchange.outputs is not None:
            self._watched[endpoint.served.name].keep(call.feed, exchange.outputs)

    def tick(self, load: Load) -> None:  # noqa: ARG002 - it has nothing to do with how things are
        """Have what was kept counted, every so often."""
        self._ticks += 1
        if self._ticks % TICKS == 0 and not self._busy and any(watched.kept for watched in self._watched.values()):
            self._busy = True
            self._submit(self._fold)

    def close(self) -> None:
        """Count what is left."""
        self._fold()

    def _fold(self) -> None:
        try:
            with self._lock:
                folded = [watched.fold() for watched in self._watched.values()]
                if any(folded):
                    _write(self._own, {name: watched.counts for name, watched in self._watched.items()})
                    self._tell()
        except Exception as error:  # noqa: BLE001 - whatever it is, requests go on; its text may hold values
            _log.error("Drift was not counted: %s.", type(error).__name__)
        finally:
            self._busy = False

    def _tell(self) -> None:
        written = _written(self._folder)
        for name, watched in self._watched.items():
            watched.tell(counts[name] for counts in written if name in counts)


def drift_folder(folder: Path) -> Path:
    """Return where in a server's folder the counts of its workers are."""
    return folder / "drift"


def results(folder: Path, served: Served) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the results of `Drift` and `Predictions` of a model since it was loaded; any process may ask.

    Args:
        folder: Where workers leave their counts.
        served: The model.
    """
    monitors = Drift(served.signature.inputs, served.session.card.baseline), Predictions(served.signature.outputs)
    counted = [counts[served.name] for counts in _written(folder) if served.name in counts]
    return _results(*monitors, [counts for counts in counted if counts["digest"] == served.session.digest])


def _results(
    drift: Drift, predictions: Predictions, counted: Iterable[Counts]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What comes of the counts of all workers that serve the same file."""
    inputs: Counts = {}
    outputs: Counts = {}
    for counts in counted:
        inputs = drift.add(inputs, counts["drift"])
        outputs = predictions.add(outputs, counts["predictions"])
    return drift.result(inputs), predictions.result(outputs)


class _Watched:
    """One model.

    Attributes:
        kept: Rows that are kept for being counted.
        counts: What was counted, as JSON values.
    """

    def __init__(self, metrics: Metrics, served: Served, before: Counts | None) -> None:
        session = served.session
        signature = session.signature
        self._signature = signature
        self._drift = Drift(signature.inputs, session.card.baseline)
        self._predictions = Predictions(signature.outputs)
        self._distribution = Distribution(metrics, served.name, signature)
        told = "Rows that were not looked at for drift, as too many came at once."
        self._skipped = metrics.count("mlship_drift_skipped_rows", told, model=served.name)
        self._metrics = metrics
        self._answered: list[_Answered] = []
        self.kept = 0
        self.counts: Counts = {"digest": session.digest, "drift": {}, "predictions": {}}
        if before is not None and before["digest"] == session.digest:
            self.counts = before

    def keep(self, feed: Feed, outputs: Mapping[str, Array]) -> None:
        """Keep rows for being counted, or count that they are not."""
        with self._metrics.lock:
            if self.kept >= MOST_ROWS or len(self._answered) >= MOST_REQUESTS:
                self._skipped.pending += feed.rows
            elif feed.rows:
                self.kept += feed.rows
                self._answered.append((feed, outputs))

    def fold(self) -> bool:
        """Count what was kept, and tell whether there was anything."""
        with self._metrics.lock:
            answered, self._answered, self.kept = self._answered, [], 0
        for form in (True, False):
            alike = [(feed, outputs) for feed, outputs in answered if feed.form is form]
            if alike:
                self._count(self._seen(alike))
        return bool(answered)

    def tell(self, all_counts: Iterable[Counts]) -> None:
        """Tell what comes of the counts of all workers that serve the same file."""
        counted = [counts for counts in all_counts if counts["digest"] == self.counts["digest"]]
        self._distribution.tell(*_results(self._drift, self._predictions, counted))

    def _count(self, seen: Seen) -> None:
        drift, predictions = self._drift.count(seen), self._predictions.count(seen)
        self._distribution.count(predictions, seen.outputs)
        self.counts = {
            **self.counts,
            "drift": self._drift.add(self.counts["drift"], drift),
            "predictions": self._predictions.add(self.counts["predictions"], predictions),
        }

    def _seen(self, answered: list[_Answered]) -> Seen:
        feed = joined([feed for feed, _ in answered])
        outputs = joined_outputs([outputs for _, outputs in answered])
        return Seen(np.arange(feed.rows), columns_of(feed, self._signature), outputs)


def _written(folder: Path) -> list[dict[str, Any]]:
    return [_read(file) for file in sorted(folder.glob("[0-9]*.json"))]


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    return found


def _write(file: Path, counts: dict[str, Any]) -> None:
    """Write counts so that nobody reads half of them; that they outlive the machine is nobody's wish."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(counts), encoding="utf-8")
    part.replace(file)
