"""`--shadow`: another model is asked what was asked, off the way of requests, and how its answers differ is counted.

Rows are kept for a moment and scored on a thread of the pool; what comes faster than it is scored is not kept, and told
as a number. Nothing of it reaches a client: an error of the shadow's is counted, and that is all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlship.model.feed import Feed, columns_of, joined, joined_outputs
from mlship.model.session import Session
from mlship.model.values.codes import Array
from mlship.monitor.bins import as_numbers
from mlship.monitor.comparison import Comparison
from mlship.monitor.contract import Seen
from mlship.monitor.metrics import Metrics
from mlship.serve.exchange import Exchange
from mlship.serve.served import Served
from mlship.serve.watchers import Load

MOST_ROWS = 4096
MOST_REQUESTS = 256
"""Rows, and requests, that wait for the shadow; further ones are passed over."""

_log = logging.getLogger(__name__)


class Shadow:
    """An observer that asks another model.

    Args:
        metrics: Where it is told.
        served: The model that answers.
        other: The other one, whose columns are among those of the first.
        submit: Has a function called on a thread.
    """

    def __init__(
        self, metrics: Metrics, served: Served, other: Session, submit: Callable[[Callable[[], None]], Any]
    ) -> None:
        self._metrics = metrics
        self._served = served
        self._other = other
        self._submit = submit
        self._comparison = Comparison(served.signature.outputs, other.signature.outputs)
        self._lock = threading.Lock()
        self._kept: list[tuple[Feed, Mapping[str, Array]]] = []
        self._rows = 0
        self._busy = False
        counted = {
            "rows": "Rows that the shadow was asked too.",
            "changed_rows": "Those of them to which it gave another label.",
            "skipped_rows": "Rows that it was not asked, as too many came at once.",
            "failed_rows": "Rows that it could not answer.",
        }
        self._counts = {name: metrics.count(f"mlship_shadow_{name}", told) for name, told in counted.items()}
        self._sums = {
            output.name: metrics.count(
                "mlship_shadow_difference_sum", "Sum of the absolute differences.", output=output.name
            )
            for output in served.signature.outputs
            if output.dtype == "float64"
        }
        told = "The largest absolute difference."
        self._largest = {
            name: metrics.gauge("mlship_shadow_difference_max", told, "livemax", output=name) for name in self._sums
        }
        self._seen = dict.fromkeys(self._sums, 0.0)

    def __call__(self, exchange: Exchange) -> None:
        """Keep the rows of an exchange that was scored."""
        call = exchange.call
        if call is None or exchange.outputs is None or not call.feed.rows:
            return
        with self._lock:
            if self._rows < MOST_ROWS and len(self._kept) < MOST_REQUESTS:
                self._rows += call.feed.rows
                self._kept.append((call.feed, exchange.outputs))
                return
        self._count("skipped_rows", call.feed.rows)

    def tick(self, load: Load) -> None:  # noqa: ARG002 - it has nothing to do with how things are
        """Have the shadow asked what was kept."""
        if self._rows and not self._busy:
            self._busy = True
            self._submit(self._ask)

    def close(self) -> None:
        """Ask what is left."""
        self._ask()

    def _ask(self) -> None:
        with self._lock:
            kept, self._kept, self._rows = self._kept, [], 0
        try:
            for form in (True, False):
                if alike := [(feed, outputs) for feed, outputs in kept if feed.form is form]:
                    self._compare(joined([feed for feed, _ in alike]), joined_outputs([one for _, one in alike]))
        finally:
            self._busy = False

    def _compare(self, feed: Feed, outputs: Mapping[str, Array]) -> None:
        columns = columns_of(feed, self._served.signature)
        try:
            other = self._other.predict({name: columns[name] for name in self._other.signature.names})
            counted = self._comparison.count(Seen(np.arange(feed.rows), columns, outputs, other))
        except Exception as error:  # noqa: BLE001 - whatever it is, requests go on; its text may hold values
            self._count("failed_rows", feed.rows)
            _log.error("The shadow did not answer: %s.", type(error).__name__)
            return
        self._count("rows", feed.rows)
        self._count("changed_rows", counted["flipped"])
        for name, count in self._sums.items():
            if name in other and other[name].dtype.kind == outputs[name].dtype.kind == "f":
                self._tell(name, np.abs(as_numbers(outputs[name]) - as_numbers(other[name])), count)

    def _tell(self, name: str, apart: Any, count: Any) -> None:
        known = apart[np.isfinite(apart)]
        with self._metrics.lock:
            count.pending += float(known.sum())
        self._seen[name] = max(self._seen[name], float(known.max(initial=0.0)))
        self._largest[name].set(self._seen[name])

    def _count(self, name: str, number: int) -> None:
        with self._metrics.lock:
            self._counts[name].pending += number
