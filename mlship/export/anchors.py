"""Values around which a fitted model has something to say: means, fills, thresholds, categories.

Rows to prove and to keep are made from these, so no row of the user's data is needed, and none gets into
the artifact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from mlship.export.converters.imputer import flagged_columns, kept_columns
from mlship.export.infer import Schema
from mlship.export.parts import column_parts, is_passthrough, steps_of

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean


@dataclass
class Anchor:
    """What the model knows of one numeric column.

    Attributes:
        values: Typical values, such as a mean and what lies around it.
        thresholds: Values at which an answer jumps.
    """

    values: list[float]
    thresholds: list[float]

    def typical(self) -> NDArray[np.float64]:
        """Return the values that rows are drawn between, sorted; the standard ones when nothing is known."""
        known = self.values or self.thresholds or list(_SPREAD)
        finite = np.unique(np.array([value for value in known if np.isfinite(value)], dtype=np.float64))
        return finite if len(finite) else np.array(_SPREAD)


def find_anchors(estimator: Any, schema: Schema) -> list[Anchor]:
    """Return what the estimator knows of each column of the schema."""
    every = [Anchor([], []) for _ in range(schema.width)]
    _visit(estimator, every)
    return [every[draft.position] for draft in schema.columns]


def _visit(estimator: Any, anchors: Sequence[Anchor]) -> Sequence[Anchor]:
    """Read a step and those within it; return the anchors of what flows on, none when its values are others."""
    if isinstance(estimator, Pipeline):
        for _, step in steps_of(estimator):
            anchors = _visit(step, anchors)
            if not anchors:
                break
        return anchors
    if isinstance(estimator, ColumnTransformer):
        for part in column_parts(estimator):
            if not is_passthrough(part.step):
                _visit(part.step, [anchors[position] for position in part.positions])
        return ()
    _read(estimator, anchors)
    if isinstance(estimator, SimpleImputer):
        flags = [Anchor([], []) for _ in flagged_columns(estimator)]
        return [*(anchors[index] for index in kept_columns(estimator)), *flags]
    return ()


def _read(step: Any, anchors: Sequence[Anchor]) -> None:
    means, scales = _numbers(step, "mean_"), _numbers(step, "scale_")
    if means is not None and scales is not None and len(means) == len(scales) == len(anchors):
        for anchor, mean, scale in zip(anchors, means, scales, strict=True):
            anchor.values += [float(mean + scale * times) for times in _SPREAD]
    for name in ("statistics_", "data_min_", "data_max_", "center_"):
        values = _numbers(step, name)
        if values is not None and len(values) == len(anchors):
            for anchor, value in zip(anchors, values, strict=True):
                anchor.values.append(float(value))
    _read_jumps(step, anchors)


def _read_jumps(step: Any, anchors: Sequence[Anchor]) -> None:
    for tree in _trees(step):
        inner = tree.children_left != -1
        for feature, threshold in zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True):
            if feature < len(anchors):
                anchors[feature].thresholds.append(threshold)
    marker = getattr(step, "missing_values", None)
    for anchor in anchors:
        if isinstance(marker, int | float):
            anchor.thresholds.append(float(marker))
        anchor.thresholds = sorted(set(anchor.thresholds))


def _numbers(step: Any, name: str) -> NDArray[np.float64] | None:
    values = getattr(step, name, None)
    if values is None:
        return None
    try:
        return np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):  # statistics of strings
        return None


def _trees(step: Any) -> list[Any]:
    members = np.ravel(getattr(step, "estimators_", [])).tolist()
    return [item.tree_ for item in (*members, step) if hasattr(item, "tree_")]
