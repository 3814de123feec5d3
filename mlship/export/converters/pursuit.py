"""Orthogonal matching pursuit: a row takes one atom after another, each time the one that fits best what is left."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.export.converters.kernels import dense
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where

_MOST_ATOMS = 32  # of one row, each a step of the graph that meets all before it
_EPS = float(np.finfo(np.float64).eps)
_TIE = 1e-9  # share of the best fit by which the next may fall short of it before rounding can tell them apart
_TRIED = 2000  # rows on which ties are sought
_CELLS = 20_000_000  # of them and what is kept of them
_SEED = 20261122  # any fixed number: the same atoms are judged the same


def pursuit(ctx: Context, model: Any, rows: Expr, atoms: NDArray[Any]) -> Expr:
    """sklearn.linear_model._omp._gram_omp, all rows at once: at each step a row takes the atom that fits best.

    Of atoms that fit equally well it takes the one that stands first, after the original's swaps. The factor of
    Cholesky that it grows is kept as the residual products of every atom with those taken, `basis`.
    """
    count = model.transform_n_nonzero_coefs
    steps = int(min(max(atoms.shape[1] / 10, 1), len(atoms)) if count is None else count)
    if steps > _MOST_ATOMS:
        raise ctx.refusal(f"{type(model).__name__} with more than {_MOST_ATOMS} atoms a row is not supported")
    every, products = dense(atoms), dense(np.dot(atoms, atoms.T))
    if _ties(every, steps):
        raise ctx.refusal(
            f"{type(model).__name__} with atoms that fit some rows equally well, of which rounding takes one, is not "
            "supported",
            hint="Atoms that are learned seldom tie; transform_algorithm='threshold' takes none before another.",
        )
    gram, diagonal = ctx.constant(products), ctx.constant(np.diag(products).copy())
    match = rows @ every.T.copy()
    names = ctx.constant(np.arange(len(atoms))[np.newaxis], "int64")
    rest, going = match, None
    place = (
        match.isnan().cast("int64") * 0 + names
    )  # of each atom in the original's order, in which it swaps those taken
    flags: list[Expr] = []
    bases: list[Expr] = []
    goals: list[Expr] = []
    factors: list[tuple[Expr, list[Expr]]] = []
    for step in range(steps):
        size = rest.abs()
        best = where(size.equals(size.max()), -place, -len(atoms)).argmax()  # the first of those that fit equally well
        flag, first = names.equals(best), _at(place, best)
        fit = _at(rest, best)
        open_ = (fit * fit >= _EPS) & (first > step - 1)  # else it was taken before
        lower = [_at(basis, best) for basis in bases]
        left = diagonal.rows_of(best)
        for part in lower:
            left = left - part * part
        open_ = open_ if going is None else going & open_ & (left > _EPS)
        side = where(open_, left, 1.0).sqrt()
        basis, goal = gram.rows_of(best.squeeze(1)), _at(match, best)
        for part, other, reached in zip(lower, bases, goals, strict=True):
            basis, goal = basis - part * other, goal - part * reached
        basis, goal = where(open_, basis / side, 0.0), where(open_, goal / side, 0.0)
        rest = rest - basis * goal
        going, place = open_, where(flag, step, where(place.equals(step), first, place))
        flags.append(where(open_, flag.cast("float64"), 0.0))
        bases.append(basis)
        goals.append(goal)
        factors.append((side, lower))
    return _solved(flags, goals, factors)


def _ties(atoms: NDArray[np.float64], steps: int) -> bool:
    """Tell whether rounding decides which atom is taken of two that fit some rows equally well.

    The same atom twice ties on every row, and atoms that a formula gave, such as cosines, tie on rows of whole numbers,
    which are no rarity; the order in which a processor adds up products then decides. Learned atoms do not. Where each
    atom is one column there is nothing to add up, and ties are decided by the order of the atoms.
    """
    products = atoms @ atoms.T
    if (np.count_nonzero(atoms, axis=1) <= 1).all() and (
        steps == 1 or not np.count_nonzero(products - np.diag(np.diag(products)))
    ):
        return False
    source = np.random.default_rng(_SEED)
    count = max(min(_TRIED, _CELLS // (len(atoms) * (steps + 1))), 64)
    rows = source.integers(-4, 5, (count, atoms.shape[1])).astype(np.float64)
    rows[: count // 2] *= source.random((count // 2, atoms.shape[1])) < 0.3
    rows[::5] += source.normal(size=rows[::5].shape)
    every = np.arange(count)
    match = rows @ atoms.T
    rest, bases, going = match.copy(), np.zeros((steps, *match.shape)), np.ones(count, dtype=np.bool_)
    for step in range(steps):
        size = np.abs(rest)
        best = size.argmax(axis=1)
        lower = bases[:step, every, best]
        left = products[best, best] - (lower * lower).sum(axis=0)
        going &= (size[every, best] ** 2 >= _EPS) & (left > np.sqrt(_EPS) * products[best, best])
        most = size[every, best]
        size[every, best] = -np.inf
        if (going & (size.max(axis=1, initial=0.0) >= most * (1.0 - _TIE))).any():
            return True
        side = np.sqrt(np.where(going, left, 1.0))[:, np.newaxis]
        basis = (products[best] - np.einsum("sr,sra->ra", lower, bases[:step])) / side * going[:, np.newaxis]
        rest -= basis * (rest[every, best, np.newaxis] / side)
        bases[step] = basis
    return False


def _at(value: Expr, places: Expr) -> Expr:
    """The element of each row at its place, [rows, 1]."""
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
