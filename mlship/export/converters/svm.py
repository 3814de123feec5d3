"""libsvm's machines: kernels with the support vectors, votes of pairs, Platt's probabilities; all in double precision.

Source: scikit-learn's copy of libsvm, sklearn/svm/src/libsvm/svm.cpp. What trains by another kernel formula than
what predicts does not matter here: only `Kernel::k_function`, which predicts, is written.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from mlship.export.converters.coupling import coupled
from mlship.export.converters.kernels import dense, differences, note_points
from mlship.export.converters.labels import positive
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _kernel(ctx: Context, model: Any, x: Expr) -> Expr:
    """Libsvm's `Kernel::k_function` of each row with each support vector, [rows, vectors]."""
    kind, vectors = model.kernel, dense(model.support_vectors_)
    if not isinstance(kind, str) or kind == "precomputed":
        raise ctx.refusal(
            f"{type(model).__name__} with a {'precomputed' if isinstance(kind, str) else 'callable'} kernel is not "
            "supported",
            hint="The kernels linear, poly, rbf and sigmoid are.",
        )
    if kind == "rbf":
        return (differences(x, vectors) * -float(model._gamma)).exp()
    dots = x @ vectors.T.copy()
    if kind == "linear":
        return dots
    scaled = dots * float(model._gamma) + float(model.coef0)
    return scaled.op("Tanh") if kind == "sigmoid" else _power(scaled, int(model.degree))


def _power(base: Expr, times: int) -> Expr:
    """Libsvm's `powi`: by squaring."""
    if times == 0:
        return base.op("Mul", 0.0) + 1.0
    power: Expr | None = None
    while times:
        if times % 2:
            power = base if power is None else power * base
        base, times = base * base, times // 2
    assert power is not None
    return power


def _sums(ctx: Context, model: Any, table: Table, weights: NDArray[np.float64]) -> Expr:
    """Libsvm's decision values: kernels times weights [vectors, sums] plus intercepts, [rows, sums]."""
    note_points(ctx, table, model.support_vectors_)
    return _kernel(ctx, model, table.numbers()) @ weights + np.asarray(model._intercept_, dtype=np.float64)


def _single(ctx: Context, model: Any, table: Table) -> Expr:
    """The one decision value of a regressor or of a machine of one class."""
    if not model.support_vectors_.shape[0]:  # every training row lies within epsilon
        return table.numbers().columns([0]) * 0.0 + float(model._intercept_[0])
    return _sums(ctx, model, table, dense(model._dual_coef_).reshape(1, -1).T.copy())


def _pairs(ctx: Context, model: Any, table: Table) -> Expr:
    """Libsvm's decision value of each pair of classes, [rows, pairs]: more than 0 speaks for the first."""
    counts = np.asarray(model._n_support)
    ends = np.cumsum(counts)
    places = [slice(end - count, end) for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]
    dual = dense(model._dual_coef_)
    pairs = list(combinations(range(len(model.classes_)), 2))
    weights = np.zeros((int(ends[-1]), len(pairs)))
    for column, (one, other) in enumerate(pairs):
        weights[places[one], column] = dual[other - 1, places[one]]
        weights[places[other], column] = dual[one, places[other]]
    return _sums(ctx, model, table, weights)


def _sides(classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each pair of classes its first and its second one, as marks [pairs, classes]."""
    pairs = np.array(list(combinations(range(classes), 2)))
    every = np.eye(classes)
    return every[pairs[:, 0]], every[pairs[:, 1]]


def _votes(won: Expr, classes: int) -> Expr:
    """How many pairs each class wins, [rows, classes], from whether the first of each pair wins."""
    first, second = _sides(classes)
    lost: NDArray[np.float64] = second.sum(axis=0)
    return won.cast("float64") @ (first - second) + lost


def _scores(ctx: Context, model: Any, table: Table) -> Expr:
    classes = len(model.classes_)
    values = _pairs(ctx, model, table)
    if classes == 2:
        return -values
    if model.decision_function_shape == "ovo":
        raise ctx.refusal(
            f"{type(model).__name__} with decision_function_shape='ovo' gives a score for each pair of classes, which "
            "have no columns of their own",
            hint="decision_function_shape='ovr' is supported.",
        )
    # sklearn.utils.multiclass._ovr_decision_function: a value of 0 is a vote for the first, though not in predict
    first, second = _sides(classes)
    sure = values @ (first - second)
    return _votes(~(values < 0.0), classes) + sure / (3.0 * (sure.abs() + 1.0))


def _predict_class(ctx: Context, model: Any, table: Table) -> Expr:
    classes = len(model.classes_)
    if classes == 2:
        return 1 - (_pairs(ctx, model, table) > 0.0).cast("int64")
    if model.break_ties and model.decision_function_shape == "ovr":
        return ctx.answer(model, "decision_function", table).argmax()
    return _votes(_pairs(ctx, model, table) > 0.0, classes).argmax()


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    slopes, shifts = np.asarray(model._probA), np.asarray(model._probB)
    if not hasattr(model, "predict_proba") or not slopes.size or not shifts.size:
        raise ctx.refusal(f"{type(model).__name__} was fitted without probability=True and has no probabilities")
    bent = _pairs(ctx, model, table) * slopes + shifts
    shrunk = (-bent.abs()).exp()  # libsvm's sigmoid_predict, which never raises e to more than 0
    first = (where(bent >= 0.0, shrunk, 1.0) / (1.0 + shrunk)).maximum(1e-7).minimum(1.0 - 1e-7)
    return coupled(first, len(model.classes_))


def _outlier(ctx: Context, model: Any, table: Table) -> Expr:
    return positive(_single(ctx, model, table)) * 2 - 1


def _density(ctx: Context, model: Any, table: Table) -> Expr:
    return _single(ctx, model, table) + np.asarray(model.offset_, dtype=np.float64)


_CLASSIFIER = Methods(predict=_predict_class, predict_proba=_shares, decision_function=_scores)
_REGRESSOR = Methods(predict=_single)

CONVERTERS: Family = {
    SVC: _CLASSIFIER,
    NuSVC: _CLASSIFIER,
    SVR: _REGRESSOR,
    NuSVR: _REGRESSOR,
    OneClassSVM: Methods(predict=_outlier, decision_function=_single, score_samples=_density),
}
