"""A copy of a fitted estimator in the form that skl2onnx takes: columns by position, no names.

skl2onnx finds columns by name only where the names are valid in its graph, so `my age` and `São é` are lost
on it. Positions of the outermost transformer are those among the columns that the model uses.
"""

from __future__ import annotations

import copy
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from mlship.export.infer import Schema
from mlship.export.parts import column_parts, steps_of


def by_position(estimator: Any, schema: Schema) -> Any:
    """Return a shallow copy whose ColumnTransformers select columns by position, and which does nothing idle.

    Args:
        estimator: The fitted estimator, which is left as it is.
        schema: Its columns.
    """
    return _rewritten(estimator, {draft.position: index for index, draft in enumerate(schema.columns)})


def _rewritten(step: Any, places: dict[int, int] | None) -> Any:
    """A copy of a step; `places` says where the columns are now, None that they are where they were."""
    if isinstance(step, Pipeline):
        clone = copy.copy(step)
        clone.steps = [
            (name, _rewritten(inner, places if index == 0 else None))
            for index, (name, inner) in enumerate(steps_of(step))
        ]
        return clone
    if isinstance(step, FeatureUnion):
        clone = copy.copy(step)
        clone.transformer_list = [(name, _rewritten(inner, places)) for name, inner in step.transformer_list]
        return clone
    if isinstance(step, ColumnTransformer):
        return _positional(step, places or {position: position for position in range(step.n_features_in_)})
    return step


def _positional(transformer: ColumnTransformer, places: dict[int, int]) -> ColumnTransformer:
    clone = copy.copy(transformer)
    clone.transformers_ = [
        (part.name, _rewritten(part.step, None), [places[position] for position in part.positions])
        for part in column_parts(transformer)
    ]
    clone.transformers = clone.transformers_
    clone.n_features_in_ = len(places)
    if hasattr(clone, "feature_names_in_"):
        del clone.feature_names_in_
    return clone
