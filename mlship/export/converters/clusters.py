"""Clusterers that label new rows: the nearest centre by the formula of the original, or a walk down its halves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans, KMeans, MeanShift, MiniBatchKMeans

from mlship.export.converters.kernels import dense, euclidean, note_points
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _apart(rows: Expr, centres: NDArray[np.float64]) -> Expr:
    """-2 x.c + c.c, as sklearn.cluster._k_means_lloyd compares centres: a row's own x.x is left out."""
    norms: NDArray[np.float64] = np.einsum("ij,ij->i", centres, centres)
    return rows @ (-2.0 * centres.T) + norms


def _mean(ctx: Context, model: Any, table: Table) -> Expr:
    centres = dense(model.cluster_centers_)
    note_points(ctx, table, centres)
    return _apart(table.numbers(), centres).argmin()


def _nearest(ctx: Context, table: Table, centres: NDArray[np.float64]) -> Expr:
    """The place of the nearest centre, the first of equally near ones, as pairwise_distances_argmin compares them."""
    note_points(ctx, table, centres)
    rows = table.numbers()
    if table.sparse:
        return euclidean(rows, centres).argmin()
    # of rows far out x.x decides in its last bit which centres tie: one product a row, fused as BLAS has it
    own = (rows.unsqueeze(1) @ rows.unsqueeze(2)).squeeze(2)
    norms: NDArray[np.float64] = np.einsum("ij,ij->i", centres, centres)
    return ((rows @ (-2.0 * centres.T) + own) + norms).maximum(0.0).argmin()


def _centre(ctx: Context, model: Any, table: Table) -> Expr:
    if len(model.cluster_centers_) == 0:  # an AffinityPropagation that found none labels every row -1
        raise ctx.refusal(f"{type(model).__name__} without centres is not supported")
    return _nearest(ctx, table, dense(model.cluster_centers_))


def _birch(ctx: Context, model: Birch, table: Table) -> Expr:
    labels = ctx.constant(np.asarray(model.subcluster_labels_, dtype=np.int64), "int64")
    return labels.rows_of(_nearest(ctx, table, dense(model.subcluster_centers_)))


def _halves(ctx: Context, model: BisectingKMeans, table: Table) -> Expr:
    """The leaf at which a row ends that goes, at each node, to the nearer of its two centres, the left one in a tie.

    All nodes are asked at once. A leaf's turns are 1 for right and -1 for left, and the one leaf reached is that
    whose turns all agree with the row's.
    """
    centres: list[NDArray[np.float64]] = []
    leaves: dict[int, list[tuple[int, float]]] = {}
    waiting: list[tuple[Any, list[tuple[int, float]]]] = [(model._bisecting_tree, [])]
    while waiting:
        node, turns = waiting.pop()
        if node.left is None:
            leaves[int(node.label)] = turns
            continue
        place = len(centres) // 2
        centres += [node.left.center, node.right.center]
        waiting += [(node.left, [*turns, (place, -1.0)]), (node.right, [*turns, (place, 1.0)])]
    if not centres:
        raise ctx.refusal("BisectingKMeans with one cluster is not supported")
    points = dense(np.vstack(centres)) + dense(getattr(model, "_X_mean", 0.0))
    note_points(ctx, table, points)
    apart = _apart(table.numbers(), points)
    every = range(0, len(points), 2)
    right = apart.columns([place + 1 for place in every]) < apart.columns(every)
    signs = right.cast("float64") * 2.0 - 1.0
    wanted = np.zeros((len(every), len(leaves)))
    for label, turns in leaves.items():
        for place, sign in turns:
            wanted[place, label] = sign
    turns_of_leaf: NDArray[np.float64] = np.abs(wanted).sum(axis=0)
    return (signs @ wanted - turns_of_leaf).argmax()


def _distances(ctx: Context, model: Any, table: Table) -> Table:
    centres = dense(model.subcluster_centers_ if isinstance(model, Birch) else model.cluster_centers_)
    note_points(ctx, table, centres)
    return Table.of(euclidean(table.numbers(), centres), len(centres))


CONVERTERS: Family = {
    KMeans: Methods(predict=_mean, transform=_distances),
    MiniBatchKMeans: Methods(predict=_mean, transform=_distances),
    BisectingKMeans: Methods(predict=_halves, transform=_distances),
    Birch: Methods(predict=_birch, transform=_distances),
    MeanShift: Methods(predict=_centre),
    AffinityPropagation: Methods(predict=_centre),
}
