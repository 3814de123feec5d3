"""Probabilities of classes from those of their pairs, as libsvm couples them."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from mlship.export.graph.expr import Expr, concat, constant, where

_FEWEST_ROUNDS = 100
_NEAR = 0.005


def coupled(first: Expr, classes: int) -> Expr:
    """Write libsvm's `multiclass_probability`, which repeats until each row by itself is near enough.

    The second method of T.-F. Wu, C.-J. Lin and R. Weng, Probability Estimates for Multi-class Classification by
    Pairwise Coupling, JMLR 5, 2004. It runs for two classes too.

    Args:
        first: The probability of the first class of each pair, [rows, pairs].
        classes: How many classes there are.

    Returns:
        [rows, classes].
    """
    graph = first.graph
    matrix = _matrix(first, classes)
    start = first.columns([0]) * 0.0 + np.full((1, classes), 1.0 / classes)
    begin = graph.mark()
    shares = Expr(graph, graph.name("shares"))
    products = (matrix * shares.unsqueeze(1)).sum(2, keepdims=False)
    total = (shares * products).sum()
    waiting = (products - total).abs().max() >= _NEAR / classes
    out = where(waiting, _round(matrix, shares, products, total, classes), shares)
    more = waiting.cast("int64").max(0, keepdims=False).squeeze(0).cast("bool")
    turn, go = graph.name("turn"), graph.name("go")
    body = graph.body(
        [(more.name, "bool"), (out.name, "float64")],
        [(turn, "int64"), (go, "bool"), (shares.name, "float64")],
        begin,
        scalars=(turn, go),
    )
    rounds = constant(graph, max(_FEWEST_ROUNDS, classes), "int64")
    (found,) = graph.nodes("Loop", [rounds.name, "", start.name], outputs=1, body=body)
    return Expr(graph, found)


def _matrix(first: Expr, classes: int) -> Expr:
    """Libsvm's Q, [rows, classes, classes], from r_ij, the probability of i against j."""
    pairs = list(combinations(range(classes), 2))
    known = concat([first, 1.0 - first, first.columns([0]) * 0.0])  # r_ij for i < j, r_ji, and 0 between
    place = np.full((classes, classes), 2 * len(pairs))
    for at, (one, other) in enumerate(pairs):
        place[one, other], place[other, one] = at, at + len(pairs)
    against = known.columns(place.T.ravel().tolist()).reshape(-1, classes, classes)  # [t, j] is r_jt
    squares = (against * against).sum(2)
    return squares * np.eye(classes) - against * against.transpose(0, 2, 1)


def _round(matrix: Expr, shares: Expr, products: Expr, total: Expr, classes: int) -> Expr:
    """One round: each class in turn is moved to where it fits the others, and all are scaled to add up to 1."""
    for turn in range(classes):
        row = matrix.op("Gather", constant(matrix.graph, turn, "int64"), axis=1)
        own, product = row.columns([turn]), products.columns([turn])
        moved = (total - product) / own
        scale = 1.0 + moved
        total = (total + moved * (moved * own + 2.0 * product)) / scale / scale
        products = (products + moved * row) / scale
        mark = np.zeros((1, classes))
        mark[0, turn] = 1.0
        shares = (shares + moved * mark) / scale
    return shares
