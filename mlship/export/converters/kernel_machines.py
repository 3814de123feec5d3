"""Models that weigh kernels with their training points: ridge regression, components, and labels that spread."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process.kernels import Kernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from mlship.export.converters.gaussian_kernels import covariances
from mlship.export.converters.kernels import dense, note_points, pairwise
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

Matrix = NDArray[np.float64]


def _kernel(ctx: Context, model: Any, table: Table, gamma: float | None) -> Expr:
    """`_get_kernel` of the rows with the training points, [rows, points]."""
    note_points(ctx, table, model.X_fit_)
    rows, kernel = table.numbers(), model.kernel
    if isinstance(kernel, Kernel):
        return covariances(ctx, kernel, rows, model.X_fit_)
    if not isinstance(kernel, str):
        raise ctx.refusal(f"{type(model).__name__} with a callable kernel is not supported")
    return pairwise(ctx, rows, model.X_fit_, kernel, {"gamma": gamma, "degree": model.degree, "coef0": model.coef0})


def _ridge(ctx: Context, model: KernelRidge, table: Table) -> Expr:
    weights: Matrix = np.asarray(model.dual_coef_, dtype=np.float64)
    return _kernel(ctx, model, table, model.gamma) @ weights.reshape(len(weights), -1)


def _components(ctx: Context, model: KernelPCA, table: Table) -> Table:
    """Kernels, centred as KernelCenterer centres them, times the eigenvectors."""
    near = _kernel(ctx, model, table, getattr(model, "gamma_", model.gamma))
    points: Matrix = np.asarray(model._centerer.K_fit_rows_, dtype=np.float64)
    mean = near.sum() / float(len(points))
    centred = near - points - mean + float(model._centerer.K_fit_all_)
    vectors: Matrix = np.zeros(model.eigenvectors_.shape)
    used = np.flatnonzero(model.eigenvalues_)
    vectors[:, used] = model.eigenvectors_[:, used] / np.sqrt(model.eigenvalues_[used])
    return Table.of(centred @ vectors, vectors.shape[1])


def _spread(ctx: Context, model: Any, table: Table) -> Expr:
    if model.kernel != "rbf":
        raise ctx.refusal(f"{type(model).__name__} with the kernel {model.kernel!r} is not supported",
                          hint="The kernel 'rbf' is.")  # fmt: skip
    points = dense(model.X_)
    note_points(ctx, table, points)
    rows = table.numbers()
    squares: Matrix = np.einsum("ij,ij->i", points, points)
    # rbf_kernel(points, rows): the points' squares come before the rows'
    apart = ((-2.0 * (rows @ points.T.copy()) + squares) + (rows * rows).sum()).maximum(0.0)
    near = (apart * -float(model.gamma)).exp() @ np.asarray(model.label_distributions_, dtype=np.float64)
    return near / near.sum()


def _label(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "predict_proba", table).argmax()


_LABELS = Methods(predict=_label, predict_proba=_spread)

CONVERTERS: Family = {
    KernelPCA: Methods(transform=_components),
    KernelRidge: Methods(predict=_ridge),
    LabelPropagation: _LABELS,
    LabelSpreading: _LABELS,
}
