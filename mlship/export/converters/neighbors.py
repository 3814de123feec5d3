"""Estimators that ask the training points within a radius.

Squared distances are summed column by column, as scikit-learn's trees sum them. Those that ask a number of nearest
points are not here: where several are equally far at the last place, the original takes those that its tree came to
first, and has thrown others out of its heap on the way. Such rows are no rarity in rounded data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import RadiusNeighborsClassifier, RadiusNeighborsRegressor, RadiusNeighborsTransformer

from mlship.export.converters.kernels import differences, manhattan, note_points
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_FAR = 1e6
"""So many times farther away than any training point, the distances to them differ by too few of their digits."""
_MOST_NUMBERS = 12_000_000  # of the training points: what they weigh in the file is eight bytes each


def _distances(ctx: Context, model: Any, table: Table) -> Expr:
    """The distance of each row to each training point, [rows, points]."""
    points = model._fit_X
    if not isinstance(points, np.ndarray) or points.dtype != np.float64:
        raise ctx.refusal(
            f"{type(model).__name__} on training points that are sparse or not of float64 is not supported"
        )
    if points.size > _MOST_NUMBERS:
        raise ctx.refusal(f"{type(model).__name__} on {len(points):,} training points would make too large a file")
    note_points(ctx, table, points)
    for column, largest in enumerate(np.abs(points).max(axis=0).tolist()):
        ctx.blurs(table, column, _FAR * max(largest, 1.0))
    metric, given = model.effective_metric_, model.effective_metric_params_ or {}
    if given.get("w") is not None:
        raise ctx.refusal(f"{type(model).__name__} with weights in its metric is not supported")
    if metric == "euclidean":
        return differences(table.numbers(), points).sqrt()
    if metric == "manhattan":
        return manhattan(table.numbers(), points)
    raise ctx.refusal(
        f"{type(model).__name__} with metric {metric!r} is not supported", hint="euclidean and manhattan are."
    )


def _weights(ctx: Context, model: Any, distances: Expr) -> Expr:
    """The weight of each neighbour: one, or what its distance divides; a point at no distance outweighs all others."""
    if model.weights in ("uniform", None):
        return distances * 0.0 + 1.0
    if model.weights != "distance":
        raise ctx.refusal(f"{type(model).__name__} with weights of one's own is not supported")
    same = distances.equals(0.0).cast("float64")
    return where(same.max() > 0.0, same, 1.0 / distances)


def _one_target(ctx: Context, model: Any) -> Any:
    y = np.asarray(model._y)
    if y.ndim > 1 and y.shape[1] > 1:
        raise ctx.refusal(f"{type(model).__name__} of several targets is not supported")
    return y.ravel()


def _within(ctx: Context, model: Any, table: Table) -> tuple[Expr, Expr]:
    """The distances, and which of them are within the radius, as zeros and ones."""
    distances = _distances(ctx, model, table)
    return distances, (distances <= float(model.radius)).cast("float64")


def _radius_weights(ctx: Context, model: Any, table: Table) -> Expr:
    """The weight of every training point, zero beyond the radius, [rows, points]."""
    distances, near = _within(ctx, model, table)
    if model.weights in ("uniform", None):
        return near
    return where(near > 0.0, _weights(ctx, model, distances), 0.0)


def _radius_mean(ctx: Context, model: Any, table: Table) -> Expr:
    weights = _radius_weights(ctx, model, table)
    target = ctx.constant(_one_target(ctx, model).astype(np.float64).reshape(-1, 1))
    mean: Expr = (weights @ target) / weights.sum()
    return mean


def _radius_shares(ctx: Context, model: Any, table: Table) -> Expr:
    """Shares of the classes within the radius; a row with nobody there has the outlier label for sure."""
    label = model.outlier_label_
    y = _one_target(ctx, model)
    if label is None or label[0] not in model.classes_.tolist():
        raise ctx.refusal(
            "RadiusNeighborsClassifier without an outlier label of its own classes is not supported",
            hint="Fit it with outlier_label='most_frequent'.",
        )
    votes = _radius_weights(ctx, model, table) @ np.eye(len(model.classes_))[y]
    total = votes.sum()
    outlier = (model.classes_ == label[0]).astype(np.float64).reshape(1, -1)
    return where(total > 0.0, votes / where(total > 0.0, total, 1.0), outlier)


def _radius_class(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "predict_proba", table).argmax()


def _radius_graph(ctx: Context, model: Any, table: Table) -> Table:
    distances, near = _within(ctx, model, table)
    value = where(near > 0.0, distances, 0.0) if model.mode == "distance" else near
    return Table.of(value, len(model._fit_X), sparse=True)


CONVERTERS: Family = {
    RadiusNeighborsClassifier: Methods(predict=_radius_class, predict_proba=_radius_shares),
    RadiusNeighborsRegressor: Methods(predict=_radius_mean),
    RadiusNeighborsTransformer: Methods(transform=_radius_graph),
}
