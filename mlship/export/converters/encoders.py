"""OrdinalEncoder and TargetEncoder: each category, null and what is unknown has its number, kept in a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from sklearn import preprocessing
from sklearn.preprocessing import OrdinalEncoder

from mlship.export.converters.onehot import as_numbers, as_texts
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table
from mlship.export.known import of_categories


def codes(ctx: Context, column: Expr, values: Sequence[Any]) -> Expr:
    """Return the place of each value of a column among the categories.

    Args:
        ctx: The conversion.
        column: The column [rows, 1], of texts or numbers.
        values: The categories, null among them or not.

    Returns:
        int64 [rows, 1]; as many as there are categories where a value is none of them.

    Raises:
        NotConvertible: Both None and NaN are categories, or integers that float64 does not hold.
    """
    text = column.kind == "string"
    keys: Any = np.array(as_texts(ctx, values), dtype=object) if text else as_numbers(ctx, values)
    places = np.arange(len(values), dtype=np.int64)
    return column.op(
        "LabelEncoder",
        domain="ai.onnx.ml",
        kind="int64",
        keys_tensor=numpy_helper.from_array(keys, "keys"),
        values_tensor=numpy_helper.from_array(places, "values"),
        default_tensor=numpy_helper.from_array(np.array([len(values)], dtype=np.int64), "default"),
    )


def looked_up(ctx: Context, column: Expr, values: Sequence[Any], rows: NDArray[np.float64]) -> Expr:
    """Return for each value of a column the numbers that its category has.

    Args:
        ctx: The conversion.
        column: The column [rows, 1], of texts or numbers.
        values: The categories.
        rows: The numbers [categories + 1, k], those of what is unknown last.

    Returns:
        float64 [rows, k].
    """
    table = ctx.constant(rows)
    return table.rows_of(codes(ctx, column, values).reshape(-1))


def _ordinal(ctx: Context, model: OrdinalEncoder, table: Table) -> Table:
    parts = []
    for index, column in enumerate(table.columns()):
        numbers = _numbers(model, index)
        parts.append(looked_up(ctx, column, model.categories_[index].tolist(), numbers.reshape(-1, 1)))
    return Table.of(concat(parts), len(parts))


def _numbers(model: OrdinalEncoder, index: int) -> NDArray[np.float64]:
    """The number of each category of a column and of what is unknown, in the encoder's own dtype."""
    count = len(model.categories_[index])
    places = np.arange(count + 1)
    mappings = getattr(model, "_default_to_infrequent_mappings", None) or []
    missing = getattr(model, "_missing_indices", {}).get(index)
    mapping = mappings[index] if index < len(mappings) else None
    if mapping is not None:
        places[: len(mapping)] = mapping  # null, which is the last, is never infrequent
    numbers = places.astype(model.dtype).astype(np.float64)
    if missing is not None:
        numbers[missing] = model.encoded_missing_value
    # where unknown categories are refused the signature refuses them before the graph sees one
    numbers[count] = model.unknown_value if model.handle_unknown == "use_encoded_value" else math.nan
    return numbers


def _target(ctx: Context, model: Any, table: Table) -> Table:
    means = np.atleast_1d(np.asarray(model.target_mean_, dtype=np.float64))
    parts = []
    for index, column in enumerate(table.columns()):
        own = model.encodings_[index * len(means) : (index + 1) * len(means)]  # those of its classes lie together
        known = np.column_stack([np.asarray(encoding, dtype=np.float64) for encoding in own])
        rows = np.vstack([known, means])
        parts.append(looked_up(ctx, column, model.categories_[index].tolist(), rows))
    return Table.of(concat(parts), len(parts) * len(means))


def _tells(model: Any) -> Any:
    return of_categories(model.categories_)


CONVERTERS: Family = {OrdinalEncoder: Methods(transform=_ordinal, tells=_tells)}
if hasattr(preprocessing, "TargetEncoder"):  # from scikit-learn 1.3 on
    CONVERTERS = {**CONVERTERS, preprocessing.TargetEncoder: Methods(transform=_target, tells=_tells)}
