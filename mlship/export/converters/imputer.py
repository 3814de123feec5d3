"""SimpleImputer, exact in double precision and on strings, with its indicator columns.

Stock skl2onnx writes float32 statistics, loses the indicator and refuses strings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.impute import SimpleImputer

from mlship.errors import NotConvertible
from mlship.export.converters.family import DOUBLE, Family, Graph, is_null
from mlship.model.signature import NULL_TEXT


def _is_text(operator: Any) -> bool:
    return isinstance(operator.inputs[0].type, StringTensorType)


def kept_columns(model: SimpleImputer) -> list[int]:
    """Return the positions of the columns that come out: one that was all null in training is dropped if not kept."""
    every = range(len(model.statistics_))
    return [index for index in every if model.keep_empty_features or not is_null(model.statistics_[index])]


def flagged_columns(model: SimpleImputer) -> list[int]:
    """Return the positions of the columns for which a flag comes out, after all others."""
    return list(map(int, model.indicator_.features_)) if model.add_indicator else []


def _shape(operator: Any) -> None:
    model = operator.raw_operator
    width = len(kept_columns(model)) + len(flagged_columns(model))
    kind = StringTensorType if _is_text(operator) else DoubleTensorType
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension(), width])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model: SimpleImputer = operator.raw_operator
    graph = Graph(scope, operator, container)
    text = graph.is_text()
    if text and model.add_indicator:
        raise NotConvertible("SimpleImputer with add_indicator on strings is not supported.", code="not_supported")
    table = graph.matrix()
    missing = _is_missing(graph, model, table, text=text)
    kept = kept_columns(model)
    fill = graph.constant([_fills(model, kept, text=text)])
    if len(kept) < len(model.statistics_):
        positions = graph.constant(np.array(kept, dtype=np.int64))
        table = graph.node("Gather", [table, positions], since=13, axis=1)
        kept_missing = graph.node("Gather", [missing, positions], since=13, axis=1)
    else:
        kept_missing = missing
    flagged = flagged_columns(model)
    if not flagged:
        graph.node("Where", [kept_missing, fill, table], graph.outputs[0], since=16)
        return
    filled = graph.node("Where", [kept_missing, fill, table], since=16)
    flags = graph.node("Gather", [missing, graph.constant(np.array(flagged, dtype=np.int64))], since=13, axis=1)
    numbers = graph.node("Cast", [flags], since=13, to=DOUBLE)
    graph.node("Concat", [filled, numbers], graph.outputs[0], since=13, axis=1)


def _fills(model: SimpleImputer, kept: list[int], *, text: bool) -> Any:
    """What null is replaced by in the kept columns."""
    values = model.statistics_[kept]
    if hasattr(model, "_fill_dtype"):  # from scikit-learn 1.7 on; a model fitted on float32 rounds its means to it
        values = values.astype(model._fill_dtype)
    if not text:
        return values.astype(np.float64)
    if not all(isinstance(value, str) for value in values.tolist()):
        raise NotConvertible("SimpleImputer that fills texts with numbers is not supported.", code="not_supported")
    return values.astype(object)


def _is_missing(graph: Graph, model: SimpleImputer, table: str, *, text: bool) -> str:
    """A mask [rows, columns] of what the imputer replaces."""
    wanted = model.missing_values
    if is_null(wanted) and not text:
        return graph.node("IsNaN", [table], since=13)
    marker = np.array([NULL_TEXT if is_null(wanted) else wanted], dtype=object if text else np.float64)
    return graph.node("Equal", [table, graph.constant(marker)], since=19)


CONVERTERS: Family = {SimpleImputer: (_shape, _convert)}
