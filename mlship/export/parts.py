"""What pipelines and column transformers are made of, seen through."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from mlship.export.registry import methods_of


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
    """Tell whether a step leaves its columns as they are: by its name, or as scikit-learn fits that name."""
    if type(step) is FunctionTransformer:
        return step.func is None
    return step is None or (isinstance(step, str) and step == "passthrough")


def is_dropped(step: Any) -> bool:
    """Tell whether a step's columns are left out."""
    return isinstance(step, str) and step == "drop"


def is_column_transformer(step: Any) -> bool:
    """Tell whether a step is a ColumnTransformer itself; a class derived from it may do anything else."""
    return type(step) is ColumnTransformer


def is_union(step: Any) -> bool:
    """Tell whether a step is a FeatureUnion itself."""
    return type(step) is FeatureUnion


def is_pipeline(step: Any) -> bool:
    """Tell whether a step is a pipeline of scikit-learn, or of imbalanced-learn."""
    kind = type(step)
    return kind is Pipeline or (kind.__module__, kind.__qualname__) == ("imblearn.pipeline", "Pipeline")


def steps_of(pipeline: Any) -> list[tuple[str, Any]]:
    """Return the steps of a pipeline that do something when rows are scored, which a step that resamples does not."""
    return [
        (name, step) for name, step in pipeline.steps if not is_passthrough(step) and not hasattr(step, "fit_resample")
    ]


def seen_first(estimator: Any) -> Iterator[Any]:
    """Yield the estimator and those within it that are given the same columns as it is, outermost first."""
    yield estimator
    if is_pipeline(estimator):
        inner = [step for _, step in steps_of(estimator)[:1]]
    elif is_union(estimator):
        inner = [step for _, step in estimator.transformer_list if not is_dropped(step) and not is_passthrough(step)]
    else:
        methods = methods_of(type(estimator))
        inner = list(methods.inner(estimator)) if methods and methods.inner else []
    for item in inner:
        yield from seen_first(item)


def takes_texts(estimator: Any) -> bool:
    """Tell whether an estimator takes a plain sequence of texts instead of a table."""
    return any(isinstance(item, CountVectorizer | HashingVectorizer) for item in seen_first(estimator))


def column_parts(transformer: ColumnTransformer) -> list[Part]:
    """Return the parts of a fitted ColumnTransformer that are not dropped and take a column at all."""
    names = getattr(transformer, "feature_names_in_", None)
    place = {} if names is None else {name: position for position, name in enumerate(names)}
    every = np.arange(transformer.n_features_in_)
    parts = []
    for name, step, given in transformer.transformers_:
        if is_dropped(step):
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
