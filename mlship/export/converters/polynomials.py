"""PolynomialFeatures: products of columns, in scikit-learn's order of columns and of multiplication."""

from __future__ import annotations

from itertools import pairwise

from sklearn.preprocessing import PolynomialFeatures

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Lane, Table


def _products(ctx: Context, model: PolynomialFeatures, table: Table) -> Table:
    """`transform`, sklearn/preprocessing/_polynomial.py: each degree is one below times one column."""
    rows = table.numbers()
    parts: list[Expr] = []
    lanes: list[Lane | None] = []
    if model.include_bias:
        first = rows.columns([0])
        parts.append((first.equals(first) | first.isnan()).cast("float64"))  # ones, as many as there are rows
        lanes.append(None)
    if model._min_degree <= 1 <= model._max_degree:
        parts.append(rows)
        lanes += table.lanes
    for degree, terms in enumerate(_degrees(ctx, model, table, rows), start=2):
        if degree >= model._min_degree:
            parts.append(terms[0])
            lanes += [None] * terms[1]
    return Table.of(concat(parts), len(lanes), lanes=tuple(lanes), sparse=table.sparse)


def _degrees(ctx: Context, model: PolynomialFeatures, table: Table, rows: Expr) -> list[tuple[Expr, int]]:
    """The products of each degree from 2 on, and how many they are."""
    begins = list(range(table.width + 1))  # of the products below: where those begin whose first column is which
    below, found = rows, []
    for _ in range(2, model._max_degree + 1):
        factors: list[int] = []
        others: list[int] = []
        next_begins = []
        for column, (begin, end) in enumerate(pairwise(begins)):
            next_begins.append(len(factors))
            these = range(end if model.interaction_only else begin, begins[-1])
            others += these
            factors += [column] * len(these)
        begins = [*next_begins, len(factors)]
        if not factors:
            break
        below = below.columns(others) * rows.columns(factors)
        if table.sparse:  # a zero that is not kept is never multiplied, by infinity neither
            below = where(below.isnan(), 0.0, below)
        found.append((below, len(factors)))
    return found


def _passes(model: PolynomialFeatures) -> list[int | None]:
    width = int(model.n_features_in_)
    linear = list(range(width)) if model._min_degree <= 1 <= model._max_degree else []
    bias: list[int | None] = [None] * bool(model.include_bias)
    return [*bias, *linear, *[None] * (int(model.n_output_features_) - len(bias) - len(linear))]


CONVERTERS: Family = {PolynomialFeatures: Methods(transform=_products, passes=_passes)}
