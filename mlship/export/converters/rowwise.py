"""Normalizer and KernelCenterer: each row by what it sums to."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import KernelCenterer, Normalizer

from mlship.export.graph.context import Context
from mlship.export.graph.expr import where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_NEXT_TO_ZERO = 10 * np.finfo(np.float64).eps
"""A dense row that is shorter stays as it is: `_handle_zeros_in_scale`, sklearn/preprocessing/_data.py."""


def _normalized(ctx: Context, model: Normalizer, table: Table) -> Table:
    """`normalize`, sklearn/preprocessing/_data.py; for sparse rows sklearn/utils/sparsefuncs_fast.pyx."""
    rows = table.numbers()
    if model.norm == "l1":
        length = rows.abs().sum()
    elif model.norm == "l2":
        length = (rows * rows).sum().sqrt()
    else:
        length = rows.abs().max()
    short = length.equals(0.0) if table.sparse else length < _NEXT_TO_ZERO
    return Table.of(rows / where(short, 1.0, length), table.width, sparse=table.sparse)


def _centred(ctx: Context, model: KernelCenterer, table: Table) -> Table:
    """`transform`, sklearn/preprocessing/_data.py."""
    rows = table.numbers()
    fitted = np.asarray(model.K_fit_rows_, dtype=np.float64)
    of_row = rows.sum() / float(len(fitted))
    return Table.of(rows - fitted - of_row + float(model.K_fit_all_), table.width)


CONVERTERS: Family = {
    KernelCenterer: Methods(transform=_centred),
    Normalizer: Methods(transform=_normalized),
}
