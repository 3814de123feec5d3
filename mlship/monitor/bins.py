"""Numbers sorted into the bins that the deciles of a sample make, and how far two distributions lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlship.model.values.codes import Array

Numbers = NDArray[np.float64]

_LEAST_SHARE = 1e-4  # an empty bin would make the index infinite
_DECILES = 11


def as_numbers(values: Array) -> Numbers:
    """Return a column's array [rows] as numbers, NaN where it is null: times as microseconds or days since 1970."""
    if values.dtype.kind == "M":
        numbers = values.astype(np.int64).astype(np.float64)
        numbers[np.isnat(values)] = np.nan  # which is an integer too
        return numbers
    # comparing every k-th number in memory is ten times slower than comparing neighbours
    return np.ascontiguousarray(values, dtype=np.float64)


def edges_of(deciles: Sequence[float]) -> list[float]:
    """Return the edges, ascending, of the bins that deciles make.

    A bin holds what is greater than the edge below it, and at most the edge above it. A number that is several
    deciles at once has a bin of its own, so that shares of a column of few numbers, such as 0 and 1, are told apart.

    Args:
        deciles: 11 numbers from the smallest to the largest; the two ends are edges only where they are tied.
    """
    edges = set(deciles[1:-1])
    for value in deciles:
        if deciles.count(value) > 1:
            edges |= {value, math.nextafter(value, -math.inf)}
    return sorted(edges)


def count_bins(numbers: Numbers, edges: Sequence[float]) -> list[int]:
    """Count the numbers in each bin, those that are NaN in none.

    Comparing with each edge in turn is ten times faster than searching for each number's bin.
    """
    present = len(numbers) - int(np.count_nonzero(np.isnan(numbers)))
    above = [present, *(int(np.count_nonzero(numbers > edge)) for edge in edges), 0]
    return [more - less for more, less in pairwise(above)]


def shares_of(deciles: Sequence[float], edges: Sequence[float], now: Sequence[float]) -> list[float]:
    """Return the shares that deciles alone tell of each bin, where a baseline has none.

    At a number that is one decile the share below is known. At one that is several it is known within a tenth:
    what is seen now is taken where it lies in that tenth, and else the nearer end, so that no drift is made up.

    Args:
        deciles: As for `edges_of`.
        edges: What it gave.
        now: Share of each bin now; they add up to 1.
    """
    below = [0.0]
    for edge, seen in zip(edges, np.cumsum(now).tolist(), strict=False):
        place = sum(decile <= edge for decile in deciles) - 1
        least = max(place, 0) / (_DECILES - 1)
        most = least if list(deciles).count(edge) == 1 else min(place + 1, _DECILES - 1) / (_DECILES - 1)
        below.append(min(max(seen, least), most))
    below.append(1.0)
    return [more - less for less, more in pairwise(below)]


def psi(then: Sequence[float], now: Sequence[float]) -> float:
    """Return the population stability index of two distributions over the same bins.

    It is the sum of (now - then) * ln(now / then), each share being taken as at least 1e-4.
    """
    total = 0.0
    for before, after in zip(then, now, strict=True):
        old, new = max(before, _LEAST_SHARE), max(after, _LEAST_SHARE)
        total += (new - old) * math.log(new / old)
    return total
