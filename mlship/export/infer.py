"""The input columns of a fitted estimator, read from the object alone.

Nobody stores the dtypes of the training frame, but encoders keep their categories and imputers the dtype
they saw; what is left unsaid is a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from mlship.errors import NotConvertible, UsageError
from mlship.model.signature import Category, duplicates

_KINDS = {"U": "string", "S": "string", "i": "int", "u": "int", "f": "float", "b": "bool"}


@dataclass(frozen=True)
class Draft:
    """One input column as far as the estimator tells.

    Attributes:
        name: Its name.
        position: Its place among the columns that the estimator was fitted on.
        kind: `float`, `int`, `bool` or `string`.
        categories: The values that an encoder learned, or None.
    """

    name: str
    position: int
    kind: str = "float"
    categories: tuple[Category, ...] | None = None


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
        UsageError: The given names are too few, too many or occur twice.
        NotConvertible: The estimator does not tell how many columns it takes.
    """
    first = _first_step(estimator)
    if isinstance(first, CountVectorizer):
        return Schema((Draft((given or ["text"])[0], 0, "string"),), 1, named=False, text=True)
    fitted = _fitted_names(estimator)
    width = _width(estimator)
    names = list(fitted if fitted is not None else given or [f"x{index}" for index in range(width)])
    if len(names) != width:
        raise UsageError(
            f"The model takes {width} columns, and {len(names)} names were given.",
            hint=f"Give {width} names with --columns, in the order in which the model was fitted.",
        )
    if duplicates(names):
        raise UsageError(f"The column name '{duplicates(names)[0]}' occurs twice.", hint="Give each column a name.")
    drafts = [Draft(name, position) for position, name in enumerate(names)]
    return Schema(tuple(_described(estimator, drafts)), width, named=fitted is not None)


def _first_step(estimator: Any) -> Any:
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[0][1]
    return estimator


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
        estimator = estimator.steps[0][1]
        yield estimator


def _described(estimator: Any, drafts: list[Draft]) -> list[Draft]:
    """The drafts with what the estimator says of them; columns that it drops are left out."""
    if isinstance(estimator, Pipeline):
        return _through_steps([step for _, step in estimator.steps], drafts)
    if isinstance(estimator, ColumnTransformer):
        return _through_columns(estimator, drafts)
    return _through_steps([estimator], drafts)


def _through_steps(steps: list[Any], drafts: list[Draft]) -> list[Draft]:
    """Follow the columns through the steps as long as each step keeps them one to one."""
    for step in steps:
        if isinstance(step, Pipeline | ColumnTransformer):
            return _described(step, drafts)
        if step is None or step == "passthrough":
            continue
        drafts = _told_by(step, drafts)
        if not isinstance(step, SimpleImputer) or step.add_indicator:
            break
    return drafts


def _told_by(step: Any, drafts: list[Draft]) -> list[Draft]:
    categories = getattr(step, "categories_", None)
    if categories is not None and len(categories) == len(drafts):
        return [_with_categories(draft, np.asarray(values)) for draft, values in zip(drafts, categories, strict=True)]
    if isinstance(step, SimpleImputer):
        kind = _KINDS.get(np.dtype(step._fit_dtype).kind, "string")
        return [replace(draft, kind=kind) for draft in drafts]
    return drafts


def _with_categories(draft: Draft, values: Any) -> Draft:
    known = [
        value for value in values.tolist() if value is not None and not (isinstance(value, float) and math.isnan(value))
    ]
    texts = any(isinstance(value, str) for value in known)
    kind = _KINDS.get(values.dtype.kind, "string" if texts else "float")
    return replace(draft, kind=kind, categories=tuple(known))


def _through_columns(transformer: ColumnTransformer, drafts: list[Draft]) -> list[Draft]:
    used: dict[int, Draft] = {}
    for positions, step in column_parts(transformer):
        part = [used.get(position, drafts[position]) for position in positions]
        told = part if step == "passthrough" else _described(step, part)
        used.update((draft.position, draft) for draft in told)
    return [used[position] for position in sorted(used)]


def column_parts(transformer: ColumnTransformer) -> list[tuple[list[int], Any]]:
    """Return the parts of a fitted ColumnTransformer that are not dropped.

    Returns:
        Positions of the columns among those it was fitted on, and the step that takes them.
    """
    names = getattr(transformer, "feature_names_in_", None)
    place = {} if names is None else {name: position for position, name in enumerate(names)}
    every = np.arange(transformer.n_features_in_)
    parts = []
    for _, step, given in transformer.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        columns = [given] if isinstance(given, str) else given
        if isinstance(columns, slice):
            positions = _sliced(columns, place, every)
        else:
            array = np.atleast_1d(np.asarray(columns))
            if array.dtype == np.bool_:
                positions = np.flatnonzero(array).tolist()
            else:
                positions = [place[item] if isinstance(item, str) else int(every[item]) for item in array.tolist()]
        if positions:
            parts.append((positions, step))
    return parts


def _sliced(columns: slice, place: dict[str, int], every: NDArray[np.intp]) -> list[int]:
    """Positions of a slice of positions, or of names, which includes its end."""
    if isinstance(columns.stop, str):
        stop: int | None = place[columns.stop] + 1
    else:
        stop = columns.stop
    start = place[columns.start] if isinstance(columns.start, str) else columns.start
    positions: list[int] = every[start : stop : columns.step].tolist()
    return positions
