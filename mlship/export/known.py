"""What steps say of their columns: encoders know categories, imputers the dtype that they saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlship.errors import NotConvertible

if TYPE_CHECKING:
    from mlship.export.graph.methods import Saying
    from mlship.export.infer import Draft

_KINDS = {"U": "string", "i": "int", "u": "int", "f": "float", "b": "bool"}


def is_null(value: Any) -> bool:
    """Tell whether a category, a fill or a marker is null."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def of_categories(columns: Sequence[Any]) -> list[Saying | None]:
    """Return what an encoder says of its columns.

    Args:
        columns: The categories of each column, as an array, or None where the encoder has none.
    """
    return [None if values is None else partial(_of_encoder, np.asarray(values)) for values in columns]


def of_imputer(step: Any) -> list[Saying | None]:
    """Return what a SimpleImputer says of its columns."""
    return [partial(_of_imputer, step, value) for value in np.asarray(step.statistics_).tolist()]


def of_marker(step: Any) -> list[Saying | None]:
    """Return what a step that looks for missing values, without the dtype that it saw, says of its columns."""
    return [partial(_of_marker, step)] * int(step.n_features_in_)


def _of_marker(step: Any, draft: Draft) -> Draft:
    marker = None if is_null(step.missing_values) else step.missing_values
    return replace(
        draft,
        kind="string" if isinstance(marker, str) else draft.kind,
        marker=draft.marker if marker is None else marker,
        none=draft.none or step.missing_values is None,
    )


def _of_imputer(step: Any, fill: Any, draft: Draft) -> Draft:
    kind = _KINDS.get(np.dtype(step._fit_dtype).kind)
    if kind is None:  # Python objects: the fill is of their type
        kind = "string" if isinstance(fill, str) or is_null(fill) else "bool" if isinstance(fill, bool) else "float"
    marker = None if is_null(step.missing_values) else step.missing_values
    return replace(
        draft,
        kind=kind,
        marker=marker,
        none=draft.none or step.missing_values is None,
        filled=draft.filled or (is_null(step.missing_values) and step.missing_values is not None),
        boxed=draft.boxed or _is_boxed(kind, step._fit_dtype),
    )


def _of_encoder(values: Any, draft: Draft) -> Draft:
    given = values.tolist() if values.dtype.kind in "OUbiuf" else [values]
    known = [value for value in given if not is_null(value)]
    if not all(isinstance(value, str | bool | int | float) for value in known):
        raise NotConvertible(
            f"The categories of column {draft.name!r} are neither texts nor numbers.", code="not_supported"
        )
    nulls = [value for value in given if is_null(value)]
    if len(nulls) > 1:
        raise NotConvertible(
            f"Column {draft.name!r} has both None and NaN among its categories.",
            hint="Make them one before fitting, for example with fillna.",
            code="not_supported",
        )
    kind = _KINDS.get(values.dtype.kind) or _kind_of(known)
    extra = () if draft.marker is None or draft.marker in known else (draft.marker,)
    return replace(
        draft,
        kind=kind,
        categories=tuple(dict.fromkeys((*(draft.categories or ()), *known, *extra))),
        boxed=draft.boxed or _is_boxed(kind, values.dtype),
        none=draft.none or None in nulls,
    )


def _kind_of(known: list[Any]) -> str:
    """The kind of Python objects; of none at all, as in a column that was all null, texts."""
    if all(isinstance(value, str) for value in known):
        return "string"
    return "bool" if all(isinstance(value, bool) for value in known) else "float"


def _is_boxed(kind: str, dtype: Any) -> bool:
    return kind != "string" and np.dtype(dtype).kind == "O"
