"""Encoders of the library category_encoders: each category's numbers are those that the encoder itself answers.

What they give for null, for unknown categories and for those of one row depends on two nested encoders and their
settings. All of it is by column and by value, so that asking the fitted encoder once for each value is the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import category_encoders
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlship.export.converters.encoders import looked_up
from mlship.export.graph.context import Context
from mlship.export.graph.methods import Family, Methods, Saying
from mlship.export.graph.table import Table, join
from mlship.export.known import is_null, of_categories

_UNSEEN = ("\u00a1unseen\u00a1", 987654321.0)
"""A text and a number that are no categories; longer and larger while they are."""


def _encoded(ctx: Context, model: Any, table: Table) -> Table:
    _check(ctx, model)
    known = _known(model)
    widths = [_width(model, name) for name in model.feature_names_in_]
    begins = np.cumsum([0, *widths])
    parts = []
    for place, name in enumerate(model.feature_names_in_):
        given = table.select([place])
        if name not in known:
            parts.append(given)
            continue
        rows = _answers(ctx, model, known, name)[:, begins[place] : begins[place + 1]]
        value = looked_up(ctx, next(given.columns()), [*known[name], None], rows)
        parts.append(Table.of(value, widths[place]))
    return join(parts)


def _check(ctx: Context, model: Any) -> None:
    """Refuse settings with which a value's numbers are not its own, or columns are left out or put together."""
    name = type(model).__name__
    for setting in ("min_group_size", "composite_cols"):
        if getattr(model, setting, None) is not None:
            raise ctx.refusal(f"{name} with {setting} is not supported")
    if len(model.invariant_cols):
        raise ctx.refusal(f"{name} that left out columns by drop_invariant is not supported")
    if callable(model.handle_unknown):
        raise ctx.refusal(f"{name} with a function for handle_unknown is not supported")


def _known(model: Any) -> dict[Any, list[Any]]:
    """The categories of each encoded column, null left out."""
    ordinal = getattr(model, "ordinal_encoder", None) or model
    mappings = {item["col"]: item["mapping"] for item in ordinal.mapping or []}
    names = [name for name in model.feature_names_in_ if name in mappings]
    return {name: [value for value in mappings[name].index.tolist() if not is_null(value)] for name in names}


def _width(model: Any, name: Any) -> int:
    """How many columns come of one."""
    if isinstance(model, category_encoders.OneHotEncoder):
        for item in model.mapping or []:
            if item["col"] == name:
                return int(item["mapping"].shape[1])
    return 1


def _answers(ctx: Context, model: Any, known: dict[Any, list[Any]], name: Any) -> NDArray[np.float64]:
    """What the encoder answers for each category of a column, null and an unknown one; [categories + 2, all columns].

    What it refuses is NaN here: the signature refuses it before the graph sees it.
    """
    asked = [known[name], [np.nan], [_unseen(known[name])]]
    found = []
    width = sum(_width(model, column) for column in model.feature_names_in_)
    for values in asked:
        if not values:
            continue
        frame = _frame(model, known, {name: values}, len(values))
        try:
            answers = np.asarray(model.transform(frame))
        except Exception as error:  # an encoder refuses null, or what is unknown, with whatever it raises
            if values is known[name]:
                raise ctx.refusal(f"{type(model).__name__} refuses its own categories") from error
            answers = np.full((1, width), np.nan)
        if answers.shape != (len(values), width):
            raise ctx.refusal(f"{type(model).__name__} with columns of so many numbers is not supported")
        found.append(answers.astype(np.float64))
    return np.vstack(found)


def _frame(model: Any, known: dict[Any, list[Any]], asked: dict[Any, list[Any]], rows: int) -> pd.DataFrame:
    """Rows for the encoder: what is asked in one column, the first category in other encoded ones, else 0."""
    columns = {}
    for name in model.feature_names_in_:
        values = asked.get(name) or [(known[name] or [np.nan])[0] if name in known else 0.0] * rows
        columns[name] = pd.Series(values, dtype=object if name in known else np.float64)
    return pd.DataFrame(columns)


def _unseen(values: Sequence[Any]) -> Any:
    value: Any = _UNSEEN[0] if all(isinstance(known, str) for known in values) else _UNSEEN[1]
    while value in values:
        value = value + value
    return value


def _tells(model: Any) -> list[Saying | None]:
    known = _known(model)
    dtypes = getattr(model, "feature_dtypes_in_", None) or [None] * len(model.feature_names_in_)
    said: list[Saying | None] = []
    for name, dtype in zip(model.feature_names_in_, dtypes, strict=True):
        if known.get(name):
            said += of_categories([np.array(known[name])])
        else:  # newer versions know the dtypes of the columns that they leave as they are
            text = dtype is not None and not pd.api.types.is_numeric_dtype(dtype)
            said.append(partial(replace, kind="string") if text else None)
    return said


def _passes(model: Any) -> list[int | None]:
    known = _known(model)
    passed: list[int | None] = []
    for place, name in enumerate(model.feature_names_in_):
        passed += [None] * _width(model, name) if name in known else [place]
    return passed


CONVERTERS: Family = dict.fromkeys(
    (
        category_encoders.OneHotEncoder,
        category_encoders.OrdinalEncoder,
        category_encoders.TargetEncoder,
        category_encoders.WOEEncoder,
    ),
    Methods(transform=_encoded, tells=_tells, passes=_passes),
)
