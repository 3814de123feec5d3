"""Finding the place of numbers among sorted ones, each column among its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr

_FEW = 32  # up to so many values each is compared, which is faster than halving


class Sorted:
    """The sorted values of each column of a table, as constants of a graph.

    Args:
        ctx: The conversion.
        columns: The values of each column, sorted; there may be none.
    """

    def __init__(self, ctx: Context, columns: Sequence[NDArray[np.float64]]) -> None:
        self._ctx = ctx
        longest = max(len(values) for values in columns)
        self._steps = max(longest, 1).bit_length()
        self._width = 1 << self._steps
        padded = [np.append(values, np.full(self._width - len(values), np.nan)) for values in columns]
        self._values = np.array(padded)  # nothing is as large as NaN, or larger
        self._longest = longest

    def count(self, rows: Expr, *, below: bool) -> Expr:
        """Count the values of a column that are at most what stands in a row, or below it.

        Args:
            rows: What stands in the rows, float64 [rows, columns].
            below: Whether to count those below it only.

        Returns:
            int64 [rows, columns]; 0 for NaN.
        """
        return self._compared(rows, below=below) if self._longest <= _FEW else self._halved(rows, below=below)

    def _compared(self, rows: Expr, *, below: bool) -> Expr:
        values = self._ctx.constant(self._values[None, :, : max(self._longest, 1)])
        each = rows.unsqueeze(2)
        passed = values < each if below else values <= each
        return passed.cast("int64").sum(2, keepdims=False)

    def _halved(self, rows: Expr, *, below: bool) -> Expr:
        """As many steps as the number of values has bits; each decides one bit of the count."""
        flat = self._ctx.constant(self._values.ravel())
        first = np.arange(len(self._values))[None, :] * self._width  # where the values of each column begin
        count: Expr | None = None
        for step in reversed(range(self._steps)):
            bit = 1 << step
            last = self._ctx.constant(first + bit - 1, "int64")  # of the values that this bit would count
            value = flat.rows_of(last if count is None else count + last)
            passed = (value < rows if below else value <= rows).cast("int64") * bit
            count = passed if count is None else count + passed
        assert count is not None  # there is at least one step
        return count
