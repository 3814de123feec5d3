"""OneHotEncoder on texts and numbers, with null as a category, infrequent categories and dropped ones.

Stock skl2onnx cuts numbers down to integers, so that 1.5 counts as category 1; it has no null category, and
fails on unknown ones that scikit-learn takes for infrequent.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from skl2onnx.common.data_types import StringTensorType
from sklearn.preprocessing import OneHotEncoder

from mlship.errors import NotConvertible
from mlship.export.converters.family import DOUBLE, Family, Graph, is_null, numbers_shape
from mlship.model.signature import NULL_TEXT

_WHOLE_IN_DOUBLE = 2**53  # past it, neighbouring integers are one double


def _shape(operator: Any) -> None:
    numbers_shape(operator, width_of(operator.raw_operator))


def width_of(model: OneHotEncoder) -> int:
    """Return how many columns come out."""
    return sum(_width(model, index) for index in range(len(model.categories_)))


def _infrequent(model: OneHotEncoder, index: int) -> list[int]:
    """Positions of a column's infrequent categories."""
    if not getattr(model, "_infrequent_enabled", False):
        return []
    found = model.infrequent_categories_[index]
    if found is None:
        return []
    names = found.tolist()
    return [place for place, value in enumerate(model.categories_[index].tolist()) if _among(value, names)]


def _among(value: Any, names: list[Any]) -> bool:
    return any(is_null(name) if is_null(value) else name == value for name in names)


def _dropped(model: OneHotEncoder, index: int) -> int | None:
    """Position of a column's dropped category, or None."""
    return None if model.drop_idx_ is None else model.drop_idx_[index]


def _width(model: OneHotEncoder, index: int) -> int:
    infrequent = _infrequent(model, index)
    kept = len(model.categories_[index]) - len(infrequent) + bool(infrequent)
    return kept - (_dropped(model, index) is not None)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model: OneHotEncoder = operator.raw_operator
    graph = Graph(scope, operator, container)
    parts = []
    for index, (name, text) in enumerate(_columns(graph, operator)):
        if _width(model, index):
            parts.append(_grouped(graph, model, index, _one_hot(graph, name, model.categories_[index], text=text)))
    if not parts:
        raise NotConvertible("OneHotEncoder that gives no column at all is not supported.", code="not_supported")
    graph.node("Concat", parts, graph.outputs[0], since=13, axis=1)


def _columns(graph: Graph, operator: Any) -> list[tuple[str, bool]]:
    """Each column [rows, 1] of the inputs, and whether it holds texts."""
    found = []
    count = len(operator.raw_operator.categories_)
    for name, item in zip(graph.inputs, operator.inputs, strict=True):
        width = count if len(graph.inputs) == 1 else item.type.shape[1]
        text = isinstance(item.type, StringTensorType)
        for place in range(width):
            position = graph.constant(np.array([place]))
            column = name if width == 1 else graph.node("Gather", [name, position], since=13, axis=1)
            found.append((column, text))
    return found


def _one_hot(graph: Graph, column: str, categories: Any, *, text: bool) -> str:
    """A float64 matrix [rows, categories] of zeros and ones."""
    values = categories.tolist()
    if text:
        known = [NULL_TEXT if is_null(value) else value for value in values]
        if not all(isinstance(value, str) for value in known) or len(set(known)) < len(known):
            raise NotConvertible(
                "OneHotEncoder with None and NaN among its categories is not supported.", code="not_supported"
            )
        flags = graph.one_hot(column, known)
        flat = graph.node("Reshape", [flags, graph.constant(np.array([-1, len(known)]))], since=19)
        return graph.node("Cast", [flat], since=13, to=DOUBLE)
    if any(isinstance(value, int) and abs(value) > _WHOLE_IN_DOUBLE for value in values):
        raise NotConvertible(
            "OneHotEncoder with integers past 2**53 as categories is not supported.", code="not_supported"
        )
    numbers = np.array([[math.nan if value is None else float(value) for value in values]])
    matches = graph.node("Equal", [column, graph.constant(numbers)], since=19)
    if np.isnan(numbers).any():
        null = graph.node("IsNaN", [column], since=13)
        missing = graph.node("And", [null, graph.constant(np.isnan(numbers))], since=7)
        matches = graph.node("Or", [matches, missing], since=7)
    return graph.node("Cast", [matches], since=13, to=DOUBLE)


def _grouped(graph: Graph, model: OneHotEncoder, index: int, flags: str) -> str:
    """The columns that come out: the frequent categories, then one for all infrequent ones, less the dropped one."""
    infrequent, dropped = _infrequent(model, index), _dropped(model, index)
    every = range(len(model.categories_[index]))
    frequent = [place for place in every if place not in infrequent]
    kept = [place for place in frequent if place != dropped]
    parts = [_some(graph, flags, kept)] if kept else []
    if infrequent and dropped not in infrequent:
        parts.append(_pooled(graph, model, flags, (frequent, infrequent)))
    return parts[0] if len(parts) == 1 else graph.node("Concat", parts, since=13, axis=1)


def _pooled(graph: Graph, model: OneHotEncoder, flags: str, places: tuple[list[int], list[int]]) -> str:
    """The one column of the infrequent categories, which an unknown one belongs to when the encoder says so."""
    frequent, infrequent = places
    unknown_too = model.handle_unknown in ("infrequent_if_exist", "warn")
    counted = _some(graph, flags, frequent if unknown_too else infrequent)
    found = graph.node("ReduceSum", [counted, graph.constant(np.array([1]))], since=13, keepdims=1)
    return graph.node("Sub", [graph.constant(np.array([1.0])), found], since=14) if unknown_too else found


def _some(graph: Graph, flags: str, places: list[int]) -> str:
    return graph.node("Gather", [flags, graph.constant(np.array(places, dtype=np.int64))], since=13, axis=1)


CONVERTERS: Family = {OneHotEncoder: (_shape, _convert)}
