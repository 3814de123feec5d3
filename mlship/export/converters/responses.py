"""How estimators that wrap others ask them, as sklearn.utils._response and sklearn.multiclass do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Method
from mlship.export.graph.table import Table


def response(ctx: Context, model: Any, methods: Sequence[Method], table: Table, step: str) -> tuple[Expr, Method]:
    """Ask for the first method that the estimator has; of two classes only the second one's answer.

    Args:
        ctx: The conversion.
        model: The fitted estimator within.
        methods: The methods, the most wanted first.
        table: What it is given.
        step: Where it stands.

    Returns:
        The answer, [rows, 1] of two classes and of numbers, and the method. Predicted classes are float64 values.
    """
    method = next((name for name in methods if hasattr(model, name)), None)
    if method is None:
        raise ctx.refusal(f"{step}: {type(model).__name__} has none of {', '.join(methods)}")
    value = ctx.answer(model, method, table, step)
    if method == "predict_proba" and len(model.classes_) == 2:  # also of what is no classifier by its tags
        value = value.columns([1])
    elif method == "predict" and is_classifier(model):
        value = class_values(ctx, value, model.classes_)
    return value, method


def class_values(ctx: Context, places: Expr, classes: Any) -> Expr:
    """The classes themselves as float64, of places among them."""
    given = np.asarray(classes)
    if given.dtype.kind not in "biuf":
        raise ctx.refusal("a model that takes predicted texts for numbers is not supported")
    return ctx.constant(given.astype(np.float64)).rows_of(places)


def binary_score(ctx: Context, model: Any, table: Table, step: str) -> Expr:
    """Write sklearn.multiclass._predict_binary: the score of the second class, [rows, 1]."""
    if is_regressor(model):
        return ctx.answer(model, "predict", table, step)
    return response(ctx, model, ("decision_function", "predict_proba"), table, step)[0]


def binary_threshold(model: Any) -> float:
    """Past which score the second class is meant, as sklearn.multiclass has it."""
    return 0.0 if hasattr(model, "decision_function") and is_classifier(model) else 0.5


def repeat(ctx: Context, table: Table, row: Any) -> Expr:
    """The same float64 row for each row of the table, [rows, values]."""
    values = np.asarray(row, dtype=np.float64).reshape(1, -1)
    if not table.cells:
        raise ctx.refusal("a model of no columns is not supported")
    rows = table.cells[0].value.op("Shape", kind="int64", start=0, end=1)
    shape = concat([rows, ctx.constant([values.shape[1]], "int64")], axis=0)
    return ctx.constant(values).op("Expand", shape)


def step_of(place: int, what: str = "estimators_") -> str:
    """How an estimator within a list is called in messages."""
    return f"{what}[{place}]"
