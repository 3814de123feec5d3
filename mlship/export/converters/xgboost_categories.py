"""The names of categories of columns of pandas' category dtype, which an XGBoost model keeps from 3.1 on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mlship.export.converters.boosting import Categories
from mlship.export.graph.context import Context


def names(encoders: Sequence[dict[str, Any]]) -> Categories:
    """Return the categories of each column that has any, in the order of their codes.

    Args:
        encoders: What the model's JSON says of each column.
    """
    found: dict[int, list[Any]] = {}
    for place, encoder in enumerate(encoders):
        if "offsets" in encoder:
            letters = _letters(encoder)
            pairs = pairwise(encoder["offsets"])
            values = [letters[begin:end].decode(errors="backslashreplace") for begin, end in pairs]
        else:
            values = encoder["values"]
        if values:
            found[place] = values
    return found


def check_names(ctx: Context, encoders: Sequence[dict[str, Any]]) -> None:
    """Refuse names of categories that XGBoost has mangled.

    It counts letters and keeps as many bytes (pd_cat_inf, xgboost/_data_utils.py), so that of names with letters of
    several bytes the ends are lost and the borders are shifted. The first such byte is always among those kept.

    Raises:
        NotConvertible: A name is not ASCII.
    """
    if not all(_letters(encoder).isascii() for encoder in encoders if "offsets" in encoder):
        raise ctx.refusal(
            "XGBoost does not keep the names of its categories whole when they are not ASCII",
            hint="Fit on names of ASCII letters, or encode the column before XGBoost, with OrdinalEncoder.",
        )


def _letters(encoder: dict[str, Any]) -> bytes:
    return bytes(byte % 256 for byte in encoder["values"])  # kept as signed numbers
