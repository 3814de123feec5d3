"""OneHotEncoder on texts and numbers, with null as a category, infrequent categories and dropped ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table
from mlship.export.known import is_null, of_categories
from mlship.model.signature import NULL_TEXT

_WHOLE_IN_DOUBLE = 2**53  # past it, neighbouring integers are one double


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


def _transform(ctx: Context, model: OneHotEncoder, table: Table) -> Table:
    parts, width = [], 0
    for index, column in enumerate(table.columns()):
        if _width(model, index):
            parts.append(_grouped(ctx, model, index, match(ctx, column, model.categories_[index].tolist())))
            width += _width(model, index)
    return Table.of(concat(parts), width, sparse=bool(model.sparse_output)) if parts else Table((), sparse=False)


def match(ctx: Context, column: Expr, values: list[Any]) -> Expr:
    """Return which of the categories each value of a column is.

    Args:
        ctx: The conversion.
        column: The column [rows, 1], of texts or numbers.
        values: The categories, null among them or not.

    Returns:
        float64 [rows, categories] of zeros and ones; all zeros where it is none.

    Raises:
        NotConvertible: Both None and NaN are categories, or integers that float64 does not hold.
    """
    if column.kind == "string":
        encoded = [category.encode() for category in as_texts(ctx, values)]
        flags = column.op("OneHotEncoder", domain="ai.onnx.ml", kind="float32", cats_strings=encoded, zeros=1)
        return flags.reshape(-1, len(encoded)).cast("float64")
    numbers = as_numbers(ctx, values).reshape(1, -1)
    matches = column.equals(numbers)
    if np.isnan(numbers).any():
        matches = matches | (column.isnan() & ctx.constant(np.isnan(numbers), "bool"))
    return matches.cast("float64")


def as_texts(ctx: Context, values: Sequence[Any]) -> list[str]:
    """Return the categories of a column of texts as the graph sees them.

    Raises:
        NotConvertible: Some are no texts, or both None and NaN are among them.
    """
    known = [NULL_TEXT if is_null(value) else value for value in values]
    if not all(isinstance(value, str) for value in known) or len(set(known)) < len(known):
        raise ctx.refusal("an encoder with None and NaN among its categories is not supported")
    return known


def as_numbers(ctx: Context, values: Sequence[Any]) -> NDArray[np.float64]:
    """Return the categories of a column of numbers as the graph sees them, null as NaN.

    Raises:
        NotConvertible: There are integers among them that float64 does not hold.
    """
    if any(isinstance(value, int) and abs(value) > _WHOLE_IN_DOUBLE for value in values):
        raise ctx.refusal("an encoder with integers past 2**53 as categories is not supported")
    return np.array([math.nan if value is None else float(value) for value in values])


def _grouped(ctx: Context, model: OneHotEncoder, index: int, flags: Expr) -> Expr:
    """The columns that come out: the frequent categories, then one for all infrequent ones, less the dropped one."""
    infrequent, dropped = _infrequent(model, index), _dropped(model, index)
    every = range(len(model.categories_[index]))
    frequent = [place for place in every if place not in infrequent]
    kept = [place for place in frequent if place != dropped]
    parts = [flags if kept == list(every) else flags.columns(kept)] if kept else []
    if infrequent and dropped not in infrequent:
        parts.append(_pooled(model, flags, frequent, infrequent))
    return concat(parts)


def _pooled(model: OneHotEncoder, flags: Expr, frequent: list[int], infrequent: list[int]) -> Expr:
    """The one column of the infrequent categories, which an unknown one belongs to when the encoder says so."""
    if model.handle_unknown in ("infrequent_if_exist", "warn"):
        return 1.0 - flags.columns(frequent).sum()
    return flags.columns(infrequent).sum()


def _tells(model: OneHotEncoder) -> Any:
    return of_categories(model.categories_)


CONVERTERS: Family = {OneHotEncoder: Methods(transform=_transform, tells=_tells)}
