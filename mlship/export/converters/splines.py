"""SplineTransformer: the B-splines of each column by de Boor's recursion, as scipy computes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import SplineTransformer

from mlship.export.converters.search import Sorted
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

Array = NDArray[np.float64]


def _transform(ctx: Context, model: SplineTransformer, table: Table) -> Table:
    """`transform`, sklearn/preprocessing/_polynomial.py."""
    if model.extrapolation == "error":
        raise ctx.refusal(
            "SplineTransformer with extrapolation='error' is not supported, as it takes no number outside of its knots",
            hint="SplineTransformer with extrapolation='constant' is supported.",
        )
    knots = np.array([spline.t for spline in model.bsplines_], dtype=np.float64)
    count = model.bsplines_[0].c.shape[1]
    for column, values in enumerate(knots):
        inner = values[model.degree : len(values) - model.degree].tolist()
        ctx.jumps(table, column, inner)
        ctx.typical(table, column, inner)
    rows = table.numbers()
    if model.extrapolation in ("constant", "linear"):
        value = _beyond(ctx, model, rows, _basis(ctx, rows, knots, model.degree, count))
    elif model.extrapolation == "periodic":
        value = _periodic(ctx, model, rows, knots, count)
    else:
        value = _basis(ctx, rows, knots, model.degree, count, whole=not model.sparse_output)
    value = where(rows.isnan().unsqueeze(2), 0.0, value)  # null, where it is taken, is in no spline
    kept = count if model.include_bias else count - 1
    if kept == 0:
        raise ctx.refusal("SplineTransformer that gives no column is not supported")
    if kept < count:
        value = value.op("Gather", ctx.constant(np.arange(kept), "int64"), axis=2)
    return Table.of(value.reshape(-1, table.width * kept), table.width * kept, sparse=bool(model.sparse_output))


def _basis(ctx: Context, rows: Expr, knots: Array, degree: int, count: int, *, whole: bool = False) -> Expr:
    """The value of each spline, [rows, columns, count]; those at the ends go on as they are.

    `_deBoor_D` and `find_interval`, scipy/interpolate/src/__fitpack.cc. With `whole` each spline is a sum over all of
    them times 0 or 1, as `evaluate_spline` there computes it, of which an infinite one makes NaN.
    """
    size = knots.shape[1]
    inner = knots[:, degree + 1 : size - degree - 1]
    begin = Sorted(ctx, list(inner)).count(rows, below=False)  # the interval, from 0 on
    offset = np.arange(len(knots))[None, :] * size + degree
    place = begin + ctx.constant(offset, "int64")

    def at(values: Array, distance: int) -> Expr:
        return ctx.constant(values.ravel()).rows_of(place + distance if distance else place)

    begun = (rows.equals(rows) | rows.isnan()).cast("float64")
    values = [begun]
    for order in range(1, degree + 1):
        before, values = values, [begun - begun]
        for index in range(1, order + 1):
            wide = np.ones_like(knots)
            wide[:, order:] = knots[:, order:] - knots[:, : size - order]
            wide[wide == 0.0] = np.inf  # between equal knots there is nothing
            share = before[index - 1] / at(wide, index)
            values[index - 1] = values[index - 1] + share * (at(knots, index) - rows)
            values.append(share * (rows - at(knots, index - order)))
    stacked = concat([*(value.unsqueeze(2) for value in values), (begun - begun).unsqueeze(2)], axis=2)
    shift = ctx.constant(np.arange(count)[None, None, :], "int64") - begin.unsqueeze(2)
    outside = (shift < 0) | (shift > degree)
    chosen = where(outside, degree + 1, shift)
    value = stacked.op("GatherElements", chosen, axis=2)
    if not whole:
        return value
    infinite = (stacked - stacked).isnan().cast("float64")
    others = infinite.sum(2) - infinite.op("GatherElements", chosen, axis=2)
    return where(others > 0.0, np.nan, value)


def _periodic(ctx: Context, model: SplineTransformer, rows: Expr, knots: Array, count: int) -> Expr:
    """The splines of one period, of which the first are the last ones too."""
    degree = model.degree
    first, last = knots[:, degree], knots[:, knots.shape[1] - degree - 1]
    period = last - first
    safe = np.where(period > 0, period, 1.0)
    left = (rows - first).op("Mod", safe, fmod=1)  # numpy's remainder has the divisor's sign
    inside = where(left < 0.0, left + safe, left) + first
    if (period <= 0).any():
        inside = where(ctx.constant(period > 0, "bool"), inside, inside * 0.0)
    value = _basis(ctx, inside, knots, degree, count + degree)
    if degree:
        parts = (np.arange(count), np.arange(count, count + degree))
        body, again = (value.op("Gather", ctx.constant(part, "int64"), axis=2) for part in parts)
        value = body + again.op("Pad", ctx.constant([0, 0, 0, 0, 0, count - degree], "int64"))
    return where(inside.isnan().unsqueeze(2), np.nan, value)  # of an infinity


@dataclass
class _End:
    """One end of each column: its outermost knot, and of each spline what it is there.

    Attributes:
        knot: [columns].
        value: [columns, count].
        slope: [columns, count].
        taken: Whether the spline is computed beyond the knot, or is 0; [columns, count].
    """

    knot: list[float]
    value: list[Array]
    slope: list[Array]
    taken: list[NDArray[np.bool_]]

    def beyond(self, ctx: Context, rows: Expr, *, linear: bool) -> Expr:
        """The splines beyond the knot, where they stay as they are or go on straight."""
        taken = np.array(self.taken)[None]
        value: Expr = ctx.constant(np.where(taken, np.array(self.value)[None], 0.0))
        if not linear:
            return value
        straight = (rows - np.array(self.knot)).unsqueeze(2) * np.array(self.slope)[None] + value
        return where(ctx.constant(taken, "bool"), straight, value)


def _beyond(ctx: Context, model: SplineTransformer, rows: Expr, inside: Expr) -> Expr:
    """The splines, which beyond the outermost knots are as there, or go on straight."""
    linear = model.extrapolation == "linear"
    low, high = _ends(ctx, model)
    over = where((rows > np.array(high.knot)).unsqueeze(2), high.beyond(ctx, rows, linear=linear), inside)
    return where((rows < np.array(low.knot)).unsqueeze(2), low.beyond(ctx, rows, linear=linear), over)


def _ends(ctx: Context, model: SplineTransformer) -> tuple[_End, _End]:
    """Both ends as `transform` takes them: of degrees 0 and 1 it looks one knot further in after the first column."""
    low, high = _End([], [], [], []), _End([], [], [], [])
    linear, degree = model.extrapolation == "linear", int(model.degree)
    if degree == 0 and not linear and not model.sparse_output:
        raise ctx.refusal("SplineTransformer of degree 0 with extrapolation='constant' is not supported")
    for spline in model.bsplines_:
        low.knot.append(float(spline.t[degree]))
        high.knot.append(float(spline.t[-degree - 1]))
        if linear and degree <= 1:
            degree += 1
        every = np.arange(spline.c.shape[1])
        if degree > len(every):
            raise ctx.refusal("SplineTransformer of so few knots with extrapolation='linear' is not supported")
        low.taken.append(every < degree)
        high.taken.append(every >= (len(every) - degree if degree else 0))
        for end in (low, high):
            end.value.append(spline(end.knot[-1]))
            end.slope.append(spline(end.knot[-1], nu=1))
    return low, high


CONVERTERS: Family = {SplineTransformer: Methods(transform=_transform)}
