"""LatentDirichletAllocation.transform: each row's mixture of topics, found by iteration until it moves little.

The loop is sklearn.decomposition._lda._update_doc_distribution, all rows at once; a row that has come to rest is left
as it is. The original stops by each row's own change too, so that no row depends on another.
"""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import LatentDirichletAllocation

from mlship.export.converters.kernels import dense
from mlship.export.converters.loops import looped
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_EULER = 0.577215664901532860606512090082402431
_EPS = float(np.finfo(np.float64).eps)


def _psi(x: Expr) -> Expr:
    """The digamma function as sklearn.decomposition._online_lda_fast computes it (Bernardo 1976, AS 103).

    Its up to six steps below 6 are taken at once, along one more axis: nodes are what a turn of the loop costs.
    """
    steps = x.unsqueeze(2) + np.arange(6.0)
    small = steps < 6.0
    below = where(small, 1.0 / steps, 0.0).sum(2, keepdims=False)
    large = x + small.cast("float64").sum(2, keepdims=False)
    inverse = 1.0 / large
    square = inverse * inverse
    series = square * ((1.0 / 12.0) - square * ((1.0 / 120.0) - square * (1.0 / 252.0)))
    return where(x <= 1e-6, -_EULER - 1.0 / x, ((large.log() - 0.5 * inverse) - below) - series)


def _expected(mixture: Expr, topics: int) -> Expr:
    """The exponential of the expected logarithm of each topic's share."""
    found = _psi(concat([mixture, mixture.sum()]))
    return (found.columns(range(topics)) - found.columns([topics])).exp()


def _transform(ctx: Context, model: LatentDirichletAllocation, table: Table) -> Table:
    if model.components_.dtype != np.float64:  # it rounds the counts to single precision
        raise ctx.refusal(f"LatentDirichletAllocation fitted on {model.components_.dtype} is not supported")
    topics = len(model.components_)
    for column in range(table.width):
        ctx.typical(table, column, [0.0, 1.0, 2.0, 5.0])
    counts = table.numbers()
    ones = (counts.columns([0]) * 0.0 + 1.0) * np.ones((1, topics))
    words = dense(model.exp_dirichlet_component_)
    prior, most_change = float(model.doc_topic_prior_), float(model.mean_change_tol)

    def step(mixture: Expr, weights: Expr) -> tuple[list[Expr], Expr]:
        norms = weights @ words + _EPS
        found = weights * ((counts / norms) @ words.T.copy()) + prior
        change = (mixture - found).abs().sum() / float(topics)
        return [found, _expected(found, topics)], change < most_change

    mixture, _ = looped([(ones, topics), (_expected(ones, topics), topics)], int(model.max_doc_update_iter), step)
    return Table.of(mixture / mixture.sum(), topics)


CONVERTERS: Family = {LatentDirichletAllocation: Methods(transform=_transform)}
