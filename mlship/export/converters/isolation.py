"""IsolationForest, exact in double precision: path lengths are added up, and their sum becomes a score.

Source: sklearn.ensemble._iforest._parallel_compute_tree_depths and IsolationForest._compute_score_samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length

from mlship.export.converters.grown import Grove
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _depths(ctx: Context, model: IsolationForest, table: Table) -> Expr:
    """The sum of the path lengths, [rows, 1]."""
    grove = Grove(ctx, table, 1)
    some = model._max_features != model.n_features_in_
    for place, (member, columns) in enumerate(zip(model.estimators_, model.estimators_features_, strict=True)):
        lengths = model._decision_path_lengths[place] + model._average_path_length_per_tree[place] - 1.0
        grove.add(member.tree_, lengths.reshape(-1, 1), columns=columns if some else None)
    return grove.sums()


def _deepest(model: IsolationForest) -> float:
    """What the sum of path lengths is divided by; 0 for trees of a single row."""
    return float(len(model.estimators_) * _average_path_length([model._max_samples])[0])


def _scores(ctx: Context, model: IsolationForest, table: Table) -> Expr:
    depths = _depths(ctx, model, table)
    most = _deepest(model)
    # for a single training row the quotient is set to 1
    share = depths / most if most else depths * 0.0 + 1.0
    return -ctx.constant(2.0).op("Pow", -share)


def _decision(ctx: Context, model: IsolationForest, table: Table) -> Expr:
    return ctx.answer(model, "score_samples", table) - float(model.offset_)


def _label(ctx: Context, model: IsolationForest, table: Table) -> Expr:
    """1 where the sum of path lengths is long enough, which numpy's own power decides and not the graph's."""
    if not _deepest(model):
        return where(_decision(ctx, model, table) < 0.0, ctx.constant(-1, "int64"), ctx.constant(1, "int64"))
    inside = _depths(ctx, model, table) >= _shortest_inside(model)
    return inside.cast("int64") * 2 - 1


def _shortest_inside(model: IsolationForest) -> float:
    """The smallest sum of path lengths that is no outlier; infinite where there is none.

    The decision grows with the sum, and floats of one sign are ordered as the integers of the same bits are.
    """
    low, high = _bits(0.0), _bits(np.inf)
    if _decides(model, _float(low)) >= 0:
        return -np.inf
    while high - low > 1:
        middle = (low + high) // 2
        if _decides(model, _float(middle)) >= 0:
            high = middle
        else:
            low = middle
    return _float(high)


def _decides(model: IsolationForest, depth: float) -> float:
    """The original's decision for a sum of path lengths, in its own arithmetic."""
    depths: NDArray[np.float64] = np.full(8, depth)  # several, so that numpy takes the way that it takes for rows
    scores = 2 ** (-np.divide(depths, _deepest(model)))
    return float((-scores - model.offset_)[0])


def _bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def _float(bits: int) -> float:
    return float(np.int64(bits).view(np.float64))


CONVERTERS: Family = {
    IsolationForest: Methods(predict=_label, decision_function=_decision, score_samples=_scores),
}
