"""PowerTransformer: Yeo and Johnson's power of each column, and its scaler."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import PowerTransformer

from mlship.export.converters.functions import expm1, log1p
from mlship.export.graph.context import Context
from mlship.export.graph.expr import where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_EPSILON = float(np.finfo(np.float64).eps)
_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean


def _transform(ctx: Context, model: PowerTransformer, table: Table) -> Table:
    if model.method != "yeo-johnson":
        raise ctx.refusal(
            "PowerTransformer with method='box-cox' is not supported, as it takes no number that is not positive",
            hint="PowerTransformer with method='yeo-johnson' is supported.",
        )
    _note(ctx, model, table)
    rows = table.numbers()
    powers = np.asarray(model.lambdas_, dtype=np.float64)
    # `_yeojohnson_transform`, scipy/stats/_morestats.py: two branches, each with its limit; log1p(|x|) serves both
    upper, lower = powers, 2.0 - powers
    flat_upper, flat_lower = np.abs(upper) < _EPSILON, np.abs(lower) <= _EPSILON
    positive = rows >= 0.0
    grown = log1p(rows.abs())
    signed = where(
        positive, ctx.constant(np.where(flat_upper, 1.0, upper)), ctx.constant(np.where(flat_lower, 1.0, lower))
    )
    raised = expm1(grown * signed) / signed
    if flat_upper.any() or flat_lower.any():
        flat = (positive & ctx.constant(flat_upper, "bool")) | (~positive & ctx.constant(flat_lower, "bool"))
        raised = where(flat, grown, raised)
    value = where(positive, raised, -raised)
    out = Table.of(value, table.width)
    return ctx.transform(model._scaler, out) if model.standardize else out


def _note(ctx: Context, model: Any, table: Table) -> None:
    """Note the values that become the mean and what lies around it, and zero, where the branches meet."""
    for column in range(table.width):
        ctx.jumps(table, column, [0.0])
    scaler = getattr(model, "_scaler", None) if model.standardize else None
    if scaler is None:
        return
    around = scaler.mean_ + np.outer(_SPREAD, scaler.scale_)
    with np.errstate(all="ignore"):
        for column, power in enumerate(np.asarray(model.lambdas_, dtype=np.float64).tolist()):
            back = model._yeo_johnson_inverse_transform(around[:, column], power)
            ctx.typical(table, column, back[np.isfinite(back)].tolist())


CONVERTERS: Family = {PowerTransformer: Methods(transform=_transform)}
