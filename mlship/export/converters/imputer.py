"""SimpleImputer, exact in double precision and on strings, with its indicator columns.

Stock skl2onnx writes float32 statistics, loses the indicator and refuses strings.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.impute import SimpleImputer

from mlship.errors import NotConvertible
from mlship.export.converters.family import DOUBLE, Family, Graph
from mlship.model.signature import NULL_TEXT


def _is_text(model: SimpleImputer) -> bool:
    return np.dtype(model._fit_dtype).kind in "OUS"


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _kept(model: SimpleImputer) -> list[int]:
    """Positions of the columns that come out: one that was all null in training is dropped, unless it is kept."""
    missing = [_is_null(value) for value in model.statistics_.tolist()]
    return [index for index, gone in enumerate(missing) if not gone]


def _flagged(model: SimpleImputer) -> list[int]:
    return list(map(int, model.indicator_.features_)) if model.add_indicator else []


def _shape(operator: Any) -> None:
    model = operator.raw_operator
    width = len(_kept(model)) + len(_flagged(model))
    kind = StringTensorType if _is_text(model) else DoubleTensorType
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension(), width])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model: SimpleImputer = operator.raw_operator
    if _is_text(model) and model.add_indicator:
        raise NotConvertible("SimpleImputer with add_indicator on strings is not supported.", code="not_supported")
    graph = Graph(scope, operator, container)
    table = graph.matrix()
    missing = _is_missing(graph, model, table)
    kept = _kept(model)
    statistics = model.statistics_[kept]
    fill = graph.constant([statistics.astype(str if _is_text(model) else np.float64)])
    if len(kept) < len(model.statistics_):
        positions = graph.constant(np.array(kept, dtype=np.int64))
        table = graph.node("Gather", [table, positions], since=13, axis=1)
        kept_missing = graph.node("Gather", [missing, positions], since=13, axis=1)
    else:
        kept_missing = missing
    flagged = _flagged(model)
    if not flagged:
        graph.node("Where", [kept_missing, fill, table], graph.outputs[0], since=16)
        return
    filled = graph.node("Where", [kept_missing, fill, table], since=16)
    flags = graph.node("Gather", [missing, graph.constant(np.array(flagged, dtype=np.int64))], since=13, axis=1)
    numbers = graph.node("Cast", [flags], since=13, to=DOUBLE)
    graph.node("Concat", [filled, numbers], graph.outputs[0], since=13, axis=1)


def _is_missing(graph: Graph, model: SimpleImputer, table: str) -> str:
    """A mask [rows, columns] of what the imputer replaces."""
    wanted = model.missing_values
    null = _is_null(wanted)
    if null and not _is_text(model):
        return graph.node("IsNaN", [table], since=13)
    marker = NULL_TEXT if null else wanted
    kind = str if _is_text(model) else np.float64
    return graph.node("Equal", [table, graph.constant(np.array([marker], dtype=kind))], since=19)


CONVERTERS: Family = {SimpleImputer: (_shape, _convert)}
