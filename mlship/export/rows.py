"""Rows made from the fitted model, by kind: the rows of the proof, and those from which golden ones are picked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.export.graph.context import Anchor
from mlship.export.probe import Row, as_columns, unseen
from mlship.model.signature import Column
from mlship.model.values.codes import Array

TYPICAL_ROWS = 2048
_MOST_ROWS, _FEWEST_ROWS = 4096, 64
_CELLS = 2_000_000  # of one kind's rows: the work bound of models with very many columns
_NULL_SHARE = 0.1
_STRETCH = 0.25  # how far beyond the known values typical ones reach, in their range
_SEED = 20261122  # any fixed number: the same model must give the same rows

_BESIDE = 16
"""Of how many numeric categories the neighbours are tried."""

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean

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


def first_rows(columns: Sequence[Column]) -> list[dict[str, Array]]:
    """Return rows to see what a model answers at all, before anything is known of it: of 0, 1 and 0.5."""
    rows = []
    for number in (0.0, 1.0, 0.5):
        row = typical_row(columns, [Anchor([number]) for _ in columns])
        rows.append(as_columns(columns, [row]))
    return rows


def proof_rows(columns: Sequence[Column], anchors: Sequence[Anchor]) -> dict[str, list[Row]]:
    """Make rows of every kind that the signature accepts.

    Args:
        columns: The probed columns.
        anchors: What the model knows of each.

    Returns:
        Rows by kind: `typical` spread over the known ranges; `null`, one null each; `unseen`, one unseen category
        each; `edge`, a threshold or its neighbour by one unit in the last place; `extreme`, zeros, large numbers
        and infinities.
    """
    source = np.random.default_rng(_SEED)
    most = min(max(_CELLS // len(columns), _FEWEST_ROWS), _MOST_ROWS)
    typical = _typical(columns, anchors, source, min(most, TYPICAL_ROWS))
    points: dict[str, list[Point]] = {"null": [], "unseen": [], "edge": _edges(columns, anchors), "extreme": []}
    for column, anchor in zip(columns, anchors, strict=True):
        if column.nullable:
            points["null"].append((column.name, None))
        if column.categories is not None and column.unknown:
            points["unseen"] += [(column.name, value) for value in _unseen(column)]
        if column.dtype == "float64" and column.categories is None:
            points["extreme"] += [(column.name, value) for value in _extremes(column, anchor)]
    kinds = {"typical": typical}
    for kind, found in points.items():
        places = np.arange(len(found))
        if len(found) > most:
            places = np.sort(source.choice(places, most, replace=False))
        picked = [found[place] for place in places.tolist()]
        kinds[kind] = [{**typical[index % len(typical)], name: value} for index, (name, value) in enumerate(picked)]
    if all(column.nullable for column in columns):
        kinds["null"].append({column.name: None for column in columns})
    return {kind: rows for kind, rows in kinds.items() if rows}


def _typical(
    columns: Sequence[Column], anchors: Sequence[Anchor], source: np.random.Generator, count: int
) -> list[Row]:
    drawn = {column.name: _draw(column, anchor, source, count) for column, anchor in zip(columns, anchors, strict=True)}
    return [{name: values[row] for name, values in drawn.items()} for row in range(count)]


def _draw(column: Column, anchor: Anchor, source: np.random.Generator, count: int) -> list[Any]:
    values: list[Any]
    if column.categories is not None and not column.categories:
        values = [None] * count
    elif column.categories:
        values = [column.categories[index] for index in source.integers(len(column.categories), size=count)]
    elif column.dtype in ("string", "category"):
        values = [_TEXTS[index] for index in source.integers(len(_TEXTS), size=count)]
    elif column.dtype == "bool":
        values = source.integers(2, size=count).astype(np.float64).tolist()
    else:
        values = _numbers(anchor, source, count)
    if column.nullable:
        gone = source.random(count) < _NULL_SHARE
        values = [None if null else value for value, null in zip(values, gone.tolist(), strict=True)]
    return values


def _numbers(anchor: Anchor, source: np.random.Generator, count: int) -> list[float]:
    """Half spread evenly over the known range and a little beyond, half near known values; half rounded to cents."""
    known = around(anchor)
    low, high = float(known[0]), float(known[-1])
    width = (high - low) or abs(high) or 1.0
    spread = source.uniform(low - _STRETCH * width, high + _STRETCH * width, count)
    near = source.choice(known, count) + source.normal(0.0, width * 0.02, count)
    values = np.where(source.random(count) < 0.5, spread, near)
    rounded = np.round(values, 2)
    return [float(value) for value in np.where(source.random(count) < 0.5, values, rounded)]


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
    return values


def _edges(columns: Sequence[Column], anchors: Sequence[Anchor]) -> list[Point]:
    return [
        (column.name, value)
        for column, anchor in zip(columns, anchors, strict=True)
        if column.dtype == "float64" and (column.categories is None or column.unknown)
        for threshold in sorted({value for value in anchor.thresholds if np.isfinite(value)})
        for value in _neighbours(threshold)
        if column.limit is None or abs(value) <= column.limit
    ]


def _neighbours(threshold: float) -> list[float]:
    """A threshold, the numbers beside it in float64 and in float32, and the border at which rounding tips."""
    narrow = np.float32(threshold)
    below, above = (np.nextafter(narrow, np.float32(side)) for side in (-np.inf, np.inf))
    middle = (float(narrow) + float(above)) / 2
    values: list[NDArray[np.float64] | float] = [
        threshold,
        float(np.nextafter(threshold, -np.inf)),
        float(np.nextafter(threshold, np.inf)),
        float(narrow),
        float(below),
        float(above),
        middle,
    ]
    return [float(value) for value in values if np.isfinite(value)]
