"""FunctionTransformer over functions of numpy and scipy that work element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from mlship.export.converters.functions import FUNCTIONS, JUMPING
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_HALVES = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)  # where what rounds to whole numbers jumps
_SAME = (np.asarray, np.array, np.positive)
_HINT = (
    "Functions of numpy that work element by element, such as numpy.log1p, are supported; or register a converter, "
    "see the README."
)


def _clip(x: Expr, given: Mapping[str, Any]) -> Expr:
    low, high = given.get("a_min", given.get("min")), given.get("a_max", given.get("max"))
    x = x if low is None else x.maximum(np.asarray(low, dtype=np.float64))
    return x if high is None else x.minimum(np.asarray(high, dtype=np.float64))


def _round(x: Expr, given: Mapping[str, Any]) -> Expr:
    """As numpy rounds, numpy/_core/src/multiarray/calculation.c: times a power of ten, to the nearest, and back."""
    decimals = int(given.get("decimals", 0))
    if decimals == 0:
        return x.op("Round")
    power = 10.0 ** abs(decimals)
    if decimals > 0:
        return (x * power).op("Round") / power
    return (x / power).op("Round") * power


def _nan_to_num(x: Expr, given: Mapping[str, Any]) -> Expr:
    most = float(np.finfo(np.float64).max)
    high, low = given.get("posinf"), given.get("neginf")
    value = where(x.equals(math.inf), most if high is None else float(high), x)
    value = where(x.equals(-math.inf), -most if low is None else float(low), value)
    return where(x.isnan(), float(given.get("nan", 0.0)), value)


_GIVEN: dict[Any, tuple[frozenset[str], Callable[[Expr, Mapping[str, Any]], Expr]]] = {
    np.clip: (frozenset({"a_min", "a_max", "min", "max"}), _clip),
    np.around: (frozenset({"decimals"}), _round),
    np.round: (frozenset({"decimals"}), _round),
    np.nan_to_num: (frozenset({"nan", "posinf", "neginf", "copy"}), _nan_to_num),
}
"""Functions with the arguments by name that they may be given."""


def _transform(ctx: Context, model: FunctionTransformer, table: Table) -> Table:
    function: Any = model.func
    given = dict(model.kw_args or {})
    while isinstance(function, partial) and not function.args:
        function, given = function.func, {**function.keywords, **given}
    if function is None:
        return table
    if not _is_known(function, given):
        raise _refusal(ctx, function, given)
    if function in _SAME:
        return table
    for column in range(table.width if function in (*JUMPING, np.clip) else 0):
        ctx.jumps(table, column, [*_HALVES, *_bounds(given)])
    rows = table.numbers()
    value = _GIVEN[function][1](rows, given) if function in _GIVEN else FUNCTIONS[function](rows)
    return Table.of(value, table.width, sparse=table.sparse)


def _is_known(function: Any, given: Mapping[str, Any]) -> bool:
    try:
        allowed = _GIVEN[function][0] if function in _GIVEN else frozenset()
        return given.keys() <= allowed and (function in _SAME or function in _GIVEN or function in FUNCTIONS)
    except TypeError:  # not hashable
        return False


def _bounds(given: Mapping[str, Any]) -> list[float]:
    return [float(value) for value in given.values() if isinstance(value, int | float)]


def _refusal(ctx: Context, function: Any, given: Mapping[str, Any]) -> Exception:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    called = f"{module}.{name}" if module else str(name or getattr(function, "__name__", type(function).__name__))
    arguments = f" with {', '.join(given)}" if given else ""
    return ctx.refusal(f"FunctionTransformer over {called}{arguments} is not supported", hint=_HINT)


CONVERTERS: Family = {FunctionTransformer: Methods(transform=_transform)}
