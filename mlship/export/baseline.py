"""What the sample looked like, column by column, kept for drift: rates and shares, never a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlship.model.signature import Column, Output
from mlship.model.values.codes import Array
from mlship.monitor.bins import Numbers, as_numbers, count_bins, edges_of
from mlship.monitor.predictions import kind_of, probability_bins
from mlship.monitor.tally import tally

_MOST_OUTPUTS = 20  # of a transformer with hundreds, nobody looks at more
_RARE = 10  # categories seen fewer times than this are pooled: a rare value can tell whom a row was about


def make_baseline(columns: Sequence[Column], sample: Mapping[str, Array], rows: int) -> dict[str, Any]:
    """Describe a sample.

    Args:
        columns: The input columns.
        sample: Array [rows] for each.
        rows: Number of rows.

    Returns:
        `rows`, and by column `missing` (a share) with `deciles` (11 numbers from the smallest to the largest, of
        numeric columns that hold 10 or more) and `bins` (shares of all rows in the bins that they make, see
        `monitor.bins.edges_of`), or with `shares` (of categories seen 10 times or more; `pooled` for the rest).
    """
    return {"rows": rows, "columns": {column.name: _described(column, sample[column.name], rows) for column in columns}}


def outputs_baseline(outputs: Sequence[Output], answers: Mapping[str, Array], rows: int) -> dict[str, Any]:
    """Describe the answers to a sample, for `outputs` of the baseline.

    Args:
        outputs: The output columns.
        answers: Array [rows] for each: the original's answers.
        rows: Number of rows.

    Returns:
        By output column, of the first 20: `shares` of labels given 10 times or more; `histogram`, shares of
        probabilities in 20 bins from 0 to 1; or `deciles` of numbers, 11 from the smallest to the largest. A column
        of which nothing can be told, as of fewer than 10 rows, is left out.
    """
    told = {output.name: _answered(output, answers[output.name], rows) for output in outputs[:_MOST_OUTPUTS]}
    return {name: described for name, described in told.items() if described}


def _answered(output: Output, values: Array, rows: int) -> dict[str, Any]:
    kind = kind_of(output)
    if kind == "labels":
        shares = {label: count / rows for label, count in tally(values).items() if count >= _RARE}
        return {"shares": shares} if shares else {}
    numbers = as_numbers(values)
    known = numbers[np.isfinite(numbers)]
    if len(known) < _RARE:
        return {}
    if kind == "number":
        return {"deciles": _deciles(known)}
    counts = probability_bins(known)
    return {"histogram": [_share(count, sum(counts)) for count in counts]}


def _deciles(known: Numbers) -> list[float]:
    deciles: list[float] = np.quantile(known, np.linspace(0, 1, 11)).tolist()
    return deciles


def _described(column: Column, values: Array, rows: int) -> dict[str, Any]:
    if column.dtype in ("string", "category"):
        present = [value for value in values.tolist() if value is not None]
        counts = Counter(present)
        shares = {value: count / rows for value, count in sorted(counts.items()) if count >= _RARE}
        pooled = sum(count for count in counts.values() if count < _RARE) / rows
        return {"missing": _share(rows - len(present), rows), "shares": shares, "pooled": pooled}
    numbers = as_numbers(values)
    present_numbers = numbers[np.isfinite(numbers)]
    described: dict[str, Any] = {"missing": _share(int(np.isnan(numbers).sum()), rows)}
    if len(present_numbers) >= _RARE:  # the deciles of fewer are the values themselves
        deciles = _deciles(present_numbers)
        bins = count_bins(numbers, edges_of(deciles))
        described |= {"deciles": deciles, "bins": [_share(count, rows) for count in bins]}
    return described


def _share(part: int, rows: int) -> float:
    return part / rows if rows else 0.0
