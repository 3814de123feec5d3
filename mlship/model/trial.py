"""Trying out how a processor answers many rows with the least work: the layout of the graph, and rows a call.

What is chosen here changes no bit of any answer, so a clock may choose it; and it takes the time of its own thread,
which others at work beside it hardly change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlship.errors import ModelRefused
from mlship.model.artifact import Artifact, Card
from mlship.model.bulk import Layout, laid_out
from mlship.model.golden import Golden
from mlship.model.runtime import first_line, open_runtime
from mlship.model.signature import Column, Signature
from mlship.model.tensors import feed, tensors_of
from mlship.model.values.codes import Array

if TYPE_CHECKING:
    import onnxruntime

SIZES = (1024, 4096, 16384)
"""Rows a call that are tried. Past the largest hardly anything is gained, and memory grows with it."""
_UNTRIED = 4096  # rows a call of a graph that is not tried: what it computes with stays in the cache
_MOST_VALUES = 1 << 22  # in the rows of a trial: 32 MB
_SECONDS = 0.3  # of work that a trial may take
_PROBED = 128  # rows of the first call, which tells how much can be tried
_SHORT = 0.02  # seconds; of a call this short the better of two counts, for the first one warms up
_CLEARLY = 0.95  # what another layout, or larger calls, must stay under to be chosen
_HOPELESS = 1.3  # a layout this much slower is not tried with larger calls
_ODD = 8  # one row in so many is of the golden rows' values only, null and rare ones among them
_SEED = 20
_NUMBERS = ("float32", "float64", "int64")
_WHOLE = 2.0**62  # int64 holds it

Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class Way:
    """How a session calls its graph.

    Attributes:
        runtime: The opened graph.
        rows: The most rows a call, before they are rounded up to the artifact's multiple; None for all at once.
        by_tree: Whether tree ensembles are laid out for many rows.
    """

    runtime: onnxruntime.InferenceSession = field(repr=False)
    rows: int | None = None
    by_tree: bool = False


def tried(runtime: onnxruntime.InferenceSession, artifact: Artifact, card: Card) -> Way:
    """Find the way that answers many rows with the least work, in at most some tenths of a second.

    The graph as it is stays unless another layout is clearly faster and gives the same bits on every row tried.

    Args:
        runtime: The artifact's graph, opened as it is.
        artifact: The artifact.
        card: Its metadata.
    """
    plain = Way(runtime, _UNTRIED)
    if card.golden is None or not card.golden.rows or card.rows.fixed is not None:
        return plain
    try:
        layout = laid_out(artifact.data)
        if layout is None:
            return plain
        other = open_runtime(layout.data, artifact.source)
        return _fastest([plain, Way(other, by_tree=True)], tensors_of(card.signature), _feeds(card, layout))
    except (ModelRefused, KeyError, IndexError, ValueError, TypeError):  # an odd graph is left as it is
        return plain


def _feeds(card: Card, layout: Layout) -> Feeds:
    golden, signature = card.golden, card.signature
    assert golden is not None
    count = min(SIZES[-1], max(_PROBED, _MOST_VALUES // len(signature.inputs)))
    rows = trial_rows(signature, golden, layout.splits, count)
    return {tensor.name: feed(signature, tensor, rows, count) for tensor in signature.tensors}


def _fastest(ways: Sequence[Way], tensors: list[str], feeds: Feeds) -> Way:
    """Time two ways; the first is kept in doubt."""
    clock = _Clock(tensors, feeds)
    plain, other = ways
    most = len(next(iter(feeds.values())))
    first = min(SIZES[0], most, max(_PROBED, int(_SECONDS / 6 / clock.seconds(plain, _PROBED)[0])))
    best: dict[bool, tuple[float, int]] = {}
    alive = [plain, other]
    for size in (first, *SIZES[1:]):
        if size > most or any(way.by_tree in best and best[way.by_tree][0] * size > clock.left for way in alive):
            break
        answers = []
        for way in alive:
            seconds, answer = clock.seconds(way, size)
            answers.append(answer)
            if way.by_tree not in best or seconds < best[way.by_tree][0] * _CLEARLY:
                best[way.by_tree] = (seconds, size)
        if len(answers) == 2 and not _same_bits(*answers):
            return plain
        least = min(seconds for seconds, _ in best.values())
        alive = [way for way in alive if best[way.by_tree][0] < least * _HOPELESS]
    chosen = other if best[True][0] < best[False][0] * _CLEARLY else plain
    return Way(chosen.runtime, max(best[chosen.by_tree][1], SIZES[0]), chosen.by_tree)


class _Clock:
    """Calls graphs on the first of the trial's rows, and counts the time spent.

    Args:
        tensors: The outputs that are asked for.
        feeds: What is fed.
    """

    def __init__(self, tensors: list[str], feeds: Feeds) -> None:
        self._tensors, self._feeds = tensors, feeds
        self.left = _SECONDS

    def seconds(self, way: Way, rows: int) -> tuple[float, list[Any]]:
        """Return the seconds of work a row, and the answers."""
        feeds = {name: values[:rows] for name, values in self._feeds.items()}
        spent, answers = self._call(way, feeds)
        if spent < _SHORT:
            again, answers = self._call(way, feeds)
            spent = min(spent, again)
        return max(spent, 1e-9) / rows, answers

    def _call(self, way: Way, feeds: Feeds) -> tuple[float, list[Any]]:
        begin = time.thread_time()
        try:
            answers = way.runtime.run(self._tensors, dict(feeds))
        except Exception as error:  # the runtime's own exception types are not public
            raise ModelRefused(f"The trial's rows failed in onnxruntime: {first_line(error)}") from error
        spent = time.thread_time() - begin
        self.left -= spent
        return spent, answers


def _same_bits(one: list[Any], other: list[Any]) -> bool:
    return all(
        a.dtype == b.dtype
        and a.shape == b.shape
        and (np.array_equal(a, b) if a.dtype == object else _bits(a) == _bits(b))
        for a, b in zip(one, other, strict=True)
    )


def _bits(values: NDArray[Any]) -> bytes:
    return values.tobytes()


def trial_rows(
    signature: Signature, golden: Golden, splits: Mapping[str, Mapping[int, NDArray[Any]]], rows: int
) -> dict[str, Array]:
    """Make rows that go as many different ways through trees as real ones do; the same at each call.

    A forest answers the golden rows alone from the cache, and they reach few leaves. So numbers are drawn between
    neighbours among the values that nodes compare the column with, which lie where the training data did, or where
    these are not known among the golden values. All else is drawn from the golden values, each column for itself. The
    first rows are the golden rows themselves.

    Args:
        signature: The model's columns.
        golden: Its golden rows, at least one.
        splits: What nodes compare columns of graph inputs with, as a `Layout` has them.
        rows: How many rows.
    """
    random = np.random.default_rng(_SEED)
    places = {
        column.name: (tensor.name, place)
        for tensor in signature.tensors
        for place, column in enumerate(signature.feeding(tensor))
    }
    made: dict[str, Array] = {}
    for column in signature.inputs:
        known = golden.inputs[column.name]
        drawn = known[random.integers(0, len(known), rows)]
        tensor, place = places[column.name]
        between = _between(splits.get(tensor, {}).get(place), known)
        if between is not None and column.dtype in _NUMBERS:
            at = random.random(rows) * (len(between) - 1)
            with np.errstate(all="ignore"):  # between the two largest numbers there is none
                numbers = np.interp(at, np.arange(len(between)), between)
                usual = (random.random(rows) * _ODD >= 1.0) & np.isfinite(numbers)
                drawn[usual] = _as_in(column, numbers[usual])
        drawn[: len(known)] = known[:rows]
        made[column.name] = drawn
    return made


def _between(splits: NDArray[Any] | None, known: Array) -> NDArray[np.float64] | None:
    """Numbers in order between which a column's may be drawn; None when there are none."""
    if known.dtype.kind not in "fi":
        return None
    values = splits if splits is not None and len(splits) > 1 else np.unique(known[np.isfinite(known)])
    return np.sort(np.asarray(values, dtype=np.float64)) if len(values) else None


def _as_in(column: Column, numbers: NDArray[np.float64]) -> NDArray[Any]:
    low = column.low if column.low is not None else -np.inf
    limit = column.limit if column.limit is not None else np.inf
    kept = np.clip(numbers, max(low, -limit), limit)
    return np.rint(np.clip(kept, -_WHOLE, _WHOLE)) if column.dtype == "int64" else kept
