"""How far two models' answers lie apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlship.model.signature import Output
from mlship.model.values.codes import Array

_Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Difference:
    """The difference between the answers of two models to the same rows.

    Attributes:
        rows: Number of rows compared.
        labels_differ: Rows in which a label, or any value that is no number, is not the same.
        largest: The largest |a - b| / (largest |original| in that output column); infinite where one is a
            number and the other is not.
        column: The output column in which `largest` was found, or None when all is equal.
        row: The first row that differs most, or None.
    """

    rows: int
    labels_differ: int = 0
    largest: float = 0.0
    column: str | None = None
    row: int | None = None

    def within(self, tolerance: float) -> bool:
        """Tell whether every label agrees and no number differs by more than the tolerance."""
        return self.labels_differ == 0 and self.largest <= tolerance


def difference(
    outputs: Sequence[Output], original: Mapping[str, Array], other: Mapping[str, Array], rows: int
) -> Difference:
    """Compare two sets of output columns.

    Args:
        outputs: The columns and what they mean; `label` columns must be the same, others may differ by rounding.
        original: Arrays [rows] of the original.
        other: Arrays [rows] of the model compared with it.
        rows: Number of rows.
    """
    unequal = np.zeros(rows, dtype=np.bool_)
    largest, column, row = 0.0, None, None
    for output in outputs:
        ours, theirs = original[output.name], other[output.name]
        if output.meaning == "label" or output.dtype != "float64":
            unequal |= _unequal(ours, theirs)
            continue
        numbers = ours.astype(np.float64)
        scale = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)) or 1.0
        apart = _relative(numbers, theirs.astype(np.float64), scale)
        if len(apart) and apart.max() > largest:
            row = int(apart.argmax())
            largest, column = float(apart[row]), output.name
    if unequal.any() and column is None:
        row = int(unequal.argmax())
    return Difference(rows, int(unequal.sum()), largest, column, row)


def alike(
    outputs: Sequence[Output], original: Mapping[str, Array], other: Mapping[str, Array], rows: int, tolerance: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell of each row whether, compared by itself, its labels agree and its numbers differ by no more than allowed.

    Args:
        outputs: The columns and what they mean.
        original: Arrays [rows] of the original.
        other: Arrays [rows] of the model compared with it.
        rows: Number of rows.
        tolerance: The most that a number may differ, as a share of itself; of 0 it is the difference itself.
    """
    same = np.ones(rows, dtype=np.bool_)
    for output in outputs:
        ours, theirs = original[output.name], other[output.name]
        if output.meaning == "label" or output.dtype != "float64":
            same &= ~_unequal(ours, theirs)
            continue
        numbers = ours.astype(np.float64)
        scale = np.where(np.isfinite(numbers) & (numbers != 0.0), np.abs(numbers), 1.0)
        same &= _relative(numbers, theirs.astype(np.float64), scale) <= tolerance
    return same


def _unequal(a: Array, b: Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    both_nan = np.zeros(len(a), dtype=np.bool_)
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        both_nan = np.isnan(a) & np.isnan(b)
    return np.asarray((a != b) & ~both_nan, dtype=np.bool_)


def _relative(a: _Floats, b: _Floats, scale: _Floats | float) -> _Floats:
    finite = np.isfinite(a)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a - b) / scale
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart[same] = 0.0
    apart[~same & ~(finite & np.isfinite(b))] = np.inf
    return apart
