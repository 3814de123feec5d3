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


def example_record(session: Session) -> dict[str, Any] | None:
    """Return a record as JSON values that the model was seen to answer, or None when none was found.

    The golden rows come first, those without nulls before the others; they are synthetic, so no one's data
    is shown. A model without them is asked with a made-up row.
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
    if golden is not None:
        records = [
            {column.name: _value(column, golden.inputs[column.name], row) for column in columns}
            for row in range(golden.rows)
        ]
        records.sort(key=lambda record: sum(value is None for value in record.values()))  # stable
        yield from records
    yield {column.name: column.categories[0] if column.categories else _PLAIN[column.dtype] for column in columns}
    yield {column.name: None for column in columns}


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
