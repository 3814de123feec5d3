"""Grids of parameters: `make test` runs a part that has each value at least once, and `make test-all` runs all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

from tests.export.judging import named


def crossed(*axes: Sequence[Any] | Mapping[str, Any], laps: int = 1) -> list[Any]:
    """Return every combination of values as parameters of a test, of which only some are always run.

    Those have every value of every axis, none much more often than another, and as many pairs as so few can.

    Args:
        axes: The values of each argument, named by their keys or else by what they print.
        laps: How many are always run: so many times the length of the longest axis.
    """
    values = [_named(axis) for axis in axes]
    grid = list(product(*(range(len(axis)) for axis in values)))
    kept = _spread(grid, laps * max(len(axis) for axis in values))
    return [
        _param([axis[place] for axis, place in zip(values, places, strict=True)], always=places in kept)
        for places in grid
    ]


def thinned(axis: Sequence[Any] | Mapping[str, Any], every: int) -> list[Any]:
    """Return values as parameters of a test, of which only each second, third and so on is always run."""
    return [_param([value], always=place % every == 0) for place, value in enumerate(_named(axis))]


def _spread(grid: list[tuple[int, ...]], count: int) -> set[tuple[int, ...]]:
    """Pick places of a grid, each the first with most values not seen yet, then most pairs, then the rarest values."""
    kept: set[tuple[int, ...]] = set()
    seen: Counter[Any] = Counter()

    def told(places: tuple[int, ...]) -> tuple[int, int, int]:
        values, pairs = _values(places), _pairs(places)
        return len(values - seen.keys()), len(pairs - seen.keys()), -sum(seen[value] for value in values)

    for _ in range(min(count, len(grid))):
        best = max((places for places in grid if places not in kept), key=told)
        kept.add(best)
        seen.update(_values(best) | _pairs(best))
    return kept


def _values(places: tuple[int, ...]) -> set[Any]:
    return set(enumerate(places))


def _pairs(places: tuple[int, ...]) -> set[Any]:
    return set(combinations(enumerate(places), 2))


def _named(axis: Sequence[Any] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(axis, Mapping):
        return list(axis.items())
    return [(value.__name__ if isinstance(value, type) else named(value), value) for value in axis]


def _param(values: list[tuple[str, Any]], *, always: bool) -> Any:
    name = "-".join(name for name, _ in values)
    return pytest.param(*(value for _, value in values), id=name, marks=() if always else pytest.mark.whole)
