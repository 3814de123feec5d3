"""Metrics of several processes that count for themselves, and are read as one.

prometheus_client keeps them: each process writes files of its own, which outlive it, and whoever is asked adds them up.
What happens often is first counted in plain Python and written some times a second, because a write to those files
takes longer than many a request has left for being counted.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import prometheus_client
from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from mlship.monitor.slots import Slot, is_taken

Mode = Literal["livesum", "livemax", "livemin", "livemostrecent"]
"""How a gauge of several living processes is read as one; that of a process that ended is gone."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""Stands for all values of a label beyond the most that are told apart."""

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Count:
    """A number that only grows."""

    __slots__ = ("_child", "pending")

    def __init__(self, child: Any) -> None:
        self._child = child
        self.pending = 0.0
        """What has come since the last flush; whoever adds to it holds the lock of the metrics."""

    def flush(self) -> None:
        """Write what has come."""
        if self.pending:
            self._child.inc(self.pending)
            self.pending = 0.0


class Spread:
    """How often numbers of each size came: a histogram."""

    __slots__ = ("_bounds", "_child", "_counts", "_numbers", "_sum", "see")

    def __init__(self, child: Any, bounds: Sequence[float]) -> None:
        self._child = child
        self._bounds = np.array(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._numbers: list[float] = []
        self.see = self._numbers.append
        """Counts a number; whoever does so holds the lock of the metrics. Many are sorted in a fraction of the time."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Count numbers that were sorted into the buckets already.

        Args:
            counts: How many lie in each bucket, those above the last bound as one more.
            total: Their sum.
        """
        self._counts = [one + other for one, other in zip(self._counts, counts, strict=True)]
        self._sum += total

    def flush(self) -> None:
        """Write what has come. A public way to count several at once there is not."""
        if self._numbers:
            places = np.searchsorted(self._bounds, self._numbers)
            self.add(np.bincount(places, minlength=len(self._counts)).tolist(), math.fsum(self._numbers))
            self._numbers.clear()
        if any(self._counts):
            for bucket, count in zip(self._child._buckets, self._counts, strict=True):
                if count:
                    bucket.inc(count)
            self._child._sum.inc(self._sum)
            self._counts = [0] * len(self._counts)
            self._sum = 0.0


_Counted = TypeVar("_Counted", Count, Spread)


class Metrics:
    """The metrics of this process.

    Args:
        folder: The folder that all processes of the server write to.

    Attributes:
        slot: The number that this process goes by.
        lock: Held while something is counted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.slot = Slot(folder)
        self.lock = threading.Lock()
        for file in folder.glob(f"gauge_live*_{self.slot}.db"):
            file.unlink(missing_ok=True)  # the predecessor's state; what it counted is counted on
        make_values: Any = values.MultiProcessValue  # the library has no types here
        self._value_class = make_values(process_identifier=lambda: str(self.slot))
        self._families: dict[str, Any] = {}
        self._counted: list[Count | Spread] = []

    def count(self, name: str, told: str, /, **labels: str) -> Count:
        """Return a counter; its series is there, as 0, from now on.

        Args:
            name: Its name, without `_total`.
            told: What it counts.
            labels: The labels of this series.
        """
        return self._kept(Count(self._child(prometheus_client.Counter, name, told, labels)))

    def spread(self, name: str, told: str, bounds: Sequence[float], /, **labels: str) -> Spread:
        """Return a histogram.

        Args:
            name: Its name.
            told: What it counts.
            bounds: The upper bounds of its buckets, ascending; each belongs to the bucket below it.
            labels: The labels of this series.
        """
        child = self._child(prometheus_client.Histogram, name, told, labels, buckets=tuple(bounds))
        return self._kept(Spread(child, bounds))

    def gauge(self, name: str, told: str, mode: Mode, /, **labels: str) -> Any:
        """Return a gauge, which has `set`.

        Args:
            name: Its name.
            told: What it tells.
            mode: How those of several processes are read as one.
            labels: The labels of this series.
        """
        return self._child(prometheus_client.Gauge, name, told, labels, multiprocess_mode=mode)

    def flush(self) -> None:
        """Write what was counted."""
        with self.lock:
            for counted in self._counted:
                counted.flush()

    def _kept(self, counted: _Counted) -> _Counted:
        with self.lock:
            self._counted.append(counted)
        return counted

    def _child(self, kind: Any, name: str, told: str, labels: dict[str, str], **options: Any) -> Any:
        with self._made_here():
            family = self._families.get(name)
            if family is None:
                family = self._families[name] = kind(name, told, tuple(labels), registry=None, **options)
            return family.labels(**labels) if labels else family

    @contextlib.contextmanager
    def _made_here(self) -> Iterator[None]:
        """Have the library keep what is made meanwhile in our files: it takes both from the whole process."""
        before, folder = values.ValueClass, os.environ.get(_FOLDER)
        values.ValueClass = self._value_class
        os.environ[_FOLDER] = str(self.folder)
        try:
            yield
        finally:
            values.ValueClass = before
            if folder is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = folder


def exposed(folder: Path, further: Iterable[Metric] = ()) -> bytes:
    """Return the metrics of all processes as Prometheus reads them; any process may ask.

    Args:
        folder: The folder that they write to.
        further: More that is told.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_All(folder, list(further)))
    return generate_latest(registry)


def collected(folder: Path) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each series of all processes; any process may ask.

    Args:
        folder: The folder that they write to.
    """
    for family in _All(folder, []).collect():
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


class _All:
    def __init__(self, folder: Path, further: list[Metric]) -> None:
        self._folder = folder
        self._further = further

    def collect(self) -> Iterator[Metric]:
        files = [str(file) for file in sorted(self._folder.glob("*.db")) if _counts(file)]
        merge: Any = MultiProcessCollector.merge
        yield from merge(files)
        yield from self._further


def _counts(file: Path) -> bool:
    """Whether a file counts: the state of a process that ended does not, nor a file that is being made."""
    kind, _, number = file.stem.rpartition("_")
    try:
        if not file.stat().st_size:
            return False
    except FileNotFoundError:  # a successor begins its state anew
        return False
    return not kind.startswith("gauge_live") or is_taken(file.parent, int(number))


def counter(name: str, told: str, label: str, numbers: Mapping[str, float]) -> Metric:
    """Return a counter that is kept elsewhere.

    Args:
        name: Its name, without `_total`.
        told: What it counts.
        label: Name of its label.
        numbers: The number for each value of the label.
    """
    family = CounterMetricFamily(name, told, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family
