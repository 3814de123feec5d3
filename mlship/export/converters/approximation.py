"""Explicit feature maps of kernels, of sklearn.kernel_approximation, in the order of their own arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)

from mlship.export.converters.kernels import dense, note_points, pairwise
from mlship.export.converters.trigonometry import cos, sin
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_PHASE = 1e5
"""Beyond it a double holds fewer than eleven digits of a phase, and a cosine as many."""
_INTERVALS = {1: 0.8, 2: 0.5, 3: 0.4}  # AdditiveChi2Sampler's, by its number of steps


def _waves(model: Any, rows: Expr, scale: float) -> Table:
    """Cosines of random directions."""
    weights = dense(model.random_weights_)
    return Table.of(cos(rows @ weights + dense(model.random_offset_)) * scale, weights.shape[1])


def _rbf(ctx: Context, model: RBFSampler, table: Table) -> Table:
    for column, weights in enumerate(np.abs(dense(model.random_weights_)).max(axis=1).tolist()):
        ctx.blurs(table, column, _PHASE / max(weights, 1.0))
    return _waves(model, table.numbers(), float((2.0 / model.n_components) ** 0.5))


def _skewed(ctx: Context, model: SkewedChi2Sampler, table: Table) -> Table:
    scale = float(np.sqrt(2.0) / np.sqrt(model.n_components))
    return _waves(model, (table.numbers() + float(model.skewedness)).log(), scale)


def _additive(ctx: Context, model: AdditiveChi2Sampler, table: Table) -> Table:
    """The steps of AdditiveChi2Sampler._transform_dense: zeros stay zeros, all else becomes a wave of its logarithm."""
    interval = float(_INTERVALS[model.sample_steps] if model.sample_interval is None else model.sample_interval)
    value = table.numbers()
    empty = value.equals(0.0)
    present = where(empty, 1.0, value)
    logarithm, step = present.log() * interval, present * 2.0 * interval
    parts = [(present * interval).sqrt()]
    for number in range(1, model.sample_steps):
        factor = (step / float(np.cosh(np.pi * number * interval))).sqrt()
        angle = logarithm * float(number)
        parts += [factor * cos(angle), factor * sin(angle)]
    found = concat([where(empty, 0.0, part) for part in parts])
    return Table.of(found, table.width * len(parts), sparse=table.sparse)


def _nystroem(ctx: Context, model: Nystroem, table: Table) -> Table:
    params = dict(model.kernel_params or {})
    for name in ("gamma", "coef0", "degree"):
        if getattr(model, name) is not None:
            params[name] = getattr(model, name)
    note_points(ctx, table, model.components_)
    kernel = pairwise(ctx, table.numbers(), model.components_, model.kernel, params)
    weights = dense(model.normalization_).T.copy()
    return Table.of(kernel @ weights, weights.shape[1])


def _sketch(ctx: Context, model: PolynomialCountSketch, table: Table) -> Table:
    """Count sketches, one a degree, convolved: their Fourier transforms are multiplied, and the product is turned back.

    Of the spectrum of real numbers one half tells all; each of the other half's numbers is the conjugate of one here.
    """
    size = int(model.n_components)
    scaled = table.numbers() * float(np.sqrt(model.gamma))
    real, imaginary = _transformed(model, scaled, table.width, 0)
    for degree in range(1, int(model.degree)):
        other, turned = _transformed(model, scaled, table.width, degree)
        real, imaginary = real * other - imaginary * turned, real * turned + imaginary * other
    angles = _angles(size)
    twice = np.full((len(angles), 1), 2.0)
    twice[0] = 1.0
    if size % 2 == 0:
        twice[-1] = 1.0
    back = real @ (twice * np.cos(angles) / size) - imaginary @ (twice * np.sin(angles) / size)
    return Table.of(back, size)


def _transformed(model: PolynomialCountSketch, scaled: Expr, width: int, degree: int) -> tuple[Expr, Expr]:
    """The Fourier transform of one degree's count sketch, real and imaginary; one matrix hashes and transforms."""
    signs = model.bitHash_[degree].astype(np.float64)[:, np.newaxis]
    angles = _angles(int(model.n_components)).T[model.indexHash_[degree]]
    parts = []
    for turned in (signs * np.cos(angles), -signs * np.sin(angles)):
        part = scaled @ turned[:width].copy()
        parts.append(part + float(np.sqrt(model.coef0)) * turned[width] if model.coef0 != 0 else part)
    return parts[0], parts[1]


def _angles(size: int) -> NDArray[np.float64]:
    """2 pi k n / size of half the spectrum, [half, size]; k n is cut down to one turn first, while it is exact."""
    turns = np.outer(np.arange(size // 2 + 1), np.arange(size)) % size
    return np.asarray(2.0 * np.pi * turns / size, dtype=np.float64)


CONVERTERS: Family = {
    AdditiveChi2Sampler: Methods(transform=_additive),
    Nystroem: Methods(transform=_nystroem),
    PolynomialCountSketch: Methods(transform=_sketch),
    RBFSampler: Methods(transform=_rbf),
    SkewedChi2Sampler: Methods(transform=_skewed),
}
