"""Sparse coding over a dictionary: by a threshold, and by orthogonal matching pursuit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import DictionaryLearning, MiniBatchDictionaryLearning, SparseCoder

from mlship.export.converters.kernels import dense
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_MOST_ATOMS = 32  # of one row, each a step of the graph that meets all before it
_EPS = float(np.finfo(np.float64).eps)


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    atoms = np.asarray(model.dictionary if isinstance(model, SparseCoder) else model.components_)
    algorithm = model.transform_algorithm
    if algorithm == "threshold":
        code = _threshold(model, table.numbers(), dense(atoms))
    elif algorithm == "omp":
        code = _pursuit(ctx, model, table.numbers(), atoms)
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


def _pursuit(ctx: Context, model: Any, rows: Expr, atoms: NDArray[Any]) -> Expr:
    """sklearn.linear_model._omp._gram_omp, all rows at once: at each step a row takes the atom that fits best.

    The factor of Cholesky that it grows is kept as the residual products of every atom with those taken, `basis`.
    """
    count = model.transform_n_nonzero_coefs
    steps = int(min(max(atoms.shape[1] / 10, 1), len(atoms)) if count is None else count)
    if steps > _MOST_ATOMS:
        raise ctx.refusal(f"{type(model).__name__} with more than {_MOST_ATOMS} atoms a row is not supported")
    gram = ctx.constant(dense(np.dot(atoms, atoms.T)))
    diagonal = ctx.constant(dense(np.diag(np.dot(atoms, atoms.T))))
    match = rows @ dense(atoms).T.copy()
    every = ctx.constant(np.arange(len(atoms))[np.newaxis], "int64")
    rest, going, taken = match, None, None
    flags: list[Expr] = []
    bases: list[Expr] = []
    goals: list[Expr] = []
    factors: list[tuple[Expr, list[Expr]]] = []
    for _ in range(steps):
        best = rest.abs().argmax()
        flag = every.equals(best)
        fit = _at(rest, best)
        open_ = fit * fit >= _EPS
        lower = [_at(basis, best) for basis in bases]
        left = diagonal.rows_of(best)
        for part in lower:
            left = left - part * part
        if going is not None and taken is not None:
            open_ = going & open_ & (left > _EPS) & ~_at(taken, best)
        side = where(open_, left, 1.0).sqrt()
        basis, goal = gram.rows_of(best.squeeze(1)), _at(match, best)
        for part, other, reached in zip(lower, bases, goals, strict=True):
            basis, goal = basis - part * other, goal - part * reached
        basis, goal = where(open_, basis / side, 0.0), where(open_, goal / side, 0.0)
        rest = rest - basis * goal
        going, taken = open_, flag if taken is None else taken | flag
        flags.append(where(open_, flag.cast("float64"), 0.0))
        bases.append(basis)
        goals.append(goal)
        factors.append((side, lower))
    return _solved(flags, goals, factors)


def _at(value: Expr, places: Expr) -> Expr:
    """The element of each row at its place, [rows, 1]."""
    if value.kind == "bool":
        return value.cast("int64").op("GatherElements", places, axis=1).equals(1)
    return value.op("GatherElements", places, axis=1)


def _solved(flags: list[Expr], goals: list[Expr], factors: list[tuple[Expr, list[Expr]]]) -> Expr:
    """The weights of the atoms taken, by substitution from the last to the first, in the places of their atoms."""
    weights: list[Expr] = []
    code: Expr | None = None
    for step in range(len(goals) - 1, -1, -1):
        weight = goals[step]
        for later, found in zip(range(len(goals) - 1, step, -1), weights, strict=True):
            weight = weight - factors[later][1][step] * found
        weight = weight / factors[step][0]
        weights.append(weight)
        part = flags[step] * weight
        code = part if code is None else code + part
    assert code is not None  # there is one step at least
    return code


CONVERTERS: Family = {
    DictionaryLearning: Methods(transform=_transform),
    MiniBatchDictionaryLearning: Methods(transform=_transform),
    SparseCoder: Methods(transform=_transform),
}
