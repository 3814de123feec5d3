"""What is counted of a stream, in metrics that all its processes write to, and drift of what comes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mlship import __version__
from mlship.model.feed import columns_of
from mlship.model.session import Session
from mlship.monitor.contract import Counts, Seen
from mlship.monitor.distribution import Distribution
from mlship.monitor.drift import Drift
from mlship.monitor.metrics import Count, Metrics
from mlship.monitor.predictions import Predictions
from mlship.stream.records import Scored

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_LOOKED_AT = 4096
"""Rows of a second that are looked at for drift; more would take longer than scoring them does."""
_TELL_SECONDS = 1.0


class Observed:
    """Counts one process's part of a stream.

    Args:
        metrics: Where.
        session: The model.
    """

    def __init__(self, metrics: Metrics, session: Session) -> None:
        self._metrics = metrics
        self._read = metrics.count("mlship_stream_records", "Records that were read and are committed.")
        self._dead = metrics.count("mlship_stream_tombstones", "Records without a value among them.")
        self._again = metrics.count("mlship_stream_retries", "Micro-batches that were not committed and read again.")
        self._rebalances = metrics.count("mlship_stream_rebalances", "Times that partitions came or went.")
        told = "Seconds from when a micro-batch was read to its commit."
        self._total = metrics.spread("mlship_stream_seconds", told, _SECONDS)
        told = "Seconds that it took to write a micro-batch and its offsets."
        self._commit = metrics.spread("mlship_stream_commit_seconds", told, _SECONDS)
        self._together = metrics.spread("mlship_batch_rows", "Rows that were scored in one call.", _ROWS)
        self._rejects: dict[str, Count] = {}
        self._lags: dict[int, Any] = {}
        self._ours: set[int] = set()
        self._tell_at = 0.0
        self._left = _LOOKED_AT
        metrics.gauge("mlship_workers", "Processes that read.", "livesum").set(1)
        metrics.count("mlship_workers_started", "Processes that got ready, replacements included.").pending += 1
        self._info: Any = None
        self.take(session)

    def take(self, session: Session) -> None:
        """Begin to count for a model."""
        name = session.card.name
        self._rows = self._metrics.count("mlship_rows", "Rows that were scored.", model=name)
        try:
            runtime = version("onnxruntime")
        except PackageNotFoundError:  # a build of the runtime under another name
            runtime = "unknown"
        build = {"version": __version__, "onnxruntime": runtime}
        self._metrics.gauge("mlship_build_info", "Versions.", "livemax", **build).set(1)
        if self._info is not None:
            self._info.set(0)
        told = "1 for the models that score; two of a name while one takes the other's place."
        identity = {"name": name, "version": session.card.version, "digest": session.digest}
        proven = str(session.proven).lower()
        self._info = self._metrics.gauge("mlship_model_info", told, "livemax", **identity, proven=proven)
        self._info.set(1)
        self._signature = session.signature
        self._drift = Drift(session.signature.inputs, session.card.baseline)
        self._predictions = Predictions(session.signature.outputs)
        self._distribution = Distribution(self._metrics, name, session.signature)
        self._drifted: Counts = {}
        self._predicted: Counts = {}

    def committed(self, scored: Scored, seconds: float, commit_seconds: float) -> None:
        """Count a micro-batch.

        Args:
            scored: What came of it.
            seconds: From its first record to its commit.
            commit_seconds: How long writing it took.
        """
        self._look_at(scored)
        codes = [self._reject(code) for _, code in scored.refused.values()]
        with self._metrics.lock:
            self._read.pending += len(scored.values)
            self._dead.pending += len(scored.tombstones)
            for count in codes:
                count.pending += 1
            if scored.feed is not None:
                self._rows.pending += scored.feed.rows
                self._together.see(scored.feed.rows)
            self._total.see(seconds)
            self._commit.see(commit_seconds)

    def again(self) -> None:
        """Count a micro-batch that was not committed."""
        with self._metrics.lock:
            self._again.pending += 1

    def tick(self, lags: Mapping[int, int], rebalances: int) -> None:
        """Write what was counted, and how things are.

        Args:
            lags: Records that are not read yet, of each partition of this process.
            rebalances: How often partitions came or went since the last time.
        """
        told = "Records of a partition that are not read yet."
        for partition, lag in lags.items():
            if partition not in self._lags:
                number = str(partition)
                self._lags[partition] = self._metrics.gauge(
                    "mlship_stream_lag", told, "livemostrecent", partition=number
                )
            self._lags[partition].set(lag)
        for partition in self._ours - lags.keys():  # others tell of it now, and what all tell is added up
            self._lags[partition].set(0)
        self._ours = set(lags)
        with self._metrics.lock:
            self._rebalances.pending += rebalances
        if self._predicted and time.monotonic() >= self._tell_at:
            self._distribution.tell(self._drift.result(self._drifted), self._predictions.result(self._predicted))
            self._tell_at, self._left = time.monotonic() + _TELL_SECONDS, _LOOKED_AT
        self._metrics.flush()

    def _look_at(self, scored: Scored) -> None:
        """Count some rows for drift; how predictions are distributed is counted of the same rows."""
        if scored.feed is None or self._left <= 0:
            return
        rows = min(scored.feed.rows, self._left)
        self._left -= rows
        columns = {name: values[:rows] for name, values in columns_of(scored.feed, self._signature).items()}
        seen = Seen(np.arange(rows), columns, {name: values[:rows] for name, values in scored.outputs.items()})
        predicted = self._predictions.count(seen)
        self._distribution.count(predicted, seen.outputs)
        self._drifted = self._drift.add(self._drifted, self._drift.count(seen))
        self._predicted = self._predictions.add(self._predicted, predicted)

    def _reject(self, code: str) -> Count:
        if code not in self._rejects:
            told = "Records that the model cannot take, by the reason."
            self._rejects[code] = self._metrics.count("mlship_rejects", told, code=code)
        return self._rejects[code]
