"""KBinsDiscretizer and Binarizer: numbers told apart by exact edges."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import Binarizer, KBinsDiscretizer

from mlship.export.converters.search import Sorted
from mlship.export.graph.context import Context
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _bins(ctx: Context, model: KBinsDiscretizer, table: Table) -> Table:
    """`transform`, sklearn/preprocessing/_discretization.py: how many inner edges a number has reached."""
    edges = [np.asarray(values, dtype=np.float64)[1:-1] for values in model.bin_edges_]
    for column, (outer, inner) in enumerate(zip(model.bin_edges_, edges, strict=True)):
        ctx.jumps(table, column, inner.tolist())
        ctx.typical(table, column, [float(value) for value in outer])
    rows = table.numbers()
    if model.dtype is not None and np.dtype(model.dtype) == np.float32:
        rows = rows.cast("float32").cast("float64")  # it rounds what it is given first
    place = Sorted(ctx, edges).count(rows, below=False)
    if model.encode == "ordinal":
        return Table.of(place.cast("float64"), table.width)
    columns = [(index, bin_) for index, count in enumerate(model.n_bins_) for bin_ in range(int(count))]
    wanted = np.array([[bin_ for _, bin_ in columns]])
    flags = place.columns([index for index, _ in columns]).equals(wanted).cast("float64")
    return Table.of(flags, len(columns), sparse=model.encode == "onehot")


def _binary(ctx: Context, model: Binarizer, table: Table) -> Table:
    for column in range(table.width):
        ctx.jumps(table, column, [float(model.threshold)])
    flags = (table.numbers() > float(model.threshold)).cast("float64")
    return Table.of(flags, table.width, sparse=table.sparse)


CONVERTERS: Family = {
    Binarizer: Methods(transform=_binary),
    KBinsDiscretizer: Methods(transform=_bins),
}
