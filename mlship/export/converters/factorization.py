"""NMF.transform by coordinate descent, for each row as the original answers it alone.

The original stops by a rule over all rows of a call (sklearn.decomposition._nmf._fit_coordinate_descent); here each row
stops by itself, which is what the original does with one row.
"""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import NMF

from mlship.export.converters.kernels import dense
from mlship.export.converters.loops import looped
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_MOST_COMPONENTS = 64  # each is some nodes of the loop


def _refuse(ctx: Context, model: NMF) -> None:
    if model.solver != "cd":
        raise ctx.refusal(f"NMF with solver={model.solver!r} is not supported", hint="solver='cd' is supported.")
    if model.shuffle:
        raise ctx.refusal("NMF with shuffle=True is not supported", hint="shuffle=False is supported.")
    if model.components_.dtype != np.float64 or len(model.components_) > _MOST_COMPONENTS:
        raise ctx.refusal(f"NMF of float32, or of more than {_MOST_COMPONENTS} components, is not supported")


def _transform(ctx: Context, model: NMF, table: Table) -> Table:
    _refuse(ctx, model)
    parts = dense(model.components_)
    count, width = parts.shape
    for column in range(table.width):
        top = float(parts[:, column].max())
        ctx.typical(table, column, [0.0, top / 2, top, 2 * top])
    alpha = float(model.alpha_W) * width
    curve = parts @ parts.T
    curve.flat[:: count + 1] += alpha * (1.0 - model.l1_ratio)
    rows = table.numbers()
    goal = rows @ parts.T.copy()
    if alpha * model.l1_ratio != 0.0:
        goal = goal - alpha * float(model.l1_ratio)
    zero = rows.columns([0]) * 0.0
    goals = [goal.columns([place]) for place in range(count)]
    tolerance = float(model.tol)

    def step(weights: Expr, first: Expr) -> tuple[list[Expr], Expr]:
        violation: Expr = zero
        for place in range(count):
            one = weights.columns([place])
            slope = weights @ curve[:, [place]].copy() - goals[place]
            violation = violation + where(one.equals(0.0), slope.minimum(0.0), slope).abs()
            if curve[place, place] != 0.0:
                moved = (one - slope / float(curve[place, place])).maximum(0.0)
                weights = where(weights.like(np.arange(count) == place).cast("bool"), moved, weights)
        start = where(first < 0.0, violation, first)
        return [weights, start], start.equals(0.0) | (violation / start <= tolerance)

    weights, _ = looped([(zero * np.ones((1, count)), count), (zero - 1.0, 1)], int(model.max_iter), step)
    return Table.of(weights, count)


CONVERTERS: Family = {NMF: Methods(transform=_transform)}
