"""TransformedTargetRegressor: the numbers within are turned back by a function or a transformer's inverse."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from mlship.export.converters.calibration import interpolated
from mlship.export.converters.error_function import erf
from mlship.export.converters.functions import FUNCTIONS, JUMPING
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table
from mlship.export.parts import is_passthrough

_BOUND = 1e-7  # sklearn.preprocessing._data.BOUNDS_THRESHOLD

Inverse = Callable[[Context, Any, Expr], Expr]
"""Writes `inverse_transform` of a fitted transformer for float64 [rows, targets]."""


def _predict(ctx: Context, model: TransformedTargetRegressor, table: Table) -> Expr:
    value = ctx.answer(model.regressor_, "predict", table, "regressor_")
    with ctx.at("transformer_"):
        return _back(ctx, model.transformer_, value)


def _back(ctx: Context, model: Any, value: Expr) -> Expr:
    if is_passthrough(model):
        return value
    write = _INVERSES.get(type(model))
    if write is None:
        raise ctx.refusal(
            f"inverse_transform of {type(model).__name__} is not supported",
            hint="Those of numpy functions, scalers, PowerTransformer and QuantileTransformer are supported.",
        )
    return write(ctx, model, value)


def _function(ctx: Context, model: FunctionTransformer, value: Expr) -> Expr:
    if model.inverse_func is None:
        return value
    known = FUNCTIONS.get(model.inverse_func)
    name = getattr(model.inverse_func, "__name__", str(model.inverse_func))
    if known is None or model.inv_kw_args:
        raise ctx.refusal(
            f"the inverse function {name} is not supported",
            hint="Use a function of numpy that takes one number, such as numpy.expm1.",
        )
    if model.inverse_func in JUMPING:
        raise ctx.refusal(f"the inverse function {name}, which jumps, is not supported")
    return known(value)


def _steps(ctx: Context, model: Pipeline, value: Expr) -> Expr:
    for at, (_, step) in reversed(list(enumerate(model.steps))):
        with ctx.at(f"[{at}]"):
            value = _back(ctx, step, value)
    return value


def _scaled(ctx: Context, model: Any, value: Expr) -> Expr:
    if isinstance(model, MinMaxScaler):
        return (value - np.float64(model.min_)) / np.float64(model.scale_)
    centre = getattr(model, "mean_", None) if isinstance(model, StandardScaler) else getattr(model, "center_", None)
    centred = model.with_mean if isinstance(model, StandardScaler) else getattr(model, "with_centering", False)
    scaled = model.with_std if isinstance(model, StandardScaler) else getattr(model, "with_scaling", True)
    if scaled:
        value = value * np.float64(model.scale_)
    return value + np.float64(centre) if centred else value


def _power(ctx: Context, model: PowerTransformer, value: Expr) -> Expr:
    if model.standardize:
        value = _scaled(ctx, model._scaler, value)
    one = _box_cox if model.method == "box-cox" else _yeo_johnson
    return _by_column(value, [partial(one, float(power)) for power in model.lambdas_])


def _box_cox(power: float, x: Expr) -> Expr:
    """scipy.special.inv_boxcox: exp(log1p(power * x) / power), in scipy's own form of _boxcox.pxd."""
    if power == 0.0:
        return x.exp()
    return (FUNCTIONS[np.log1p](x * power) / power).exp()


def _yeo_johnson(power: float, x: Expr) -> Expr:
    """PowerTransformer._yeo_johnson_inverse_transform."""
    tiny = float(np.spacing(1.0))
    above = x.exp() - 1.0 if abs(power) < tiny else (x * power + 1.0) ** (1.0 / power) - 1.0
    rest = 2.0 - power
    below = 1.0 - (x * -rest + 1.0) ** (1.0 / rest) if abs(power - 2.0) > tiny else 1.0 - (-x).exp()
    return where(x >= 0.0, above, below)


def _quantiles(ctx: Context, model: QuantileTransformer, value: Expr) -> Expr:
    """QuantileTransformer._transform_col backwards: from a share, or the quantile of the normal distribution."""
    places, known = np.asarray(model.references_), np.asarray(model.quantiles_)
    if model.output_distribution == "normal":
        value = erf(value * math.sqrt(0.5)) * 0.5 + 0.5
    every = [known[:, at] for at in range(known.shape[1])]
    found = _by_column(value, [partial(_spread, ctx, places, quantiles) for quantiles in every])
    if model.output_distribution == "normal":
        found = where(value + _BOUND > 1.0, known[-1:, :], found)
        found = where(value - _BOUND < 0.0, known[:1, :], found)
    return found


def _spread(ctx: Context, places: Any, quantiles: Any, x: Expr) -> Expr:
    return interpolated(ctx, x, places, quantiles)


def _by_column(value: Expr, functions: list[Callable[[Expr], Expr]]) -> Expr:
    if len(functions) == 1:
        return functions[0](value)
    return concat([write(value.columns([at])) for at, write in enumerate(functions)])


_INVERSES: Mapping[type, Inverse] = {
    FunctionTransformer: _function,
    MaxAbsScaler: _scaled,
    MinMaxScaler: _scaled,
    Pipeline: _steps,
    PowerTransformer: _power,
    QuantileTransformer: _quantiles,
    RobustScaler: _scaled,
    StandardScaler: _scaled,
}


def _inner(model: TransformedTargetRegressor) -> list[Any]:
    return [model.regressor_]


CONVERTERS: Family = {TransformedTargetRegressor: Methods(predict=_predict, inner=_inner)}
