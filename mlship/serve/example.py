"""A record that a model accepts, to show how it is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mlship.errors import ModelRefused
from mlship.model.session import Session
from mlship.model.signature import Column
from mlship.model.values.codes import Array
from mlship.model.values.records import read_records

_PLAIN: dict[str, Any] = {
    "bool": True,
    "int64": 1,
    "float32": 1.0,
    "float64": 1.0,
    "string": "text",
    "category": "text",
    "datetime": "2026-01-31T12:00:00",
    "date": "2026-01-31",
}


_USUAL = (0, 1e6)  # no nulls, and numbers that a person would write


def example_record(session: Session) -> dict[str, Any] | None:
    """Return a record as JSON values that the model was seen to answer, or None when none was found.

    Golden rows without nulls and extremes come first; they are synthetic, so no one's data is shown. Then a
    made-up row is tried, and then the other golden rows.
    """
    for record in _candidates(session):
        read = read_records(session.signature, [record])
        if read.errors:
            continue
        try:
            session.predict(read.columns)
        except ModelRefused:
            continue
        return record
    return None


def _candidates(session: Session) -> Iterator[dict[str, Any]]:
    columns = session.signature.inputs
    golden = session.card.golden
    records: list[dict[str, Any]] = []
    if golden is not None:
        records = [
            {column.name: _value(column, golden.inputs[column.name], row) for column in columns}
            for row in range(golden.rows)
        ]
        yield from sorted((record for record in records if _oddity(record) <= _USUAL), key=_oddity)
    yield {column.name: column.categories[0] if column.categories else _PLAIN[column.dtype] for column in columns}
    yield from records
    yield {column.name: None for column in columns}


def _oddity(record: dict[str, Any]) -> tuple[int, float]:
    """How little a record looks like a usual one: its nulls, then its largest number."""
    numbers = [abs(value) for value in record.values() if isinstance(value, int | float)]
    return sum(value is None for value in record.values()), max(numbers, default=0)


def _value(column: Column, values: Array, row: int) -> Any:
    """One cell as a short JSON value: six digits are enough to show, and null stands for what JSON cannot say."""
    value = values[row].item() if column.dtype not in ("string", "category") else values[row]
    if value is None:
        return None
    if column.dtype in ("datetime", "date"):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if column.dtype == "bool":
        return bool(value)
    if column.dtype == "int64":
        return int(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value
