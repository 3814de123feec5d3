"""Values around which a fitted model has something to say: means, fills, thresholds.

Rows to prove and to keep are made from these, so no row of the user's data is needed, and none gets into
the artifact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from mlship.export.converters.imputer import flagged_columns, kept_columns
from mlship.export.converters.onehot import width_of
from mlship.export.converters.scalers import SCALERS, factors
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

    values: list[float] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)

    def typical(self) -> NDArray[np.float64]:
        """Return the values that rows are drawn between, sorted; the standard ones when nothing is known."""
        known = self.values + self.thresholds or list(_SPREAD)
        finite = np.unique(np.array([value for value in known if np.isfinite(value)], dtype=np.float64))
        return finite if len(finite) else np.array(_SPREAD)


@dataclass(frozen=True)
class _Lane:
    """A column on its way through the steps: what a step sees of it is `value * times + plus`."""

    anchor: Anchor
    times: float = 1.0
    plus: float = 0.0

    def back(self, seen: float) -> float:
        return (seen - self.plus) / self.times if self.times else np.nan


_Flow = list[_Lane | None]
"""For each column that a step takes, its lane, or None when it is no input column any more."""


def find_anchors(estimator: Any, schema: Schema) -> list[Anchor]:
    """Return what the estimator knows of each column of the schema."""
    every = [Anchor() for _ in range(schema.width)]
    _visit(estimator, [_Lane(anchor) for anchor in every])
    for anchor in every:
        anchor.thresholds = sorted({value for value in anchor.thresholds if np.isfinite(value)})
    return [every[draft.position] for draft in schema.columns]


def _visit(step: Any, flow: _Flow) -> _Flow:
    """Read a step and those within it; return what flows on, empty when that is not known."""
    if is_passthrough(step):
        return flow
    if isinstance(step, Pipeline):
        for _, inner in steps_of(step):
            flow = _visit(inner, flow) if flow else flow
        return flow
    if isinstance(step, ColumnTransformer):
        parts = [_visit(part.step, [flow[position] for position in part.positions]) for part in column_parts(step)]
        return [lane for part in parts for lane in part] if all(parts) else []
    _read(step, flow)
    return _onward(step, flow)


def _onward(step: Any, flow: _Flow) -> _Flow:
    if isinstance(step, SimpleImputer):
        return [*(flow[index] for index in kept_columns(step)), *(None for _ in flagged_columns(step))]
    if isinstance(step, OneHotEncoder):
        return [None] * width_of(step)
    if isinstance(step, SCALERS):
        lanes: _Flow = []
        for lane, (times, plus) in zip(flow, factors(step), strict=True):
            lanes.append(lane and _Lane(lane.anchor, lane.times * times, lane.plus * times + plus))
        return lanes
    return flow if is_passthrough(getattr(step, "func", step)) else []


def _read(step: Any, flow: _Flow) -> None:
    means, scales = _numbers(step, "mean_", flow), _numbers(step, "scale_", flow)
    if means is not None and scales is not None:
        for times in _SPREAD:
            _note(flow, means + scales * times)
    for name in ("statistics_", "data_min_", "data_max_", "center_", "max_abs_"):
        values = _numbers(step, name, flow)
        if values is not None:
            _note(flow, values)
    marker = getattr(step, "missing_values", None)
    for lane in flow:
        if lane is not None and isinstance(marker, int | float):
            lane.anchor.thresholds.append(lane.back(float(marker)))
    for tree in _trees(step):
        inner = tree.children_left != -1
        for feature, threshold in zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True):
            found = flow[feature] if feature < len(flow) else None
            if found is not None:
                found.anchor.thresholds.append(found.back(threshold))


def _note(flow: _Flow, values: NDArray[np.float64]) -> None:
    for lane, value in zip(flow, values.tolist(), strict=True):
        if lane is not None:
            lane.anchor.values.append(lane.back(value))


def _numbers(step: Any, name: str, flow: _Flow) -> NDArray[np.float64] | None:
    """What the step keeps under a name, when that is one number for each column."""
    try:
        values = np.asarray(getattr(step, name, None), dtype=np.float64).ravel()
    except (TypeError, ValueError):  # statistics of strings
        return None
    return values if len(values) == len(flow) else None


def _trees(step: Any) -> Sequence[Any]:
    members = getattr(step, "estimators_", ())
    if isinstance(members, np.ndarray):  # of gradient boosting; a list is not turned into one, as numpy would take
        members = members.ravel().tolist()  # a forest in it for a sequence of trees
    return [item.tree_ for item in (*members, step) if hasattr(item, "tree_")]
