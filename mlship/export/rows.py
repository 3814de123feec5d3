"""Rows made from the fitted model, by kind: the rows of the proof, and those from which golden ones are picked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mlship.export.graph.context import Anchor
from mlship.export.probe import Row, as_columns, unseen
from mlship.model.signature import Column
from mlship.model.values.codes import Array

MOST_ROWS = 16_384
"""How many rows a proof has, about, when a row costs little."""
_FEWEST_ROWS = 64
_CELLS = 2_000_000  # of one kind's rows: the work bound of models with very many columns
_WORK = 1_000_000_000  # steps of a proof
_PATH = 32  # nodes of a tree that a row meets
_NULL_SHARE = 0.1
_STRETCH = 0.25  # how far beyond the known values typical ones reach, in their range
_SEED = 20261122  # any fixed number: the same model must give the same rows

_BESIDE = 16
"""Of how many numeric categories the neighbours are tried."""

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean

Columns = Mapping[str, Array]
Point = tuple[str, Any]
"""A column and the one value in it that a row is about; the rest of the row is typical."""

_TEXTS = ("", "a", "A", "word", "two words", " padded ", "São é", "0", "NA", "x" * 200)


def around(anchor: Anchor) -> NDArray[np.float64]:
    """Return the values that rows are drawn between, sorted; the standard ones when nothing is known."""
    known = anchor.values + anchor.thresholds or list(_SPREAD)
    finite = np.unique(np.array([value for value in known if np.isfinite(value)], dtype=np.float64))
    return finite if len(finite) else np.array(_SPREAD)


def typical_row(columns: Sequence[Column], anchors: Sequence[Anchor]) -> Row:
    """Return one row that the model should accept: middles and first categories."""
    row: Row = {}
    for column, anchor in zip(columns, anchors, strict=True):
        if column.categories is not None:  # none at all where the column was all null in training
            row[column.name] = column.categories[0] if column.categories else None
        elif column.dtype in ("string", "category"):
            row[column.name] = "word"
        elif column.dtype == "bool":
            row[column.name] = 0.0
        else:
            known = around(anchor)
            row[column.name] = float(known[len(known) // 2])
    return row


def plain_rows(columns: Sequence[Column]) -> list[Row]:
    """Return rows to try when nothing is known of a model: of 0, 1 and 0.5."""
    return [typical_row(columns, [Anchor([number]) for _ in columns]) for number in (0.0, 1.0, 0.5)]


def first_rows(columns: Sequence[Column]) -> list[dict[str, Array]]:
    """Return such rows as arrays, to see what a model answers at all."""
    return [as_columns(columns, [row]) for row in plain_rows(columns)]


def proof_rows(columns: Sequence[Column], anchors: Sequence[Anchor], most: int = MOST_ROWS) -> dict[str, Columns]:
    """Make rows of every kind that the signature accepts.

    Args:
        columns: The probed columns.
        anchors: What the model knows of each.
        most: How many rows all kinds together may have, about.

    Returns:
        Arrays [rows] for each column, by kind: `typical` spread over the known ranges; `category`, every category of
        every column; `null`, one null each; `unseen`, one unseen category each; `edge`, a threshold or its neighbour
        by one unit in the last place; `extreme`, zeros, large numbers and infinities.
    """
    source = np.random.default_rng(_SEED)
    bound = min(max(_CELLS // len(columns), _FEWEST_ROWS), most)
    kinds = {"typical": _typical(columns, anchors, source, max(bound // 2, _FEWEST_ROWS))}
    for kind, points in _points(columns, anchors).items():
        share = bound // 4 if kind == "edge" else bound // 8
        picked = _some(points, max(share, _FEWEST_ROWS), source)
        if picked:
            kinds[kind] = _about(columns, kinds["typical"], picked)
    if all(column.nullable for column in columns):
        gone = as_columns(columns, [{column.name: None for column in columns}])
        kinds["null"] = {name: np.concatenate([values, gone[name]]) for name, values in kinds["null"].items()}
    return kinds


def more_typical(columns: Sequence[Column], anchors: Sequence[Anchor], rows: int) -> Columns:
    """Make as many further rows of the kind `typical`, others than `proof_rows` makes."""
    return _typical(columns, anchors, np.random.default_rng(_SEED + 1), rows)


def _points(columns: Sequence[Column], anchors: Sequence[Anchor]) -> dict[str, list[Point]]:
    points: dict[str, list[Point]] = {
        "category": [(column.name, value) for column in columns for value in column.categories or ()],
        "null": [(column.name, None) for column in columns if column.nullable],
        "unseen": [],
        "edge": _edges(columns, anchors),
        "extreme": [],
    }
    for column, anchor in zip(columns, anchors, strict=True):
        if column.categories is not None and column.unknown:
            points["unseen"] += [(column.name, value) for value in _unseen(column)]
        if column.dtype == "float64" and column.categories is None:
            points["extreme"] += [(column.name, value) for value in _extremes(column, anchor)]
    return points


def _some(points: list[Point], most: int, source: np.random.Generator) -> list[Point]:
    if len(points) <= most:
        return points
    return [points[place] for place in np.sort(source.choice(len(points), most, replace=False)).tolist()]


def _about(columns: Sequence[Column], typical: Columns, points: Sequence[Point]) -> Columns:
    """Typical rows, each with one value put in the place of its own."""
    rows = np.arange(len(points)) % len(typical[columns[0].name])
    table = {column.name: typical[column.name][rows] for column in columns}
    places: dict[str, list[int]] = {}
    for place, (name, _) in enumerate(points):
        places.setdefault(name, []).append(place)
    for column in columns:
        at = places.get(column.name)
        if at:
            table[column.name][at] = as_columns([column], [{column.name: points[place][1]} for place in at])[
                column.name
            ]
    return table


def _typical(columns: Sequence[Column], anchors: Sequence[Anchor], source: np.random.Generator, count: int) -> Columns:
    table: dict[str, Array] = {}
    for column, anchor in zip(columns, anchors, strict=True):
        values = _draw(column, anchor, source, count)
        if column.nullable:
            gone = source.random(count) < _NULL_SHARE
            values[gone] = None if values.dtype == object else np.nan
        table[column.name] = values
    return table


def _draw(column: Column, anchor: Anchor, source: np.random.Generator, count: int) -> Any:
    """Values of a column [count], float64 or objects, as `as_columns` makes them."""
    if column.categories is not None:
        known = as_columns([column], [{column.name: value} for value in column.categories or (None,)])[column.name]
        return known[source.integers(len(known), size=count)]
    if column.dtype in ("string", "category"):
        texts = np.array([*_TEXTS, *anchor.texts], dtype=object)
        return texts[source.integers(len(texts), size=count)]
    if column.dtype == "bool":
        return source.integers(2, size=count).astype(np.float64)
    values = _numbers(anchor, source, count)
    return values if column.low is None else np.maximum(values, column.low)


def _numbers(anchor: Anchor, source: np.random.Generator, count: int) -> Any:
    """Half spread evenly over the known range and a little beyond, half near known values; half rounded to cents."""
    known = around(anchor)
    low, high = float(known[0]), float(known[-1])
    width = (high - low) or abs(high) or 1.0
    spread = source.uniform(low - _STRETCH * width, high + _STRETCH * width, count)
    near = source.choice(known, count) + source.normal(0.0, width * 0.02, count)
    values = np.where(source.random(count) < 0.5, spread, near)
    rounded = np.round(values, 2)
    return np.where(source.random(count) < 0.5, values, rounded)


def _unseen(column: Column) -> list[Any]:
    """Values that are no category; of numbers also what lies just beside one and what would be cut down to one."""
    if column.dtype != "float64":
        return [unseen(column)]
    near = [
        float(value)
        for known in (column.categories or ())[:_BESIDE]
        for value in (np.nextafter(float(known), np.inf), float(known) + 0.5)
    ]
    return [unseen(column), *(value for value in near if value not in column.known)]


def _extremes(column: Column, anchor: Anchor) -> list[float]:
    known = np.abs(around(anchor))
    scale = float(known.max()) or 1.0
    values = [0.0, -0.0, 5e-324, 1e3 * scale, -1e3 * scale, 1e6 * scale, -1e6 * scale, 2.0**24 + 1, 2.0**53 + 2]
    if not column.finite:
        values += [np.inf, -np.inf]
    if column.limit is not None:
        values = [value for value in (*values, column.limit, -column.limit) if not column.limit < abs(value) < np.inf]
    if column.low is not None:
        values = [value for value in (*values, column.low) if value >= column.low]
    return values


def rows_within_budget(graph: bytes) -> int:
    """Return how many rows a proof may have for the work that one of them costs, which the graph's size tells.

    The work of a row is taken for one step a constant number of the graph, for it meets each about once; of trees,
    of which it meets one path each, for the longest that scikit-learn grows by default in practice. The budget is
    chosen so that a proof takes seconds. No clock is asked: the same model has the same rows.
    """
    model = onnx.ModelProto.FromString(graph)
    work = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    for node in model.graph.node:
        roots = next((item.ints for item in node.attribute if item.name == "tree_roots"), ())
        work += len(roots) * _PATH
    return max(min(MOST_ROWS, _WORK // max(work, 1)), _FEWEST_ROWS * 4)


def _edges(columns: Sequence[Column], anchors: Sequence[Anchor]) -> list[Point]:
    return [
        (column.name, value)
        for column, anchor in zip(columns, anchors, strict=True)
        if column.dtype == "float64" and (column.categories is None or column.unknown)
        for threshold in sorted({value for value in anchor.thresholds if np.isfinite(value)})
        for value in _neighbours(threshold)
        if (column.limit is None or abs(value) <= column.limit) and (column.low is None or value >= column.low)
    ]


def _neighbours(threshold: float) -> list[float]:
    """A threshold, the numbers beside it in float64 and in float32, and the border at which rounding tips."""
    with np.errstate(over="ignore"):  # past the largest float32 lies infinity, which is left out below
        narrow = np.float32(threshold)
        below = np.nextafter(narrow, np.float32(-np.inf))
        above = np.nextafter(narrow, np.float32(np.inf))
    middle = (float(narrow) + float(above)) / 2
    values: list[float] = [
        threshold,
        math.nextafter(threshold, -math.inf),
        math.nextafter(threshold, math.inf),
        float(narrow),
        float(below),
        float(above),
        middle,
    ]
    return [value for value in values if math.isfinite(value)]
