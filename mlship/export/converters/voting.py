"""Voting: the mean of what estimators say, or the class that most of them say, as sklearn.ensemble._voting has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier, VotingRegressor

from mlship.export.converters.responses import class_values
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Method, Methods
from mlship.export.graph.table import Table


def named_members(model: Any) -> list[tuple[str, Any]]:
    """Return the fitted estimators, each with its name; those that were dropped are not among them."""
    names = [name for name, member in model.estimators if not (isinstance(member, str) and member == "drop")]
    return list(zip(names, model.estimators_, strict=True))


def _weights(model: Any) -> list[float] | None:
    given = model._weights_not_none
    return None if given is None else [float(weight) for weight in given]


def _answers(ctx: Context, model: Any, method: Method, table: Table) -> list[Expr]:
    return [ctx.answer(member, method, table, name) for name, member in named_members(model)]


def _average(values: Sequence[Expr], weights: Sequence[float] | None) -> Expr:
    """numpy.average: the sum of each times its weight, over the sum of weights."""
    terms = [value if weights is None else value * weights[place] for place, value in enumerate(values)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total / float(len(values) if weights is None else np.sum(np.array(weights)))


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    return _average(_answers(ctx, model, "predict_proba", table), _weights(model))


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    if model.voting == "soft":
        return ctx.answer(model, "predict_proba", table).argmax()
    weights = _weights(model) or [1.0] * len(model.estimators_)
    total: Expr | None = None
    for (name, member), weight in zip(named_members(model), weights, strict=True):
        # the classes are numbers to the estimators
        places = np.asarray(member.classes_).astype(np.int64)
        flags: NDArray[np.float64] = np.eye(len(model.classes_))[places] * weight
        votes = ctx.constant(flags).rows_of(ctx.answer(member, "predict", table, name).squeeze(1))
        total = votes if total is None else total + votes
    assert total is not None
    return total.argmax()  # the first of equal ones


def _number(ctx: Context, model: Any, table: Table) -> Expr:
    return _average(_answers(ctx, model, "predict", table), _weights(model))


def _transform_classes(ctx: Context, model: Any, table: Table) -> Table:
    if model.voting == "soft":
        if not model.flatten_transform:
            raise ctx.refusal(
                "VotingClassifier with flatten_transform=False, which gives no table, is not supported as a step",
                hint="Set flatten_transform=True.",
            )
        parts = _answers(ctx, model, "predict_proba", table)
        return Table.of(concat(parts), len(parts) * len(model.classes_))
    members = named_members(model)
    parts = [class_values(ctx, ctx.answer(item, "predict", table, name), item.classes_) for name, item in members]
    return Table.of(concat(parts), len(parts))


def _transform_numbers(ctx: Context, model: Any, table: Table) -> Table:
    parts = _answers(ctx, model, "predict", table)
    return Table.of(concat(parts), len(parts))


def _inner(model: Any) -> list[Any]:
    return list(model.estimators_)


CONVERTERS: Family = {
    VotingClassifier: Methods(transform=_transform_classes, predict=_class, predict_proba=_shares, inner=_inner),
    VotingRegressor: Methods(transform=_transform_numbers, predict=_number, inner=_inner),
}
