"""The input columns of a fitted estimator, read from the object alone.

Nobody stores the dtypes of the training frame, but encoders keep their categories and imputers the dtype
they saw; what is left unsaid is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from mlship.errors import NotConvertible, UsageError
from mlship.export.converters.family import is_null
from mlship.export.converters.imputer import flagged_columns, kept_columns
from mlship.export.parts import column_parts, is_passthrough, steps_of
from mlship.model.signature import Category, duplicates

_KINDS = {"U": "string", "i": "int", "u": "int", "f": "float", "b": "bool"}


@dataclass(frozen=True)
class Draft:
    """One input column as far as the estimator tells.

    Attributes:
        name: Its name.
        position: Its place among the columns that the estimator was fitted on.
        kind: `float`, `int`, `bool` or `string`.
        categories: The values that an encoder learned, or None.
        marker: A value that an imputer takes for missing, other than null, or None.
        boxed: Whether the estimator was fitted on Python objects, and takes them only.
        none: Whether null was None in training, and not NaN.
        filled: Whether an imputer fills in NaN, which None is not.
    """

    name: str
    position: int
    kind: str = "float"
    categories: tuple[Category, ...] | None = None
    marker: Category | None = None
    boxed: bool = False
    none: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Schema:
    """The columns of an estimator.

    Attributes:
        columns: Those that it uses, in fitted order.
        width: How many columns it was fitted on.
        named: Whether it was fitted on a frame and wants names.
        text: Whether it takes a plain sequence of texts instead of a table.
    """

    columns: tuple[Draft, ...]
    width: int
    named: bool
    text: bool = False


def infer_schema(estimator: Any, given: Sequence[str] | None = None) -> Schema:
    """Read the input columns off a fitted estimator.

    Args:
        estimator: A fitted estimator or pipeline.
        given: Names for the columns of an estimator that was fitted without names, in its order.

    Raises:
        UsageError: The given names are too few, too many or occur twice, or the model has names of its own.
        NotConvertible: The estimator does not tell how many columns it takes, or two have one name.
    """
    first = list(_chain(estimator))[-1]
    text = isinstance(first, CountVectorizer)
    fitted = None if text else _fitted_names(estimator)
    width = 1 if text else _width(estimator)
    names = _names(fitted, given, ("text",) if text else tuple(f"x{index}" for index in range(width)))
    drafts = [Draft(name, position, "string" if text else "float") for position, name in enumerate(names)]
    if text:
        return Schema(tuple(drafts), width, named=False, text=True)
    return Schema(tuple(_told(estimator, drafts)), width, named=fitted is not None)


def _names(fitted: list[str] | None, given: Sequence[str] | None, default: tuple[str, ...]) -> Sequence[str]:
    if fitted is not None:
        if given is not None:
            raise UsageError(
                "The model was fitted on named columns, and --columns would rename them.",
                hint="Leave --columns out.",
            )
        if duplicates(fitted):
            raise NotConvertible(f"Two columns of the model are named {duplicates(fitted)[0]!r}.", code="bad_columns")
        return fitted
    if given is None:
        return default
    if len(given) != len(default):
        raise UsageError(
            f"The model takes {len(default)} columns, and {len(given)} names were given.",
            hint=f"Give {len(default)} names with --columns, in the order in which the model was fitted.",
        )
    if duplicates(tuple(given)):
        raise UsageError(
            f"The column name {duplicates(tuple(given))[0]!r} occurs twice.", hint="Give each column a name of its own."
        )
    return given


def _fitted_names(estimator: Any) -> list[str] | None:
    for item in _chain(estimator):
        names = getattr(item, "feature_names_in_", None)
        if names is not None:
            return [str(name) for name in names]
    return None


def _width(estimator: Any) -> int:
    for item in _chain(estimator):
        width = getattr(item, "n_features_in_", None)
        if width is not None:
            return int(width)
    raise NotConvertible(
        f"{type(estimator).__name__} does not say how many columns it was fitted on.", code="unknown_columns"
    )


def _chain(estimator: Any) -> Iterator[Any]:
    """The estimator and, for pipelines, the first steps within, which see the same columns."""
    yield estimator
    while isinstance(estimator, Pipeline):
        estimator = steps_of(estimator)[0][1]
        yield estimator


def _told(estimator: Any, drafts: list[Draft]) -> list[Draft]:
    """The drafts with what the estimator says of them; columns that it never looks at are left out."""
    told = {position: drafts[position] for position in _used(estimator, len(drafts))}
    _follow(estimator, [draft.position for draft in drafts], told)
    for draft in told.values():
        if draft.none and draft.filled:
            raise NotConvertible(
                f"Nulls of column {draft.name!r} were None in training, and its imputer fills in only NaN.",
                hint="Fit with NaN for null, or give the imputer missing_values=None.",
                code="not_supported",
            )
    return [told[position] for position in sorted(told)]


def _used(estimator: Any, width: int) -> set[int]:
    """Positions of the columns that have to be there."""
    first = list(_chain(estimator))[-1]
    if isinstance(first, ColumnTransformer):
        return {position for part in column_parts(first) for position in part.positions}
    return set(range(width))


_Flow = list[int | None]
"""For each column that a step takes, the position of the input column that it is, or None when it is none."""


def _follow(step: Any, flow: _Flow, told: dict[int, Draft]) -> _Flow:
    """Add to the drafts what a step and those within it say; return what flows on, empty when that is not known."""
    if isinstance(step, Pipeline):
        for _, inner in steps_of(step):
            flow = _follow(inner, flow, told)
            if not flow:
                break
        return flow
    if isinstance(step, ColumnTransformer):
        for part in column_parts(step):
            _follow(part.step, [flow[position] for position in part.positions], told)
        return []
    if is_passthrough(step):
        return flow
    for position, saying in zip(flow, _sayings(step), strict=False):  # most steps say nothing
        if position is not None:
            told[position] = saying(told[position])
    if isinstance(step, SimpleImputer):
        return [*(flow[index] for index in kept_columns(step)), *(None for _ in flagged_columns(step))]
    return []


def _sayings(step: Any) -> list[Callable[[Draft], Draft]]:
    """What a step says of each of its columns."""
    if isinstance(step, SimpleImputer):
        return [partial(_of_imputer, step, value) for value in np.asarray(step.statistics_).tolist()]
    if hasattr(step, "categories_"):
        return [partial(_of_encoder, np.asarray(values)) for values in step.categories_]
    return []


def _of_imputer(step: SimpleImputer, fill: Any, draft: Draft) -> Draft:
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
