"""PowerTransformer: the power of Yeo and Johnson, or of Box and Cox, of each column, and its scaler."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.preprocessing import PowerTransformer

from mlship.export.converters.functions import expm1, log1p
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_FLAT = 1e-19  # scipy takes a smaller power for 0
_OVERFLOW = 709.78  # and past it the exponential for infinite
_EPSILON = float(np.finfo(np.float64).eps)
_POSITIVE = (0.5, 1.0, 2.0)
_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean


def _transform(ctx: Context, model: PowerTransformer, table: Table) -> Table:
    _note(ctx, model, table)
    powers = np.asarray(model.lambdas_, dtype=np.float64)
    rows = table.numbers()
    value = _yeo_johnson(ctx, rows, powers) if model.method == "yeo-johnson" else _box_cox(ctx, rows, powers)
    out = Table.of(value, table.width)
    return ctx.transform(model._scaler, out) if model.standardize else out


def _box_cox(ctx: Context, rows: Expr, powers: NDArray[np.float64]) -> Expr:
    """`boxcox`, scipy/special/_boxcox.pxd; what is not positive the signature refuses."""
    flat = np.abs(powers) < _FLAT
    safe = np.where(flat, 1.0, powers)
    logs = rows.log()
    raised = logs * safe
    value = expm1(raised) / safe
    far = (raised - np.log(np.abs(safe))).exp() * np.sign(safe) - 1.0 / safe
    value = where(raised < _OVERFLOW, value, where(rows.isnan(), rows, far))
    return where(ctx.constant(flat, "bool"), logs, value) if flat.any() else value


def _yeo_johnson(ctx: Context, rows: Expr, powers: NDArray[np.float64]) -> Expr:
    """`_yeojohnson_transform`, scipy/stats/_morestats.py: two branches, each with its limit; log1p(|x|) serves both."""
    upper, lower = powers, 2.0 - powers
    flat_upper, flat_lower = np.abs(upper) < _EPSILON, np.abs(lower) <= _EPSILON
    safe_upper, safe_lower = np.where(flat_upper, 1.0, upper), np.where(flat_lower, 1.0, lower)
    positive = rows >= 0.0
    grown = log1p(rows.abs())
    signed = where(positive, ctx.constant(safe_upper), ctx.constant(safe_lower))
    raised = expm1(grown * signed) / signed
    if flat_upper.any() or flat_lower.any():
        flat = (positive & ctx.constant(flat_upper, "bool")) | (~positive & ctx.constant(flat_lower, "bool"))
        raised = where(flat, grown, raised)
    return where(positive, raised, -raised)


def _note(ctx: Context, model: Any, table: Table) -> None:
    """Note the values that become the mean and what lies around it, and zero, where the branches meet."""
    for column in range(table.width):
        if model.method == "yeo-johnson":
            ctx.jumps(table, column, [0.0])
        else:
            ctx.typical(table, column, _POSITIVE)
    scaler = getattr(model, "_scaler", None) if model.standardize else None
    if scaler is None:
        return
    around = scaler.mean_ + np.outer(_SPREAD, scaler.scale_)
    with np.errstate(all="ignore"):
        for column, power in enumerate(np.asarray(model.lambdas_, dtype=np.float64).tolist()):
            if model.method == "yeo-johnson":
                back = model._yeo_johnson_inverse_transform(around[:, column], power)
            else:
                back = special.inv_boxcox(around[:, column], power)
            ctx.typical(table, column, back[np.isfinite(back)].tolist())


CONVERTERS: Family = {PowerTransformer: Methods(transform=_transform)}
