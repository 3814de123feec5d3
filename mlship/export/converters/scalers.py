"""scikit-learn's scalers in double precision, in the order of their own arithmetic, clipping included.

Stock skl2onnx ignores the clipping of MaxAbsScaler.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from mlship.export.converters.family import Family, Graph, numbers_shape

_Step = tuple[str, int, Any]
"""Operator, the opset it is of, and its second operand [columns] or a number."""


def _shape(operator: Any) -> None:
    numbers_shape(operator, int(operator.raw_operator.n_features_in_))


def _steps(model: Any) -> list[_Step]:
    if isinstance(model, MinMaxScaler):
        return [("Mul", 14, model.scale_), ("Add", 14, model.min_)]
    if isinstance(model, MaxAbsScaler):
        return [("Div", 14, model.scale_)]
    centre = model.mean_ if isinstance(model, StandardScaler) else model.center_
    centred = model.with_mean if isinstance(model, StandardScaler) else model.with_centering
    scaled = model.with_std if isinstance(model, StandardScaler) else model.with_scaling
    return [*([("Sub", 14, centre)] if centred else []), *([("Div", 14, model.scale_)] if scaled else [])]


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


CONVERTERS: Family = dict.fromkeys((MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler), (_shape, _convert))
