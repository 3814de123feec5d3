"""sklearn.multiclass: one class against the rest, against one, and codes of classes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier, _ConstantPredictor

from mlship.export.converters.labels import positive, two
from mlship.export.converters.responses import binary_score, binary_threshold, repeat, response, step_of
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _inner(model: Any) -> list[Any]:
    return list(model.estimators_)


def _constant_scores(ctx: Context, model: Any, table: Table) -> Expr:
    return repeat(ctx, table, model.y_)


def _constant_shares(ctx: Context, model: Any, table: Table) -> Expr:
    return repeat(ctx, table, np.hstack([1.0 - model.y_, model.y_]))


def _binary_scores(ctx: Context, model: Any, table: Table) -> Expr:
    return concat([binary_score(ctx, item, table, step_of(at)) for at, item in enumerate(model.estimators_)])


def _rest_class(ctx: Context, model: OneVsRestClassifier, table: Table) -> Expr:
    scores = _binary_scores(ctx, model, table)
    if model.label_binarizer_.y_type_ == "multiclass":
        return scores.argmax()
    return positive(scores - binary_threshold(model.estimators_[0]))


def _rest_shares(ctx: Context, model: OneVsRestClassifier, table: Table) -> Expr:
    parts = [
        ctx.answer(item, "predict_proba", table, step_of(at)).columns([1]) for at, item in enumerate(model.estimators_)
    ]
    shares = two(parts[0]) if len(parts) == 1 else concat(parts)
    if model.multilabel_:
        return shares
    total = shares.sum()
    return shares / where(total.equals(0.0), 1.0, total)


def _rest_scores(ctx: Context, model: OneVsRestClassifier, table: Table) -> Expr:
    return concat(
        [ctx.answer(item, "decision_function", table, step_of(at)) for at, item in enumerate(model.estimators_)]
    )


def _one_scores(ctx: Context, model: OneVsOneClassifier, table: Table) -> Expr:
    """Votes, and the confidences which break their ties (sklearn.utils.multiclass._ovr_decision_function)."""
    picked = model.pairwise_indices_
    winners, confidences = [], []
    for at, item in enumerate(model.estimators_):
        taken = table if picked is None else table.select(np.asarray(picked[at]).tolist())
        winners.append(_predicted(ctx, item, taken, step_of(at)))
        confidences.append(binary_score(ctx, item, taken, step_of(at)))
    count = len(model.classes_)
    pairs = list(combinations(range(count), 2))
    winner = concat(winners)
    first, second = (np.array([[float(pair[side] == i) for i in range(count)] for pair in pairs]) for side in (0, 1))
    votes = winner.equals(0.0).cast("float64") @ first + winner.equals(1.0).cast("float64") @ second
    total = _summed(concat(confidences), pairs, count)
    both: Expr = votes + total / ((total.abs() + 1.0) * 3.0)
    return both.columns([1]) if count == 2 else both


def _predicted(ctx: Context, model: Any, table: Table, step: str) -> Expr:
    if isinstance(model, _ConstantPredictor):
        return repeat(ctx, table, model.y_)
    return response(ctx, model, ("predict",), table, step)[0]


def _summed(confidences: Expr, pairs: list[tuple[int, int]], count: int) -> Expr:
    """Each class's confidences, added in the original's order so that equal sums stay equal, [rows, classes]."""
    own = [[at for at, pair in enumerate(pairs) if label in pair] for label in range(count)]
    total: Expr | None = None
    for places in zip(*own, strict=True):
        signs = [1.0 if pairs[at][1] == label else -1.0 for label, at in enumerate(places)]
        part = confidences.columns(places) * np.array([signs])
        total = part if total is None else total + part
    assert total is not None  # there are two classes at least
    return total


def _one_class(ctx: Context, model: OneVsOneClassifier, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    if len(model.classes_) == 2:
        return positive(scores - binary_threshold(model.estimators_[0]))
    return scores.argmax()


def _nearest_code(ctx: Context, model: OutputCodeClassifier, table: Table) -> Expr:
    """The class of the nearest code, with the roundings and the bound at zero of sklearn's EuclideanArgKmin."""
    codes = np.asarray(model.code_book_, dtype=np.float64)
    scores = _binary_scores(ctx, model, table)
    own = (scores * scores).sum()
    apart: Expr = own + (scores @ np.ascontiguousarray(codes.T)) * -2.0 + (codes * codes).sum(axis=1)[None, :]
    return apart.maximum(0.0).argmin()


CONVERTERS: Family = {
    OneVsRestClassifier: Methods(
        predict=_rest_class, predict_proba=_rest_shares, decision_function=_rest_scores, inner=_inner
    ),
    OneVsOneClassifier: Methods(predict=_one_class, decision_function=_one_scores, inner=_inner),
    OutputCodeClassifier: Methods(predict=_nearest_code, inner=_inner),
    _ConstantPredictor: Methods(decision_function=_constant_scores, predict_proba=_constant_shares),
}
