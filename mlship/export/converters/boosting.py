"""What the boosters of other libraries share: pandas' categories as codes, and functions in single precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlship.export.converters.encoders import looked_up
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Saying
from mlship.export.graph.table import Table
from mlship.export.known import of_categories

if TYPE_CHECKING:
    from mlship.export.infer import Draft

Categories = Mapping[int, Sequence[Any]]
"""The values of the columns that were of pandas' category dtype in training, by the column's place."""


def with_codes(ctx: Context, table: Table, categories: Categories) -> Expr:
    """Return the table as numbers, categories as their codes in training; null and unseen ones are NaN."""
    if not categories:
        return table.numbers()
    parts, begin = [], 0
    for place in (*sorted(categories), table.width):
        if begin < place:
            parts.append(table.select(range(begin, place)).numbers())
        if place < table.width:
            values = categories[place]
            codes = np.append(np.arange(float(len(values))), np.nan).reshape(-1, 1)
            parts.append(looked_up(ctx, next(table.select([place]).columns()), values, codes))
        begin = place + 1
    return concat(parts)


def tells(width: int, categories: Categories, *, closed: bool, bools: Sequence[int] = ()) -> list[Saying | None]:
    """Return what a booster says of its columns.

    Args:
        width: How many there are.
        categories: Those of pandas' category dtype.
        closed: Whether a category that training did not have is refused.
        bools: Those that were bool in training.
    """
    said: list[Saying | None] = [None] * width
    for place in bools:
        said[place] = _bool
    for place, values in categories.items():
        (known,) = of_categories([np.array(list(values), dtype=object if isinstance(values[0], str) else None)])
        assert known is not None
        said[place] = partial(_category, known, "closed" if closed else "open")
    return said


def _bool(draft: Draft) -> Draft:
    return replace(draft, kind="bool")


def _category(known: Saying, category: Literal["open", "closed"], draft: Draft) -> Draft:
    return replace(known(draft), category=category, boxed=False)


def whole(ctx: Context, rows: Expr, places: Sequence[int], width: int, how: Literal["Floor", "trunc"]) -> Expr:
    """Return the rows with the columns of categories cut down to whole numbers, as `Floor` does or towards zero."""
    if not places:
        return rows
    mask = np.zeros((1, width), dtype=np.bool_)
    mask[0, list(places)] = True
    cut = rows.op("Floor")
    if how == "trunc":
        cut = where(rows < 0.0, rows.op("Ceil"), cut)
    return where(ctx.constant(mask, "bool"), cut, rows)


def exp_single(x: Expr) -> Expr:
    """The exponential rounded once to single precision, which is what libm's expf gives but for rare last bits."""
    return x.cast("float64").exp().cast("float32")
