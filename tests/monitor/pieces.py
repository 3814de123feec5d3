"""Rows counted whole and in pieces, as a run does it: through JSON, placed in a file, added up in order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Column, Dtype, Meaning, Output, OutputDtype
from mlship.model.values.codes import Array
from mlship.monitor.contract import Monitor, Seen

CUTS: tuple[tuple[int, ...], ...] = ((), (1,), (500,), (0, 3, 3, 900), (100, 200, 300, 400, 999))
"""Where 1,000 rows are cut into chunks; some of them are empty."""


def seen_of(
    columns: Mapping[str, Array] | None = None,
    outputs: Mapping[str, Array] | None = None,
    other: Mapping[str, Array] | None = None,
    actual: tuple[Array, NDArray[np.bool_]] | None = None,
) -> Seen:
    """Return rows of which all were accepted."""
    given = [*(columns or {}).values(), *(outputs or {}).values()]
    return Seen(np.arange(len(given[0])), columns or {}, outputs or {}, other, actual)


def column(name: str, dtype: Dtype = "float64") -> Column:
    """Return an input column that may be null."""
    return Column(name, dtype, name)


def output(name: str, meaning: Meaning, dtype: OutputDtype = "float64") -> Output:
    """Return an output column."""
    return Output(name, dtype, meaning, name)


def result_of(monitor: Monitor, seen: Seen, cuts: Sequence[int] = ()) -> dict[str, Any]:
    """Return the result of rows cut into chunks."""
    total: dict[str, Any] = {}
    ends = [0, *cuts, len(seen.rows)]
    for start, stop in pairwise(ends):
        counts = json.loads(json.dumps(monitor.count(_piece(seen, start, stop)), allow_nan=False))
        total = json.loads(json.dumps(monitor.add(total, monitor.place(counts, 0, start)), allow_nan=False))
    result = monitor.result(total)
    json.dumps(result, allow_nan=False)
    return result


def _piece(seen: Seen, start: int, stop: int) -> Seen:
    def cut(columns: Any) -> Any:
        return {name: values[start:stop] for name, values in columns.items()}

    actual = seen.actual and (seen.actual[0][start:stop], seen.actual[1][start:stop])
    other = None if seen.other is None else cut(seen.other)
    return Seen(seen.rows[start:stop] - start, cut(seen.columns), cut(seen.outputs), other, actual)


def alike(one: Any, other: Any) -> bool:
    """Tell whether two results are the same, floats but for their last digits."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return isinstance(other, float) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other) and type(one) is type(other)
