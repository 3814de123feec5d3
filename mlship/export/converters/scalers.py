"""scikit-learn's scalers in double precision, in the order of their own arithmetic, clipping included."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from mlship.export.graph.context import Context
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean


def _steps(model: Any, *, sparse: bool) -> list[tuple[str, NDArray[np.float64]]]:
    """The operators, each with its second operand [columns]."""
    if isinstance(model, MinMaxScaler):
        return [("Mul", model.scale_), ("Add", model.min_)]
    if sparse:  # never centred, and multiplied where a dense table is divided: the last bit can differ
        return [("Mul", 1.0 / model.scale_)] if model.scale_ is not None else []
    if isinstance(model, MaxAbsScaler):
        return [("Div", model.scale_)]
    centre = model.mean_ if isinstance(model, StandardScaler) else model.center_
    centred = model.with_mean if isinstance(model, StandardScaler) else model.with_centering
    scaled = model.with_std if isinstance(model, StandardScaler) else model.with_scaling
    return [*([("Sub", centre)] if centred else []), *([("Div", model.scale_)] if scaled else [])]


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    _note(ctx, model, table)
    value = table.numbers()
    times, plus = np.ones(table.width), np.zeros(table.width)
    for op, operand in _steps(model, sparse=table.sparse):
        number = np.asarray(operand, dtype=np.float64)
        value = value.op(op, number)
        if op in ("Mul", "Div"):
            factor = number if op == "Mul" else 1.0 / number
            times, plus = times * factor, plus * factor
        else:
            plus = plus + (number if op == "Add" else -number)
    if getattr(model, "clip", False):
        low, high = getattr(model, "feature_range", (-1.0, 1.0))
        value = value.maximum(float(low)).minimum(float(high))  # not Clip, which leaves open what becomes of NaN
    lanes = tuple(
        lane and lane.then(*by)
        for lane, by in zip(table.lanes, zip(times.tolist(), plus.tolist(), strict=True), strict=True)
    )
    return Table.of(value, table.width, lanes=lanes, sparse=table.sparse)


def _note(ctx: Context, model: Any, table: Table) -> None:
    """Note the values that a scaler knows: a mean and what lies around it, the smallest and the largest."""
    for name in ("data_min_", "data_max_", "center_", "max_abs_"):
        known = getattr(model, name, None)
        if known is not None:
            for column, value in enumerate(np.ravel(known).tolist()):
                ctx.typical(table, column, [value])
    if getattr(model, "mean_", None) is not None and model.scale_ is not None:
        for column, (mean, scale) in enumerate(zip(model.mean_.tolist(), model.scale_.tolist(), strict=True)):
            ctx.typical(table, column, [mean + scale * times for times in _SPREAD])


CONVERTERS: Family = dict.fromkeys(
    (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler), Methods(transform=_transform)
)
