"""FeatureAgglomeration: columns that were found alike are pooled into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.cluster import FeatureAgglomeration

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _median(cube: Expr, size: int) -> Expr:
    """The median along the last axis: the middle number, or the mean of the two in the middle."""
    graph = cube.graph
    inputs = [cube.name, graph.constant(np.array([size], dtype=np.int64))]
    ordered = Expr(graph, graph.nodes("TopK", inputs, outputs=2, axis=2, largest=0)[0])
    low, high = (size - 1) // 2, size // 2
    middle = ordered.op("Gather", Expr(graph, graph.constant(np.array([low, high], dtype=np.int64)), "int64"), axis=2)
    return middle.mean(2, keepdims=False)


_POOLS: dict[Any, Callable[[Expr, int], Expr]] = {
    np.mean: lambda groups, _: groups.mean(2, keepdims=False),
    np.sum: lambda groups, _: groups.sum(2, keepdims=False),
    np.max: lambda groups, _: groups.max(2, keepdims=False),
    np.min: lambda groups, _: groups.min(2, keepdims=False),
    np.median: _median,
}
"""numpy's functions by how they pool [rows, groups, columns] to [rows, groups]."""


def _transform(ctx: Context, model: FeatureAgglomeration, table: Table) -> Table:
    pool = _POOLS.get(model.pooling_func)
    if pool is None:
        name = getattr(model.pooling_func, "__name__", "a function")
        raise ctx.refusal(
            f"FeatureAgglomeration with pooling_func={name} is not supported",
            hint="numpy.mean, numpy.sum, numpy.max, numpy.min and numpy.median are supported.",
        )
    labels = np.asarray(model.labels_)
    value, parts, order = table.numbers(), [], []
    sizes = np.bincount(labels)
    for size in np.unique(sizes[sizes > 0]).tolist():  # groups of one size at once: no more nodes than sizes
        groups = np.flatnonzero(sizes == size).tolist()
        places = [place for group in groups for place in np.flatnonzero(labels == group).tolist()]
        cube = value.columns(places).reshape(0, len(groups), size)
        parts.append(pool(cube, size))
        order += groups
    whole = concat(parts)
    return Table.of(whole.columns(np.argsort(order).tolist()), len(order))


CONVERTERS: Family = {FeatureAgglomeration: Methods(transform=_transform)}
