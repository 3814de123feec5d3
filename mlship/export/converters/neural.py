"""Multi-layer perceptrons: layers of a product, an intercept and an activation, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.neural_network import MLPClassifier, MLPRegressor

from mlship.export.converters.kernels import dense
from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_ACTIVATIONS: dict[str, Callable[[Expr], Expr]] = {
    "identity": lambda value: value,
    "exp": Expr.exp,
    "tanh": lambda value: value.op("Tanh"),
    "logistic": Expr.sigmoid,
    "relu": lambda value: value.maximum(0.0),
    "softmax": Expr.softmax,
}
"""The functions of sklearn.neural_network._base.ACTIVATIONS."""


def _outputs(ctx: Context, model: Any, table: Table) -> Expr:
    """What the last layer gives, [rows, outputs]."""
    value = table.numbers()
    last = len(model.coefs_) - 1
    for place, (weights, intercepts) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        name = model.out_activation_ if place == last else model.activation
        value = _ACTIVATIONS[name](value @ dense(weights) + dense(intercepts))
    return value


def _shares(ctx: Context, model: MLPClassifier, table: Table) -> Expr:
    value = _outputs(ctx, model, table)
    if len(model.classes_) < 2:
        raise ctx.refusal("MLPClassifier of one class is not supported")
    return two(value) if model.n_outputs_ == 1 else value


def _labels(ctx: Context, model: MLPClassifier, table: Table) -> Expr:
    """The label binarizer cuts at 0.5, and takes the first largest of three and more classes."""
    shares = ctx.answer(model, "predict_proba", table)
    if model.n_outputs_ == 1:
        return positive(shares.columns([1]) - 0.5)
    if model._label_binarizer.y_type_.startswith("multilabel"):
        return positive(shares - 0.5)
    return shares.argmax()


CONVERTERS: Family = {
    MLPClassifier: Methods(predict=_labels, predict_proba=_shares),
    MLPRegressor: Methods(predict=_outputs),
}
