"""A copy of a fitted estimator in the form that skl2onnx takes: columns by position, no names.

skl2onnx finds columns by name only where the names are valid in its graph, so `my age` and `São é` are lost
on it. Positions are those among the columns that the model uses.
"""

from __future__ import annotations

import copy
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from mlship.export.infer import Schema, column_parts


def by_position(estimator: Any, schema: Schema) -> Any:
    """Return a shallow copy whose outer ColumnTransformers select columns by position.

    Args:
        estimator: The fitted estimator, which is left as it is.
        schema: Its columns; positions count among `schema.columns`.
    """
    places = {draft.position: index for index, draft in enumerate(schema.columns)}
    return _rewritten(estimator, places)


def _rewritten(estimator: Any, places: dict[int, int]) -> Any:
    if isinstance(estimator, Pipeline):
        clone = copy.copy(estimator)
        (name, first), *rest = estimator.steps
        clone.steps = [(name, _rewritten(first, places)), *rest]
        return clone
    if isinstance(estimator, ColumnTransformer):
        return _positional(estimator, places)
    return estimator


def _positional(transformer: ColumnTransformer, places: dict[int, int]) -> ColumnTransformer:
    clone = copy.copy(transformer)
    kept = [entry for entry in transformer.transformers_ if not _empty_or_dropped(transformer, entry)]
    parts = column_parts(transformer)
    clone.transformers_ = [
        (name, _rewritten(step, dict(enumerate(range(len(positions))))), [places[position] for position in positions])
        for (name, step, _), (positions, _) in zip(kept, parts, strict=True)
    ]
    clone.transformers = clone.transformers_
    clone.n_features_in_ = len(places)
    if hasattr(clone, "feature_names_in_"):
        del clone.feature_names_in_
    return clone


def _empty_or_dropped(transformer: ColumnTransformer, entry: tuple[str, Any, Any]) -> bool:
    single = copy.copy(transformer)
    single.transformers_ = [entry]
    return not column_parts(single)
