"""A loop over the rows' state in which each row comes to rest by itself, whatever rows are beside it."""

from __future__ import annotations

from collections.abc import Callable

from mlship.export.graph.expr import Expr, concat, constant, where

_SCALAR_INPUTS = 2  # the number of the turn, and whether to go on: onnxruntime wants their shape said


def looped(states: list[tuple[Expr, int]], most: int, step: Callable[..., tuple[list[Expr], Expr]]) -> list[Expr]:
    """Write a Loop that turns until every row is at rest.

    Args:
        states: What a turn starts from, each [rows, width], with its width.
        most: The largest number of turns.
        step: Takes the states and gives those after one turn, and as bool [rows, 1] which rows come to rest by it.

    Returns:
        The states at the end. A row at rest keeps those of the turn after which it came to rest.
    """
    first = states[0][0]
    graph = first.graph
    awake = first.columns([0]).equals(first.columns([0])).cast("float64") * 0.0
    start = concat([*(state for state, _ in states), awake])  # one tensor, the last column telling which rows rest
    total = sum(width for _, width in states)
    limit, yes = constant(graph, most, "int64"), constant(graph, True, "bool")
    begin = graph.mark()
    turn, going, before = (graph.name(name) for name in ("turn", "going", "before"))
    given = Expr(graph, before)
    after, rests = step(*_split(given, [width for _, width in states]))
    held = where(given.columns([total]) > 0.5, given, concat([*after, rests.cast("float64")]))
    on = held.columns([total]).min(0, keepdims=False).squeeze(0) < 0.5
    body = graph.body(
        [(on.name, "bool"), (held.name, "float64")],
        [(turn, "int64"), (going, "bool"), (before, "float64")],
        begin,
    )
    for item in body.input[:_SCALAR_INPUTS]:
        item.type.tensor_type.shape.SetInParent()
    (last,) = graph.nodes("Loop", [limit.name, yes.name, start.name], outputs=1, body=body)
    return _split(Expr(graph, last), [width for _, width in states])


def _split(state: Expr, widths: list[int]) -> list[Expr]:
    parts, begin = [], 0
    for width in widths:
        parts.append(state.columns(range(begin, begin + width)))
        begin += width
    return parts
