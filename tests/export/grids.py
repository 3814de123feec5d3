"""Grids of parameters: `make test` runs a part that has each value at least once, and `make test-all` runs all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

from tests.export.judging import named


def crossed(*axes: Sequence[Any] | Mapping[str, Any], places: Collection[int] | None = None) -> list[Any]:
    """Return every combination of values as parameters of a test, of which only some are always run.

    Those have every value of every axis, none much more often than another, and as many pairs as so few can: as many as
    the longest axis is long.

    Args:
        axes: The values of each argument, named by their keys or else by what they print.
        places: Those of the first axis that are always run, where they do not all differ in kind.
    """
    values = [_named(axis) for axis in axes]
    grid = list(product(*(range(len(axis)) for axis in values)))
    first = range(len(axes[0])) if places is None else places
    fitting = [at for at in grid if at[0] in first]
    kept = _spread(fitting, max(len(first), *(len(axis) for axis in axes[1:])))
    return [
        _param([axis[place] for axis, place in zip(values, places, strict=True)], always=places in kept)
        for places in grid
    ]


def thinned(axis: Sequence[Any] | Mapping[str, Any], every: int) -> list[Any]:
    """Return values as parameters of a test, of which only each second, third and so on is always run."""
    return [_param([value], always=place % every == 0) for place, value in enumerate(_named(axis))]


def picked(values: Iterable[Any], *places: int) -> list[Any]:
    """Return values as parameters of a test, of which only those at some places, which differ in kind, are always run.

    Args:
        values: The values, a tuple for a test of several arguments.
        places: Where the others of their kind are well stood for.
    """
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)), marks=() if place in places else pytest.mark.whole
        )
        for place, value in enumerate(values)
    ]


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
