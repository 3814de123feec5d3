"""Gaussian processes: the mean of a regression, and Laplace's classes and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process import _gpc as laplace

from mlship.export.converters.error_function import erf
from mlship.export.converters.gaussian_kernels import covariances, variances
from mlship.export.converters.kernels import note_points
from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

Matrix = NDArray[np.float64]


def _mean(ctx: Context, model: GaussianProcessRegressor, table: Table) -> Expr:
    if not hasattr(model, "X_train_"):
        raise ctx.refusal("GaussianProcessRegressor that is not fitted is not supported")
    note_points(ctx, table, model.X_train_)
    weights: Matrix = np.asarray(model.alpha_, dtype=np.float64).reshape(len(model.X_train_), -1)
    mean = covariances(ctx, model.kernel_, table.numbers(), model.X_train_) @ weights
    scale, shift = np.ravel(model._y_train_std), np.ravel(model._y_train_mean)
    return mean * scale.astype(np.float64) + shift.astype(np.float64)


def _latent(ctx: Context, model: Any, table: Table) -> tuple[Expr, Expr]:
    """Covariances with the training points, and the mean of the hidden function, [rows, 1]."""
    note_points(ctx, table, model.X_train_)
    near = covariances(ctx, model.kernel_, table.numbers(), model.X_train_)
    weights: Matrix = (model.y_train_ - model.pi_).astype(np.float64)
    return near, near @ weights.reshape(-1, 1)


def _binary_class(ctx: Context, model: Any, table: Table) -> Expr:
    return positive(_latent(ctx, model, table)[1])


def _binary_shares(ctx: Context, model: Any, table: Table) -> Expr:
    """C. Williams and D. Barber, Bayesian Classification with Gaussian Processes, appendix A: five error functions."""
    near, mean = _latent(ctx, model, table)
    whiten: Matrix = solve_triangular(model.L_, np.diag(model.W_sr_), lower=True)
    spread = near @ whiten.T.copy()
    variance = variances(ctx, model.kernel_, table.numbers()) - (spread * spread).sum()
    scales, weights = np.ravel(laplace.LAMBDAS), np.ravel(laplace.COEFS)
    alpha = 1.0 / (2.0 * variance)
    waves = erf(mean * scales * (alpha / (alpha + scales**2)).sqrt())
    integrals = (np.pi / alpha).sqrt() * waves / (2.0 * (variance * 2.0 * np.pi).sqrt())
    return two((integrals * weights).sum() + 0.5 * float(laplace.COEFS.sum()))


def _class(ctx: Context, model: GaussianProcessClassifier, table: Table) -> Expr:
    return ctx.answer(model.base_estimator_, "predict", table)


def _shares(ctx: Context, model: GaussianProcessClassifier, table: Table) -> Expr:
    if model.n_classes_ > 2 and model.multi_class == "one_vs_one":
        raise ctx.refusal("GaussianProcessClassifier with multi_class='one_vs_one' gives no probabilities",
                          hint="one_vs_rest does.")  # fmt: skip
    return ctx.answer(model.base_estimator_, "predict_proba", table)


CONVERTERS: Family = {
    GaussianProcessClassifier: Methods(predict=_class, predict_proba=_shares),
    GaussianProcessRegressor: Methods(predict=_mean),
    laplace._BinaryGaussianProcessClassifierLaplace: Methods(predict=_binary_class, predict_proba=_binary_shares),
}
