"""Gaussian mixtures in double precision, in the order of scikit-learn's own arithmetic, and the elliptic envelope."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from sklearn.covariance import EllipticEnvelope
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from mlship.export.converters.likelihood import log_sum_exp, shares_of_logs
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean
_MOST_COMPONENTS = 16  # of which the means are noted

Matrix = NDArray[np.float64]


def _weighted(ctx: Context, model: Any, table: Table) -> Expr:
    """`_estimate_weighted_log_prob`, [rows, components]."""
    _note(ctx, model, table)
    logs = _gaussian_logs(model, table.numbers())
    if isinstance(model, BayesianGaussianMixture):
        columns = table.width
        freedom: Matrix = model.degrees_of_freedom_
        below = np.arange(0, columns)[:, np.newaxis]
        spread = columns * np.log(2.0) + np.sum(digamma(0.5 * (freedom - below)), 0)
        logs = logs - 0.5 * columns * np.log(freedom)
        logs = logs + 0.5 * (spread - columns / model.mean_precision_)
    weights: Matrix = np.asarray(model._estimate_log_weights(), dtype=np.float64)
    return logs + weights


def _gaussian_logs(model: Any, rows: Expr) -> Expr:
    """sklearn.mixture._gaussian_mixture._estimate_log_gaussian_prob."""
    found: Expr
    sizes: Matrix
    means, roots = model.means_, model.precisions_cholesky_  # float32 where the model was fitted on it, and so is `at`
    kind, columns = model.covariance_type, means.shape[1]
    if kind in ("full", "tied"):
        factors = [roots] * len(means) if kind == "tied" else list(roots)
        parts = []
        for mean, root in zip(means, factors, strict=True):
            at = mean @ root
            apart: Expr = rows @ root.copy() - at
            parts.append((apart * apart).sum())
        found = concat(parts)
        sizes = np.array([np.sum(np.log(np.diag(root))) for root in factors])
    elif kind == "diag":
        precise = roots**2
        squares: Matrix = np.sum(means**2 * precise, axis=1)
        found = squares - 2.0 * (rows @ (means * precise).T.copy())
        found = found + rows * rows @ precise.T.copy()
        sizes = np.sum(np.log(roots), axis=1)
    else:
        precise = roots**2
        squares = np.sum(means**2, axis=1) * precise
        found = squares - 2.0 * (rows @ means.T.copy() * precise)
        found = found + (rows * rows).sum() * precise
        sizes = columns * np.log(roots)
    logs: Expr = -0.5 * (columns * math.log(2 * math.pi) + found) + sizes
    return logs


def _note(ctx: Context, model: Any, table: Table) -> None:
    """Note the means and what lies around them."""
    kind = model.covariance_type
    for place, mean in enumerate(np.asarray(model.means_)[:_MOST_COMPONENTS]):
        given = model.covariances_ if kind == "tied" else model.covariances_[place]
        variances = np.diag(given) if kind in ("full", "tied") else np.broadcast_to(given, mean.shape)
        for column, (middle, wide) in enumerate(zip(mean.tolist(), np.sqrt(variances).tolist(), strict=True)):
            ctx.typical(table, column, [middle + wide * times for times in _SPREAD])


def _component(ctx: Context, model: Any, table: Table) -> Expr:
    return _weighted(ctx, model, table).argmax()


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    return shares_of_logs(_weighted(ctx, model, table))


def _density(ctx: Context, model: Any, table: Table) -> Expr:
    return log_sum_exp(_weighted(ctx, model, table))


def _minus_distance(ctx: Context, model: Any, table: Table) -> Expr:
    """`score_samples` of the envelope: scipy's distance of Mahalanobis, squared again."""
    precision: Matrix = np.asarray(model.get_precision(), dtype=np.float64)
    wide = np.sqrt(np.diag(model.covariance_))
    for column, (middle, one) in enumerate(zip(model.location_.tolist(), wide.tolist(), strict=True)):
        ctx.typical(table, column, [middle + one * times for times in (*_SPREAD, -4.0, 4.0)])
    apart: Expr = table.numbers() - model.location_.astype(np.float64)
    distance = (apart * (apart @ precision.T.copy())).sum().sqrt()
    return -(distance * distance)


def _envelope_score(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "score_samples", table) - float(model.offset_)


def _outlier(ctx: Context, model: Any, table: Table) -> Expr:
    return (ctx.answer(model, "decision_function", table) >= 0.0).cast("int64") * 2 - 1


_MIXTURE = Methods(predict=_component, predict_proba=_shares, score_samples=_density)

CONVERTERS: Family = {
    GaussianMixture: _MIXTURE,
    BayesianGaussianMixture: _MIXTURE,
    EllipticEnvelope: Methods(predict=_outlier, decision_function=_envelope_score, score_samples=_minus_distance),
}
