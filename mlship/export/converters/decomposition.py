"""Transformers that multiply the rows by a matrix: decompositions, projections, restricted Boltzmann machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import (
    PCA,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    MiniBatchSparsePCA,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import BernoulliRBM
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from mlship.export.converters.kernels import dense
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods, Transform
from mlship.export.graph.table import Table

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean


def _note(ctx: Context, model: Any, table: Table) -> None:
    """Note the means, and what lies around them where the model knows how far its columns spread."""
    mean = getattr(model, "mean_", None)
    if mean is None:
        return
    spread = np.sqrt(_variances(model))
    for column, (middle, scale) in enumerate(zip(np.ravel(mean).tolist(), spread.tolist(), strict=True)):
        ctx.typical(table, column, [middle + scale * times for times in _SPREAD])


def _variances(model: Any) -> NDArray[np.float64]:
    """The variance of each column as the model explains it; 1 where it does not tell."""
    components = dense(model.components_)
    if isinstance(model, PCA | IncrementalPCA):
        found: NDArray[np.float64] = model.explained_variance_ @ components**2 + float(model.noise_variance_)
        return found
    if isinstance(model, FactorAnalysis):
        return np.asarray((components**2).sum(axis=0) + model.noise_variance_, dtype=np.float64)
    if isinstance(model, FastICA):  # sources of variance 1, or of 1 / rows, are mixed by the pseudo-inverse
        return np.asarray((dense(model.mixing_) ** 2).sum(axis=1), dtype=np.float64)
    return np.ones(components.shape[1])


def _matrix(values: Any) -> NDArray[np.float64]:
    """Components [components, columns] as what rows are multiplied by."""
    return dense(values).T.copy()


def _pca(ctx: Context, model: Any, rows: Expr) -> Expr:
    shift = np.reshape(model.mean_, (1, -1)) @ model.components_.T  # after the product, as PCA has it since 1.5
    value = rows @ _matrix(model.components_) - dense(shift)
    if not model.whiten:
        return value
    scale = np.sqrt(model.explained_variance_)
    return value / dense(np.maximum(scale, np.finfo(scale.dtype).eps))


def _sparse_pca(ctx: Context, model: Any, rows: Expr) -> Expr:
    """Ridge regression on the components by the Cholesky solver of sklearn.linear_model._ridge.

    Its matrix is the same for all rows, so that its inverse is written.
    """
    if model.components_.dtype != np.float64:  # it rounds the rows to single precision, and solves in it
        raise ctx.refusal(f"{type(model).__name__} fitted on numbers of {model.components_.dtype} is not supported")
    components = dense(model.components_)
    few, many = components.shape
    gram = components.T @ components if few > many else components @ components.T
    gram.flat[:: len(gram) + 1] += float(model.ridge_alpha)
    try:
        np.linalg.cholesky(gram)
        inverse = dense(np.linalg.inv(gram))
    except np.linalg.LinAlgError as error:
        raise ctx.refusal(f"{type(model).__name__} with components that depend on each other") from error
    centred = rows - dense(model.mean_)
    if few > many:
        return centred @ inverse @ components.T.copy()
    return centred @ components.T.copy() @ inverse


def _factors(ctx: Context, model: FactorAnalysis, rows: Expr) -> Expr:
    weights = model.components_ / model.noise_variance_
    inverse = np.linalg.inv(np.eye(len(model.components_)) + np.dot(weights, model.components_.T))
    return (rows - dense(model.mean_)) @ _matrix(weights) @ dense(inverse)


def _ica(ctx: Context, model: FastICA, rows: Expr) -> Expr:
    centred = rows - dense(model.mean_) if model.whiten else rows
    return centred @ _matrix(model.components_)


def _product(ctx: Context, model: Any, rows: Expr) -> Expr:
    return rows @ _matrix(model.components_)


def _hidden(ctx: Context, model: BernoulliRBM, rows: Expr) -> Expr:
    return (rows @ _matrix(model.components_) + dense(model.intercept_hidden_)).sigmoid()


def _written(of: Callable[[Context, Any, Expr], Expr]) -> Methods:
    """The methods of a transformer whose every row is one expression, as wide as its components are many."""

    def write(ctx: Context, model: Any, table: Table) -> Table:
        _note(ctx, model, table)
        sparse = table.sparse and isinstance(model, SparseRandomProjection) and not model.dense_output
        return Table.of(of(ctx, model, table.numbers()), len(dense(model.components_)), sparse=sparse)

    transform: Transform = write
    return Methods(transform=transform)


CONVERTERS: Family = {
    PCA: _written(_pca),
    IncrementalPCA: _written(_pca),
    TruncatedSVD: _written(_product),
    SparsePCA: _written(_sparse_pca),
    MiniBatchSparsePCA: _written(_sparse_pca),
    FactorAnalysis: _written(_factors),
    FastICA: _written(_ica),
    NeighborhoodComponentsAnalysis: _written(_product),
    GaussianRandomProjection: _written(_product),
    SparseRandomProjection: _written(_product),
    BernoulliRBM: _written(_hidden),
}
