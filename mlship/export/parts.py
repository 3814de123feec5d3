"""What pipelines and column transformers are made of, seen through."""

from __future__ import annotations

from collections import UserList
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from mlship.errors import NotConvertible


@dataclass(frozen=True)
class Part:
    """One part of a ColumnTransformer.

    Attributes:
        name: Its name.
        step: What takes the columns.
        positions: Their places among the columns that the transformer was fitted on, in the order taken.
    """

    name: str
    step: Any
    positions: list[int]


def is_passthrough(step: Any) -> bool:
    """Tell whether a step leaves its columns as they are."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def is_column_transformer(step: Any) -> bool:
    """Tell whether a step is a ColumnTransformer itself; a class derived from it may do anything else."""
    return type(step) is ColumnTransformer


def unwrapped(estimator: Any) -> Any:
    """Return the estimator that answers: of a grid search, the best one found.

    Raises:
        NotConvertible: The search kept none.
    """
    while type(estimator) is GridSearchCV:
        if not hasattr(estimator, "best_estimator_"):
            raise NotConvertible("GridSearchCV with refit=False holds no model.", hint="Fit it with refit=True.")
        estimator = estimator.best_estimator_
    return estimator


def steps_of(pipeline: Pipeline) -> list[tuple[str, Any]]:
    """Return the steps of a pipeline that do something."""
    return [(name, step) for name, step in pipeline.steps if not is_passthrough(step)]


def column_parts(transformer: ColumnTransformer) -> list[Part]:
    """Return the parts of a fitted ColumnTransformer that are not dropped and take a column at all."""
    names = getattr(transformer, "feature_names_in_", None)
    place = {} if names is None else {name: position for position, name in enumerate(names)}
    every = np.arange(transformer.n_features_in_)
    parts = []
    for name, step, given in transformer.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        positions = _positions(given, place, every)
        if positions:
            parts.append(Part(name, step, positions))
    return parts


def _positions(given: Any, place: dict[str, int], every: NDArray[np.intp]) -> list[int]:
    """Resolve names, positions, a mask or a slice."""
    if isinstance(given, slice):
        return _sliced(given, place, every)
    if isinstance(given, UserList):  # of scikit-learn 1.6 and 1.7, whose items warn when they are read
        given = given.data
    items = np.atleast_1d(np.asarray([given] if isinstance(given, str) else given))
    if items.dtype == np.bool_:
        masked: list[int] = np.flatnonzero(items).tolist()
        return masked
    return [place[item] if isinstance(item, str) else int(every[item]) for item in items.tolist()]


def _sliced(columns: slice, place: dict[str, int], every: NDArray[np.intp]) -> list[int]:
    """Positions of a slice of positions, or of names, which includes its end."""
    stop = place[columns.stop] + 1 if isinstance(columns.stop, str) else columns.stop
    start = place[columns.start] if isinstance(columns.start, str) else columns.start
    positions: list[int] = every[start : stop : columns.step].tolist()
    return positions
