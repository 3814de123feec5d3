"""scikit-learn's discriminant analysis, linear and quadratic, and the nearest centroid, which shares its scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from mlship.export.converters.kernels import euclidean, manhattan, note_points, squared_distances
from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _linear_scores(ctx: Context, model: Any, table: Table) -> Expr:
    note_points(ctx, table, model.means_)
    weights, plus = np.asarray(model.coef_, dtype=np.float64), np.asarray(model.intercept_, dtype=np.float64)
    return table.numbers() @ weights.T.copy() + plus


def _linear_class(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    return positive(scores) if len(model.classes_) == 2 else scores.argmax()


def _linear_shares(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    return two(scores.sigmoid()) if len(model.classes_) == 2 else scores.softmax()


def _projected(ctx: Context, model: Any, table: Table) -> Table:
    if model.solver == "lsqr":
        raise ctx.refusal("LinearDiscriminantAnalysis of the solver 'lsqr' does not transform")
    note_points(ctx, table, model.means_)
    rows = table.numbers()
    if model.solver == "svd":
        rows = rows - model.xbar_.astype(np.float64)
    axes = model.scalings_[:, : model._max_components].astype(np.float64)
    return Table.of(rows @ axes.copy(), axes.shape[1])


def _quadratic_logs(ctx: Context, model: Any, table: Table) -> Expr:
    """`_decision_function`: the logarithm of each class's posterior up to a sum that they share."""
    note_points(ctx, table, model.means_)
    rows, parts = table.numbers(), []
    for mean, rotation, scaling in zip(model.means_, model.rotations_, model.scalings_, strict=True):
        turned = (rows - mean.astype(np.float64)) @ (rotation * (scaling ** (-0.5))).astype(np.float64)
        parts.append((turned * turned).sum())
    sizes = np.array([np.sum(np.log(scaling)) for scaling in model.scalings_], dtype=np.float64)
    if not np.isfinite(sizes).all():
        raise ctx.refusal(
            "QuadraticDiscriminantAnalysis with a class of no spread in some direction is not supported",
            hint="Leave out columns that others determine, or fit with reg_param above 0.",
        )
    return (concat(parts) + sizes) * -0.5 + _logs_of(model.priors_)


def _centroid_logs(ctx: Context, model: Any, table: Table) -> Expr:
    """`_decision_function` of the nearest centroid, from scikit-learn 1.6 on."""
    note_points(ctx, table, model.centroids_)
    spread = np.where(model.within_class_std_dev_ != 0, model.within_class_std_dev_, 1.0)
    distances = (manhattan if model.metric == "manhattan" else euclidean)(
        table.numbers() / spread, model.centroids_ / spread
    )
    return -(distances * distances) + 2.0 * _logs_of(model.class_prior_)


def _logs_of(priors: Any) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):  # a prior of zero
        return np.log(np.asarray(priors, dtype=np.float64))


def _centroid_class(ctx: Context, model: Any, table: Table) -> Expr:
    if model.metric not in ("euclidean", "manhattan"):
        raise ctx.refusal(f"NearestCentroid with the metric {model.metric!r} is not supported")
    priors = getattr(model, "class_prior_", None)
    if priors is not None and not np.isclose(priors, 1 / len(model.classes_)).all():
        return _centroid_logs(ctx, model, table).argmax()
    note_points(ctx, table, model.centroids_)
    rows, centroids = table.numbers(), np.asarray(model.centroids_, dtype=np.float64)
    distances = manhattan if model.metric == "manhattan" else squared_distances
    return distances(rows, centroids).argmin()


def _scores(ctx: Context, model: Any, table: Table) -> Expr:
    """DiscriminantAnalysisPredictionMixin.decision_function: for two classes the difference."""
    logs = _logs(ctx, model, table)
    return logs.columns([1]) - logs.columns([0]) if len(model.classes_) == 2 else logs


def _logs(ctx: Context, model: Any, table: Table) -> Expr:
    return (_centroid_logs if isinstance(model, NearestCentroid) else _quadratic_logs)(ctx, model, table)


def _quadratic_class(ctx: Context, model: Any, table: Table) -> Expr:
    return _quadratic_logs(ctx, model, table).argmax()


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    logs = _logs(ctx, model, table)
    less = logs - logs.max()
    return (less - less.exp().sum().log()).exp()


CONVERTERS: Family = {
    LinearDiscriminantAnalysis: Methods(
        transform=_projected, predict=_linear_class, predict_proba=_linear_shares, decision_function=_linear_scores
    ),
    QuadraticDiscriminantAnalysis: Methods(predict=_quadratic_class, predict_proba=_shares, decision_function=_scores),
    NearestCentroid: Methods(predict=_centroid_class, predict_proba=_shares, decision_function=_scores),
}
