"""The pairwise kernels and distances of sklearn.metrics.pairwise, between rows and points that a model holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, constant, where
from mlship.export.graph.table import Table

Points = NDArray[np.float64]
"""Points [points, columns]."""

_MOST_TYPICAL = 24  # values of one column that the proof rows are drawn around


def dense(values: Any) -> Points:
    """Return an array or a sparse matrix as a dense array of float64."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float64)


def note_points(ctx: Context, table: Table, points: Any) -> None:
    """Note a spread of the values that points have in each column, and of the points some whole."""
    given = dense(points)
    shares = np.linspace(0.0, 1.0, min(_MOST_TYPICAL, len(given)))
    for column in range(min(table.width, given.shape[1])):
        ctx.typical(table, column, np.quantile(given[:, column], shares, method="nearest").tolist())


def pairwise(ctx: Context, x: Expr, points: Any, metric: Any, params: Mapping[str, Any]) -> Expr:
    """Write sklearn.metrics.pairwise.pairwise_kernels with filter_params=True.

    Args:
        ctx: The conversion.
        x: The rows, [rows, columns].
        points: The points, [points, columns], sparse or not.
        metric: Name of the kernel.
        params: Parameters; those that the kernel does not take are passed over, those left out have its defaults.

    Returns:
        The kernel of each row with each point, [rows, points].

    Raises:
        NotConvertible: The metric is none of scikit-learn's kernels, such as a function of the user's.
    """
    if not isinstance(metric, str) or metric not in _KERNELS:
        raise ctx.refusal(f"the kernel {metric!r} is not supported", hint=f"Supported are {', '.join(_KERNELS)}.")
    return _KERNELS[metric](x, dense(points), params)


def squared_distances(x: Expr, points: Points) -> Expr:
    """Write euclidean_distances(squared=True) by the dot trick, in order -2 x.y + x.x + y.y, at least 0."""
    norms: Points = np.einsum("ij,ij->i", points, points)
    return ((-2.0 * (x @ points.T.copy()) + (x * x).sum()) + norms).maximum(0.0)


def euclidean(x: Expr, points: Points) -> Expr:
    """Write euclidean_distances."""
    return squared_distances(x, points).sqrt()


def differences(x: Expr, points: Points) -> Expr:
    """Write scipy's cdist of sqeuclidean, which squares differences column by column; exact near a point."""

    def part(row: Expr, point: Expr) -> Expr:
        apart = row - point
        return apart * apart

    return _by_column(x, points, part)


def manhattan(x: Expr, points: Points) -> Expr:
    """Write manhattan_distances: columns are added one after the other, as scipy's cdist adds them."""
    return _by_column(x, points, lambda row, point: (row - point).abs())


def unit_rows(x: Expr) -> Expr:
    """Write sklearn.preprocessing.normalize: rows by their length; one of nearly no length stays as it is."""
    norms = (x * x).sum().sqrt()
    tiny = 10 * np.finfo(np.float64).eps  # sklearn.preprocessing._data._handle_zeros_in_scale
    return x / where(norms < tiny, 1.0, norms)


def _linear(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return x @ points.T.copy()


def _scaled(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return x @ points.T.copy() * _gamma(points, params) + float(params.get("coef0", 1))


def _polynomial(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return _scaled(x, points, params) ** float(params.get("degree", 3))


def _sigmoid(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return _scaled(x, points, params).op("Tanh")


def _rbf(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return (squared_distances(x, points) * -_gamma(points, params)).exp()


def _laplacian(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return (manhattan(x, points) * -_gamma(points, params)).exp()


def _cosine(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    norms: Points = np.sqrt(np.einsum("ij,ij->i", points, points))
    norms[norms < 10 * np.finfo(np.float64).eps] = 1.0
    return unit_rows(x) @ (points / norms[:, np.newaxis]).T.copy()


def _additive_chi2(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    def part(row: Expr, point: Expr) -> Expr:
        apart, total = row - point, row + point
        empty = total.equals(0.0)
        return where(empty, 0.0, apart * apart / where(empty, 1.0, total))

    return -_by_column(x, points, part)


def _chi2(x: Expr, points: Points, params: Mapping[str, Any]) -> Expr:
    return (_additive_chi2(x, points, params) * float(params.get("gamma", 1.0))).exp()


def _gamma(points: Points, params: Mapping[str, Any]) -> float:
    given = params.get("gamma")
    return 1.0 / points.shape[1] if given is None else float(given)


def _by_column(x: Expr, points: Points, part: Callable[[Expr, Expr], Expr]) -> Expr:
    """The sum over the columns, one after the other, of what `part` makes of [rows, 1] and [1, points].

    A Scan holds but one column's [rows, points] at a time, where a tensor [rows, points, columns] may not fit.
    """
    graph = x.graph
    shape = x.op("Shape", kind="int64", start=0, end=1).op("Concat", [len(points)], axis=0)
    start = constant(graph, [[0.0]]).op("Expand", shape)
    begin = graph.mark()
    total, row, point = (Expr(graph, graph.name(name)) for name in ("total", "row", "point"))
    out = total + part(row.unsqueeze(1), point.unsqueeze(0))
    body = graph.body([(out.name, "float64")], [(item.name, "float64") for item in (total, row, point)], begin)
    inputs = [start.name, x.name, constant(graph, points).name]
    (summed,) = graph.nodes("Scan", inputs, outputs=1, body=body, num_scan_inputs=2, scan_input_axes=[1, 1])
    return Expr(graph, summed)


_KERNELS: dict[str, Callable[[Expr, Points, Mapping[str, Any]], Expr]] = {
    "additive_chi2": _additive_chi2,
    "chi2": _chi2,
    "linear": _linear,
    "poly": _polynomial,
    "polynomial": _polynomial,
    "rbf": _rbf,
    "laplacian": _laplacian,
    "sigmoid": _sigmoid,
    "cosine": _cosine,
}
"""The kernels of sklearn.metrics.pairwise.PAIRWISE_KERNEL_FUNCTIONS."""
