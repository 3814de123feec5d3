"""Stacking: what estimators say becomes the columns of a last one, as sklearn.ensemble._stacking puts them together."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import StackingClassifier, StackingRegressor

from mlship.export.converters.responses import class_values
from mlship.export.converters.voting import named_members
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Answer, Family, Method, Methods
from mlship.export.graph.table import Table, join


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    """The columns that the last estimator is given."""
    if isinstance(getattr(model, "classes_", None), list):
        raise ctx.refusal(f"{type(model).__name__} of several targets is not supported")
    tables = []
    for (name, member), method in zip(named_members(model), model.stack_method_, strict=True):
        value = ctx.answer(member, method, table, name)
        width = _width(member, method)
        if method == "predict":
            value = class_values(ctx, value, member.classes_) if is_classifier(member) else value.cast("float64")
        elif method == "predict_proba" and len(model.classes_) == 2:
            value, width = value.columns(list(range(1, width))), width - 1
        tables.append(Table.of(value, width))
    if model.passthrough:
        tables.append(table)
    return join(tables, sparse=bool(model.passthrough and table.sparse))


def _width(member: Any, method: Method) -> int:
    if method == "predict" or (method == "decision_function" and len(member.classes_) == 2):
        return 1
    return len(member.classes_)


def _last(method: Method) -> Answer:
    """Return what writes a method of the last estimator."""

    def write(ctx: Context, model: Any, table: Table) -> Expr:
        given = ctx.transform(model, table)
        value = ctx.answer(model.final_estimator_, method, given, "final_estimator_")
        if method != "predict" or not is_classifier(model):
            return value
        places = np.asarray(model.final_estimator_.classes_).astype(np.int64)  # the classes are numbers to it
        return value if np.array_equal(places, np.arange(len(places))) else ctx.constant(places, "int64").rows_of(value)

    return write


def _inner(model: Any) -> list[Any]:
    """The estimators, and where the columns themselves are among those of the last one, also what takes them all."""
    return [*model.estimators_, *(["passthrough"] if model.passthrough else [])]


CONVERTERS: Family = {
    StackingClassifier: Methods(
        transform=_transform,
        predict=_last("predict"),
        predict_proba=_last("predict_proba"),
        decision_function=_last("decision_function"),
        inner=_inner,
    ),
    StackingRegressor: Methods(transform=_transform, predict=_last("predict"), inner=_inner),
}
