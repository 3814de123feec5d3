"""The kernels of sklearn.gaussian_process.kernels between rows and the points of a fitted process."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import kernels

from mlship.export.converters.kernels import Points, dense, differences, pairwise
from mlship.export.converters.trigonometry import sin
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr


def covariances(ctx: Context, kernel: Any, x: Expr, points: Any) -> Expr:
    """Write `kernel(X, points)`, [rows, points].

    Raises:
        NotConvertible: The kernel is of another class, or of parameters that have no closed form.
    """
    given: Points = dense(points)
    if isinstance(kernel, kernels.Exponentiation):
        return covariances(ctx, kernel.kernel, x, given) ** float(kernel.exponent)
    if type(kernel) in (kernels.Sum, kernels.Product):
        one, other = (covariances(ctx, part, x, given) for part in (kernel.k1, kernel.k2))
        return one + other if type(kernel) is kernels.Sum else one * other
    if type(kernel) is kernels.PairwiseKernel:
        params = {"gamma": kernel.gamma, **(kernel.pairwise_kernels_kwargs or {})}
        return pairwise(ctx, x, given, kernel.metric, params)
    if type(kernel) not in _KERNELS:
        raise ctx.refusal(f"the kernel {type(kernel).__name__} is not supported")
    return _KERNELS[type(kernel)](ctx, kernel, x, given)


def variances(ctx: Context, kernel: Any, x: Expr) -> Expr:
    """Write `kernel.diag(X)`, [rows, 1]."""
    kind = type(kernel)
    if kind is kernels.Exponentiation:
        return variances(ctx, kernel.kernel, x) ** float(kernel.exponent)
    if kind in (kernels.Sum, kernels.Product):
        one, other = (variances(ctx, part, x) for part in (kernel.k1, kernel.k2))
        return one + other if kind is kernels.Sum else one * other
    if kind is kernels.DotProduct:
        return (x * x).sum() + float(kernel.sigma_0) ** 2
    if kind is kernels.ConstantKernel:
        return _filled(x, 1, float(kernel.constant_value))
    if kind is kernels.WhiteKernel:
        return _filled(x, 1, float(kernel.noise_level))
    if kind not in _KERNELS:
        raise ctx.refusal(f"the variance of the kernel {kind.__name__} is not supported")
    return _filled(x, 1, 1.0)


def _filled(x: Expr, width: int, value: float) -> Expr:
    """A constant for each row, [rows, width]."""
    shape = x.op("Shape", kind="int64", start=0, end=1).op("Concat", [width], axis=0)
    return x.like([[value]]).op("Expand", shape)


def _constant(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    return _filled(x, len(points), float(kernel.constant_value))


def _white(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    return _filled(x, len(points), 0.0)


def _scaled(kernel: Any, x: Expr, points: Points) -> Expr:
    """Squared distances in units of the length scale, of which there may be one for each column."""
    scale: NDArray[np.float64] = np.asarray(kernel.length_scale, dtype=np.float64)
    return differences(x / scale, points / scale)


def _rbf(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    return (-0.5 * _scaled(kernel, x, points)).exp()


def _matern(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    apart = _scaled(kernel, x, points).sqrt()
    nu = float(kernel.nu)
    if nu == 0.5:
        return (-apart).exp()
    if nu == 1.5:
        far = apart * math.sqrt(3)
        return (1.0 + far) * (-far).exp()
    if nu == 2.5:
        far = apart * math.sqrt(5)
        return (1.0 + far + far * far / 3.0) * (-far).exp()
    if nu == math.inf:
        return (-(apart * apart) / 2.0).exp()
    raise ctx.refusal(
        f"the kernel Matern with nu={nu} is not supported", hint="nu of 0.5, 1.5, 2.5 and infinity is supported."
    )


def _rational(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    share = differences(x, points) / (2 * float(kernel.alpha) * float(kernel.length_scale) ** 2)
    return (1.0 + share) ** -float(kernel.alpha)


def _periodic(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    wave = sin(math.pi / float(kernel.periodicity) * differences(x, points).sqrt()) / float(kernel.length_scale)
    return (-2.0 * (wave * wave)).exp()


def _dot(ctx: Context, kernel: Any, x: Expr, points: Points) -> Expr:
    return x @ points.T.copy() + float(kernel.sigma_0) ** 2


_KERNELS: dict[type, Callable[[Context, Any, Expr, Points], Expr]] = {
    kernels.ConstantKernel: _constant,
    kernels.DotProduct: _dot,
    kernels.ExpSineSquared: _periodic,
    kernels.Matern: _matern,
    kernels.RationalQuadratic: _rational,
    kernels.RBF: _rbf,
    kernels.WhiteKernel: _white,
}
