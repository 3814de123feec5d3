"""CalibratedClassifierCV, and the isotonic regression that it may calibrate with."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression

from mlship.export.converters.labels import two
from mlship.export.converters.responses import response
from mlship.export.converters.search import Sorted
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Method, Methods
from mlship.export.graph.table import Table

_METHODS: tuple[Method, ...] = ("decision_function", "predict_proba")
_LEAST = 1e-12  # what sklearn.calibration._convert_to_logits adds to a probability
_ABOVE = 1.0 + 1e-5  # up to which a probability above one is cut down to it
_MOST_KNOTS = 48  # that are noted as typical


def interpolated(ctx: Context, x: Expr, knots: Any, values: Any) -> Expr:
    """Write numpy.interp of sorted, distinct knots: what lies outside of them gets the nearest one's value.

    Args:
        ctx: The conversion.
        x: float64 [rows, 1].
        knots: Where values are known, at least one.
        values: The values there.
    """
    at, known = np.asarray(knots, dtype=np.float64), np.asarray(values, dtype=np.float64)
    inside = x.maximum(at[0]).minimum(at[-1])
    place = Sorted(ctx, [at]).count(inside, below=False).cast("float64").maximum(1.0).cast("int64") - 1
    slopes = np.append(np.diff(known) / np.diff(at), 0.0)
    slope, start, base = (ctx.constant(item).rows_of(place) for item in (slopes, at, known))
    return where(x.isnan(), x, slope * (inside - start) + base)


def isotonic(ctx: Context, model: IsotonicRegression, x: Expr) -> Expr:
    """Write an isotonic regression of one column of numbers, [rows, 1]."""
    knots, values = np.asarray(model.X_thresholds_), np.asarray(model.y_thresholds_)
    if knots.dtype != np.float64 or values.dtype != np.float64:
        raise ctx.refusal(
            f"IsotonicRegression in {knots.dtype} is not supported", hint="Fit it, and what is before it, on float64."
        )
    if model.out_of_bounds == "raise":
        raise ctx.refusal(
            "IsotonicRegression that raises out of bounds is not supported", hint="Fit it with out_of_bounds='clip'."
        )
    if len(knots) == 1:
        return where(x.isnan(), x.like(float(values[0])), float(values[0]))
    found = interpolated(ctx, x, knots, values)
    if model.out_of_bounds == "clip":
        return found
    return where((x < float(knots[0])) | (x > float(knots[-1])), float("nan"), found)


def _isotonic_answer(ctx: Context, model: IsotonicRegression, table: Table) -> Expr:
    knots = np.asarray(model.X_thresholds_, dtype=np.float64)
    ctx.typical(table, 0, knots[:: -(-len(knots) // _MOST_KNOTS)].tolist())
    ctx.jumps(table, 0, np.unique(knots[[0, -1]]).tolist())
    return isotonic(ctx, model, table.numbers())


def _isotonic_transform(ctx: Context, model: IsotonicRegression, table: Table) -> Table:
    return Table.of(_isotonic_answer(ctx, model, table), 1)


def _calibrated(ctx: Context, model: CalibratedClassifierCV, table: Table) -> Expr:
    """The mean of the calibrated probabilities, added from zero in their order."""
    total: Expr | None = None
    for at, item in enumerate(model.calibrated_classifiers_):
        with ctx.at(f"calibrated_classifiers_[{at}]"):
            shares = _shares(ctx, item, table)
        total = shares if total is None else total + shares
    assert total is not None  # there is one at least
    return total / float(len(model.calibrated_classifiers_))


def _shares(ctx: Context, item: Any, table: Table) -> Expr:
    """Write sklearn.calibration._CalibratedClassifier.predict_proba."""
    answer, method = response(ctx, item.estimator, _METHODS, table, "estimator")
    if item.method == "temperature":
        shares = _tempered(item, answer, probabilities=method == "predict_proba")
    else:
        shares = _each(ctx, item, answer)
    return where((shares > 1.0) & (shares <= _ABOVE), 1.0, shares)


def _each(ctx: Context, item: Any, answer: Expr) -> Expr:
    """Each class calibrated by itself."""
    own = np.searchsorted(item.classes, item.estimator.classes_).tolist()
    count, taken = len(item.classes), 1 if len(own) == 2 else len(own)
    found: dict[int, Expr] = {}
    for column, (label, calibrator) in enumerate(zip(own[:taken], item.calibrators, strict=False)):
        score = answer if taken == 1 else answer.columns([column])
        found[label + (count == 2)] = _one(ctx, calibrator, score)
    if count == 2:
        return two(found[1])
    nothing = next(iter(found.values())) * 0.0  # of a class that the estimator did not see
    shares = concat([found.get(label, nothing) for label in range(count)])
    total = shares.sum()
    return where(total.equals(0.0), 1.0 / count, shares / where(total.equals(0.0), 1.0, total))


def _one(ctx: Context, calibrator: Any, score: Expr) -> Expr:
    if isinstance(calibrator, IsotonicRegression):
        return isotonic(ctx, calibrator, score)
    return ((score * float(calibrator.a_) + float(calibrator.b_)).__neg__()).sigmoid()


def _tempered(item: Any, answer: Expr, *, probabilities: bool) -> Expr:
    """Temperature scaling: the softmax of scaled logits (sklearn.calibration._TemperatureScaling)."""
    if len(item.classes) == 2:
        logits = (two(answer) + _LEAST).log() if probabilities else concat([-answer, answer])
    else:
        total = answer.sum()
        shared = (total >= 1.0 - 1.001e-5) & (total <= 1.0 + 1.001e-5)  # numpy.isclose, row by row
        inside = ((answer >= 0.0) & (answer <= 1.0)).cast("float64").sum().equals(float(len(item.classes)))
        logits = where(shared & inside, (answer + _LEAST).log(), answer)
    return (logits * float(item.calibrators[0].beta_)).softmax()


def _most_probable(ctx: Context, model: CalibratedClassifierCV, table: Table) -> Expr:
    return ctx.answer(model, "predict_proba", table).argmax()


def _inner(model: CalibratedClassifierCV) -> list[Any]:
    return [item.estimator for item in model.calibrated_classifiers_]


CONVERTERS: Family = {
    CalibratedClassifierCV: Methods(predict=_most_probable, predict_proba=_calibrated, inner=_inner),
    IsotonicRegression: Methods(predict=_isotonic_answer, transform=_isotonic_transform, width=1),
}
