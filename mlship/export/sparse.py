"""Where scikit-learn computes on sparse tables, on which its scalers round differently.

A sparse column is multiplied by 1 / scale, a dense one divided by scale: the last bit can differ, and a tree
behind it then answers a row on a threshold with another leaf.
"""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, OneHotEncoder

from mlship.export.converters.scalers import SCALERS
from mlship.export.parts import is_passthrough, steps_of

_KEEPS = (*SCALERS, FunctionTransformer, Normalizer, SelectorMixin, SimpleImputer)


def gives_sparse(step: Any, given: bool) -> bool:
    """Tell whether a fitted step gives a sparse table.

    Args:
        step: The step.
        given: Whether it is given one.
    """
    if is_passthrough(step) or isinstance(step, _KEEPS):
        return given
    if isinstance(step, Pipeline):
        for _, inner in steps_of(step):
            given = gives_sparse(inner, given)
        return given
    if isinstance(step, FeatureUnion):
        return any(gives_sparse(inner, given) for _, inner in step.transformer_list)
    if isinstance(step, OneHotEncoder):
        return bool(step.sparse_output)
    return isinstance(step, ColumnTransformer) and bool(getattr(step, "sparse_output_", False))
