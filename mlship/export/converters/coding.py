"""Sparse coding over a dictionary: by a threshold, and by orthogonal matching pursuit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import DictionaryLearning, MiniBatchDictionaryLearning, SparseCoder

from mlship.export.converters.kernels import dense
from mlship.export.converters.pursuit import pursuit
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    atoms = np.asarray(model.dictionary if isinstance(model, SparseCoder) else model.components_)
    algorithm = model.transform_algorithm
    if algorithm == "threshold":
        code = _threshold(model, table.numbers(), dense(atoms))
    elif algorithm == "omp":
        code = pursuit(ctx, model, table.numbers(), atoms)
    else:
        raise ctx.refusal(
            f"{type(model).__name__} with transform_algorithm={algorithm!r} is not supported",
            hint="transform_algorithm='omp' and 'threshold' are supported.",
        )
    width = len(atoms)
    if model.split_sign:
        code, width = concat([code.maximum(0.0), -code.minimum(0.0)]), 2 * width
    return Table.of(code, width)


def _threshold(model: Any, rows: Expr, atoms: NDArray[np.float64]) -> Expr:
    alpha = model.transform_alpha
    if alpha is None:
        alpha = getattr(model, "alpha", None)
    match = rows @ atoms.T.copy()
    code = match.op("Sign") * (match.abs() - (1.0 if alpha is None else float(alpha))).maximum(0.0)
    return code.maximum(0.0) if model.positive_code else code


CONVERTERS: Family = {
    DictionaryLearning: Methods(transform=_transform),
    MiniBatchDictionaryLearning: Methods(transform=_transform),
    SparseCoder: Methods(transform=_transform),
}
