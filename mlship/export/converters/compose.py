"""What models are put together with: pipelines, column transformers and unions."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Answer, Family, Method, Methods
from mlship.export.graph.table import Table, join
from mlship.export.parts import column_parts, is_passthrough, steps_of


def _step_names(ctx: Context, model: Any) -> list[tuple[str, Any]]:
    """The steps that do something, each with what it is called in messages: the outermost by name, others by place."""
    outermost = not ctx.path
    every = [step for _, step in model.steps]
    return [
        (name if outermost else f"[{next(i for i, item in enumerate(every) if item is step)}]", step)
        for name, step in steps_of(model)
    ]


def _before(ctx: Context, steps: list[tuple[str, Any]], table: Table) -> Table:
    for name, step in steps:
        table = ctx.transform(step, table, name)
    return table


def pipeline_transform(ctx: Context, model: Any, table: Table) -> Table:
    """Write a pipeline that ends in a transformer."""
    steps = _step_names(ctx, model)
    with ctx.at("pipeline" if not ctx.path else None):
        return _before(ctx, steps, table)


def pipeline_answer(method: Method) -> Answer:
    """Return what writes a method of the last step behind all others."""

    def write(ctx: Context, model: Any, table: Table) -> Expr:
        steps = _step_names(ctx, model)
        with ctx.at("pipeline" if not ctx.path else None):
            if not steps:
                raise ctx.refusal("a pipeline of no steps does not answer")
            name, last = steps[-1]
            return ctx.answer(last, method, _before(ctx, steps[:-1], table), name)

    return write


def _columns(ctx: Context, model: ColumnTransformer, table: Table) -> Table:
    weights = model.transformer_weights or {}
    tables = []
    for part in column_parts(model):
        taken = table.select(part.positions)
        given = taken if is_passthrough(part.step) else ctx.transform(part.step, taken, part.name)
        tables.append(_weighted(given, weights.get(part.name)))
    return join(tables, sparse=bool(getattr(model, "sparse_output_", False)))


def _union(ctx: Context, model: FeatureUnion, table: Table) -> Table:
    weights = model.transformer_weights or {}
    tables = []
    for name, step in model.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        given = table if is_passthrough(step) else ctx.transform(step, table, name)
        tables.append(_weighted(given, weights.get(name)))
    return join(tables, sparse=any(item.sparse for item in tables))


def _weighted(table: Table, weight: float | None) -> Table:
    if weight is None:
        return table
    lanes = tuple(lane and lane.then(float(weight), 0.0) for lane in table.lanes)
    return Table.of(table.numbers() * float(weight), table.width, lanes=lanes, sparse=table.sparse)


PIPELINE = Methods(
    transform=pipeline_transform,
    predict=pipeline_answer("predict"),
    predict_proba=pipeline_answer("predict_proba"),
    decision_function=pipeline_answer("decision_function"),
    score_samples=pipeline_answer("score_samples"),
)
"""How a pipeline is converted, also one of another library whose further steps vanish when rows are scored."""

CONVERTERS: Family = {
    Pipeline: PIPELINE,
    ColumnTransformer: Methods(transform=_columns),
    FeatureUnion: Methods(transform=_union),
}
