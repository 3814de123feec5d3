"""Count, ends, mean and spread of numbers, kept so that those of chunks add up to those of the whole."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from mlship.monitor.bins import Numbers

LARGEST = sys.float_info.max

Moments = dict[str, Any]
"""`rows`, `not_a_number`, `infinite`; when any is finite also `min`, `max`, `mean` and `squares`, the sum of squared
distances from the mean. The last two are None where a float64 cannot hold them."""


def moments(numbers: Numbers) -> Moments:
    """Describe an array [rows] of numbers."""
    finite = numbers[np.isfinite(numbers)]
    missing = int(np.count_nonzero(np.isnan(numbers)))
    told: Moments = {"rows": len(numbers), "not_a_number": missing, "infinite": len(numbers) - missing - len(finite)}
    if not len(finite):
        return told
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(finite.mean())
        squares = float(np.square(finite - mean).sum())
    return {
        **told,
        "min": float(finite.min()),
        "max": float(finite.max()),
        "mean": _finite(mean),
        "squares": _finite(squares),
    }


def added(total: Moments, more: Moments) -> Moments:
    """Add up the moments of two pieces."""
    summed: Moments = {name: total[name] + more[name] for name in ("rows", "not_a_number", "infinite")}
    pieces = [piece for piece in (total, more) if "min" in piece]
    if len(pieces) < 2:
        return {**(pieces[0] if pieces else {}), **summed}
    summed["min"], summed["max"] = min(total["min"], more["min"]), max(total["max"], more["max"])
    if None in (total["mean"], more["mean"]):
        return {**summed, "mean": None, "squares": None}
    ours, theirs = finite_rows(total), finite_rows(more)
    apart = more["mean"] - total["mean"]
    summed["mean"] = _finite(total["mean"] + apart * (theirs / (ours + theirs)))
    if None in (total["squares"], more["squares"]):
        return {**summed, "squares": None}
    between = apart * apart * (ours * theirs / (ours + theirs))
    return {**summed, "squares": _finite(total["squares"] + more["squares"] + between)}


def described(total: Moments) -> dict[str, Any]:
    """Return what moments tell: as they are, with `standard_deviation` (of all rows, not of a sample of more)."""
    told = {name: value for name, value in total.items() if name != "squares"}
    if "min" in total:
        squares = total["squares"]
        told["standard_deviation"] = None if squares is None else math.sqrt(squares / finite_rows(total))
    return told


def finite_rows(total: Moments) -> int:
    """Return how many of the numbers are finite."""
    return int(total["rows"] - total["not_a_number"] - total["infinite"])


def held(value: float) -> float:
    """Return a sum that is not NaN, the largest float64 standing for what is larger: JSON has no infinity."""
    return float(min(max(value, -LARGEST), LARGEST))


def told(value: float) -> float | None:
    """Return a sum that was `held`, None where a float64 could not hold it."""
    return value if abs(value) < LARGEST else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
