"""Records of numbers straight to the one matrix that a graph takes: what most models of numbers get, in few steps.

A record is taken only when it is certain that `model.values.records` would accept every value of it as the number that
stands here; of all else None is returned, and those rules say what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Column, Signature
from mlship.model.values.rules import all_finite

_NUMBERS = frozenset((int, float))


class MatrixReader:
    """Reads records for a model that `fits`.

    Args:
        signature: The model's columns, all of float64 and in one tensor.
    """

    def __init__(self, signature: Signature) -> None:
        (tensor,) = signature.tensors
        columns = signature.feeding(tensor)
        self._width = len(columns)
        self._get = itemgetter(*(column.name for column in columns))
        self._low = np.array([_low(column) for column in columns])
        self._bounded = any(column.limit is not None or column.low is not None for column in columns)
        self._high = np.array([np.inf if column.limit is None else column.limit for column in columns])

    @staticmethod
    def fits(signature: Signature) -> bool:
        """Tell whether a model takes one matrix of float64, and any number within bounds in each column."""
        if len(signature.tensors) != 1:
            return False
        tensor = signature.tensors[0]
        return (
            tensor.dtype == "float64"
            and not tensor.flat
            and len(signature.feeding(tensor)) == len(signature.inputs)
            and all(
                column.dtype == "float64" and not column.exact and (column.unknown or column.categories is None)
                for column in signature.inputs
            )
        )

    def read(self, records: Sequence[Mapping[str, Any]]) -> NDArray[np.float64] | None:
        """Return the matrix [rows, columns], or None when it takes the rules to say what a value is."""
        try:
            rows = [self._get(record) for record in records]
            values = rows if self._width == 1 else chain.from_iterable(rows)
            if not rows or not _NUMBERS.issuperset(map(type, values)):
                return None
            matrix: NDArray[np.float64] = np.array(rows, dtype=np.float64).reshape(len(rows), self._width)
        except (KeyError, TypeError, OverflowError, ValueError):
            return None
        return self.taken(matrix)

    def taken(self, matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return a matrix [rows, columns], or None when it takes the rules to say what a number in it is."""
        if not all_finite(matrix):
            return None
        if self._bounded and not ((matrix >= self._low) & (matrix <= self._high)).all():
            return None
        return matrix


def _low(column: Column) -> float:
    low = -np.inf if column.limit is None else -column.limit
    return low if column.low is None else max(low, column.low)
