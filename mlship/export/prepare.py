"""A copy of a fitted estimator in the form that skl2onnx takes: columns by position, no names.

skl2onnx finds columns by name only where the names are valid in its graph, so `my age` and `São é` are lost
on it. Positions of the outermost transformer are those among the columns that the model uses.
"""

from __future__ import annotations

import copy
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from mlship.export.converters.scalers import SCALERS, on_sparse
from mlship.export.infer import Schema
from mlship.export.parts import column_parts, steps_of
from mlship.export.sparse import gives_sparse


def by_position(estimator: Any, schema: Schema) -> Any:
    """Return a shallow copy whose ColumnTransformers select columns by position, and which does nothing idle.

    Args:
        estimator: The fitted estimator, which is left as it is.
        schema: Its columns.
    """
    places = {draft.position: index for index, draft in enumerate(schema.columns)}
    return _rewritten(estimator, places, sparse=False)


def _rewritten(step: Any, places: dict[int, int] | None, *, sparse: bool) -> Any:
    """A copy of a step.

    Args:
        step: The fitted step.
        places: Where its columns are now, or None when they are where they were.
        sparse: Whether the original is given a sparse table here.
    """
    if isinstance(step, Pipeline):
        clone = copy.copy(step)
        clone.steps = []
        for name, inner in steps_of(step):
            clone.steps.append((name, _rewritten(inner, places, sparse=sparse)))
            places, sparse = None, gives_sparse(inner, sparse)
        return clone
    if isinstance(step, FeatureUnion):
        clone = copy.copy(step)
        clone.transformer_list = [
            (name, _rewritten(inner, places, sparse=sparse)) for name, inner in step.transformer_list
        ]
        return clone
    if isinstance(step, ColumnTransformer):
        every = {position: position for position in range(step.n_features_in_)}
        return _positional(step, places or every, sparse=sparse)
    return on_sparse(step) if sparse and isinstance(step, SCALERS) else step


def _positional(transformer: ColumnTransformer, places: dict[int, int], *, sparse: bool) -> ColumnTransformer:
    clone = copy.copy(transformer)
    clone.transformers_ = [
        (part.name, _rewritten(part.step, None, sparse=sparse), [places[position] for position in part.positions])
        for part in column_parts(transformer)
    ]
    clone.transformers = clone.transformers_
    clone.n_features_in_ = len(places)
    if hasattr(clone, "feature_names_in_"):
        del clone.feature_names_in_
    return clone
