"""scikit-learn's scalers in double precision, in the order of their own arithmetic, clipping included.

Stock skl2onnx ignores the clipping of MaxAbsScaler.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from mlship.export.converters.family import Family, Graph, numbers_shape

_Step = tuple[str, int, Any]
"""Operator, the opset it is of, and its second operand [columns] or a number."""


_ON_SPARSE = "_mlship_on_sparse"


def on_sparse(model: Any) -> Any:
    """Return a copy of a scaler that scales as scikit-learn does on sparse tables: by multiplying, not dividing."""
    clone = copy.copy(model)
    setattr(clone, _ON_SPARSE, True)
    return clone


def _shape(operator: Any) -> None:
    numbers_shape(operator, int(operator.raw_operator.n_features_in_))


def _steps(model: Any) -> list[_Step]:
    if isinstance(model, MinMaxScaler):
        return [("Mul", 14, model.scale_), ("Add", 14, model.min_)]
    if hasattr(model, _ON_SPARSE):  # never centred
        return [("Mul", 14, 1.0 / model.scale_)] if model.scale_ is not None else []
    if isinstance(model, MaxAbsScaler):
        return [("Div", 14, model.scale_)]
    centre = model.mean_ if isinstance(model, StandardScaler) else model.center_
    centred = model.with_mean if isinstance(model, StandardScaler) else model.with_centering
    scaled = model.with_std if isinstance(model, StandardScaler) else model.with_scaling
    return [*([("Sub", 14, centre)] if centred else []), *([("Div", 14, model.scale_)] if scaled else [])]


def factors(model: Any) -> list[tuple[float, float]]:
    """Return what each column is multiplied by and what is added then, but for rounding and clipping."""
    times, plus = np.ones(model.n_features_in_), np.zeros(model.n_features_in_)
    for op, _, operand in _steps(model):
        number = np.asarray(operand, dtype=np.float64)
        if op in ("Mul", "Div"):
            factor = number if op == "Mul" else 1.0 / number
            times, plus = times * factor, plus * factor
        else:
            plus = plus + (number if op == "Add" else -number)
    return list(zip(times.tolist(), plus.tolist(), strict=True))


def _bounds(model: Any) -> tuple[float, float] | None:
    if not getattr(model, "clip", False):
        return None
    low, high = getattr(model, "feature_range", (-1.0, 1.0))
    return float(low), float(high)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    graph = Graph(scope, operator, container)
    value = graph.matrix()
    for op, since, operand in _steps(operator.raw_operator):
        value = graph.node(op, [value, graph.constant(np.asarray(operand, dtype=np.float64))], since=since)
    bounds = _bounds(operator.raw_operator)
    if bounds is not None:
        # not Clip, which leaves open what becomes of NaN; scikit-learn keeps it
        for op, bound in zip(("Less", "Greater"), bounds, strict=True):
            limit = graph.constant(np.array([bound]))
            value = graph.node("Where", [graph.node(op, [value, limit], since=13), limit, value], since=16)
    graph.node("Identity", [value], graph.outputs[0], since=16)


SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)

CONVERTERS: Family = dict.fromkeys(SCALERS, (_shape, _convert))
