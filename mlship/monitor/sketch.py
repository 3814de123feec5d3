"""Numbers of any size, counted in bins that are 1/32 of their magnitude wide, so that counts of chunks add up."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlship.monitor.bins import Numbers

Sketch = dict[str, int]
"""How many numbers are in each bin; bins are integers, as texts, in the order of the numbers."""

RELATIVE_ERROR = 1 / 64  # half the width of a bin

_SHIFT = 47  # what is left of a float64: its sign, its exponent and 5 bits of its fraction
_MAGNITUDE = 0xFFFF
_MOST_BINS = 512


def sketch(finite: Numbers) -> Sketch:
    """Count finite numbers [rows].

    At most 512 bins are kept, those of the largest magnitudes; what lies nearer to zero is counted as zero. A bin
    kept of the whole is kept of every part, so that the result does not depend on how rows were cut into chunks.
    """
    bits = (finite + 0.0).view(np.int64) >> _SHIFT  # adding 0 turns -0.0 into 0.0
    keys: NDArray[np.int64] = np.where(bits < 0, -(bits & _MAGNITUDE) - 1, bits)
    if not len(keys):
        return {}
    first = int(keys.min())
    counts = np.bincount(keys - first)
    places = np.flatnonzero(counts)
    return _bounded(dict(zip((places + first).tolist(), counts[places].tolist(), strict=True)))


def added(total: Mapping[str, int], more: Mapping[str, int]) -> Sketch:
    """Add up two sketches."""
    merged = _by_key(total)
    for key, count in _by_key(more).items():
        merged[key] = merged.get(key, 0) + count
    return _bounded(merged)


def deciles(total: Mapping[str, int], low: float, high: float) -> list[float]:
    """Return 11 numbers, of which a tenth, two tenths and so on of all are not larger.

    The two ends are exact. The others are within 1/64 of the true number, or within `near_zero` where that is more.

    Args:
        total: A sketch that is not empty.
        low: The smallest number.
        high: The largest one.
    """
    rows, seen, found = sum(total.values()), 0, [low]
    for key, count in sorted(_by_key(total).items()):
        seen += count
        near, far = _ends(key)
        while len(found) < 10 and 10 * seen >= len(found) * rows:
            found.append(min(max(near + (far - near) / 2, low), high))
    return [*found, high]


def histogram(total: Mapping[str, int], low: float, high: float, bins: int) -> list[float]:
    """Return shares of bins of equal width, over which each bin of the sketch is spread evenly; [] without a width."""
    if not math.isfinite(high - low) or low == high:
        return []
    places, below = [low], [0]
    for key, count in sorted(_by_key(total).items()):
        places += [min(max(end, low), high) for end in _ends(key)]
        below += [below[-1], below[-1] + count]
    reached = np.interp(np.linspace(low, high, bins + 1), places, below)
    reached[0], reached[-1] = 0, below[-1]
    shares: list[float] = (np.diff(reached) / below[-1]).tolist()
    return shares


def near_zero(total: Mapping[str, int]) -> float:
    """Return how far from zero a number can lie that was counted as zero; 0.0 when there was no need to."""
    kept = [key for key in _by_key(total) if key]
    return max(map(abs, _ends(min(kept, key=_magnitude)))) if len(kept) >= _MOST_BINS else 0.0


def tenths(ours: Mapping[str, int], theirs: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Count two sketches over the same bins, about a tenth of the first in each, to compare what they describe."""
    rows, seen, edges = sum(ours.values()), 0, []
    for key, count in sorted(_by_key(ours).items()):
        before, seen = seen, seen + count
        if 10 * before // rows < 10 * seen // rows < 10:  # a tenth ends within this bin
            edges.append(key)
    counts = [[0] * (len(edges) + 1), [0] * (len(edges) + 1)]
    for told, part in zip(counts, (ours, theirs), strict=True):
        for key, count in _by_key(part).items():
            told[int(np.searchsorted(edges, key))] += count
    return counts[0], counts[1]


def _by_key(total: Mapping[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in total.items()}


def _bounded(counts: dict[int, int]) -> Sketch:
    zero = counts.pop(0, 0)
    if len(counts) > _MOST_BINS:
        by_size = sorted(counts, key=lambda key: (_magnitude(key), key), reverse=True)
        zero += sum(counts.pop(key) for key in by_size[_MOST_BINS:])
    if zero:
        counts[0] = zero
    return {str(key): counts[key] for key in sorted(counts)}


def _magnitude(key: int) -> int:
    return key if key >= 0 else -key - 1


def _ends(key: int) -> tuple[float, float]:
    """The numbers between which a bin's lie."""
    if key == 0:
        return 0.0, 0.0
    first = _magnitude(key) << _SHIFT
    near, far = np.array([first, first | ((1 << _SHIFT) - 1)], dtype=np.int64).view(np.float64).tolist()
    return (near, far) if key > 0 else (-far, -near)
