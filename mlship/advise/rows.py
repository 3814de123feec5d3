"""Rows to measure with: made of what the artifact knows, so that no data of the user's is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlship.errors import ModelRefused
from mlship.model.artifact import Artifact
from mlship.model.bulk import laid_out
from mlship.model.golden import Golden
from mlship.model.session import Session
from mlship.model.signature import Column
from mlship.model.trial import trial_rows
from mlship.model.values.codes import Array
from mlship.model.values.records import read_records
from mlship.serve.example import example_record

_MOST_ROWS, _LEAST_ROWS, _MOST_CELLS = 2_000, 100, 100_000
_SEED = 8
_USUAL = 1e6  # golden rows hold extremes, which no one's days are full of
_NUMBERS = ("float32", "float64", "int64")
_TEXTS = ("string", "category")


def varied(session: Session, artifact: Artifact) -> list[dict[str, Any]]:
    """Return records of JSON values that the model accepts, 2,000 or fewer, varied where it knows of several values.

    Columns that the artifact has a baseline of are drawn from it: numbers between the sample's deciles, categories as
    often as they were, and as much null. Others are drawn between the values that trees compare with and the golden
    rows, without the extremes of these.

    Args:
        session: The model, open.
        artifact: Its file.

    Raises:
        ModelRefused: No row is known that the model accepts.
    """
    example = example_record(session)
    if example is None:
        raise ModelRefused(
            "No row is known that the model accepts, so that it cannot be measured.",
            hint="Export it from the fitted model, with --sample.",
            code="no_rows",
        )
    columns = session.signature.inputs
    rows = min(_MOST_ROWS, max(_LEAST_ROWS, _MOST_CELLS // len(columns)))
    made = _drawn(session, artifact, example, rows)
    records = [{column.name: made[column.name][row] for column in columns} for row in range(rows)]
    bad = {error.row for error in read_records(session.signature, records).errors}
    return [record for row, record in enumerate(records) if row not in bad] or [example]


def _drawn(session: Session, artifact: Artifact, example: Mapping[str, Any], rows: int) -> dict[str, list[Any]]:
    random = np.random.default_rng(_SEED)
    signature, card = session.signature, session.card
    baseline: Mapping[str, Any] = (card.baseline or {}).get("columns", {})
    layout = laid_out(artifact.data) if artifact.card is not None else None
    splits = layout.splits if layout is not None else {}
    arrays = trial_rows(signature, _usual(session, example), splits, rows)
    drawn: dict[str, list[Any]] = {}
    for column in signature.inputs:
        described = baseline.get(column.name)
        values = None if described is None else _as_sampled(column, described, random, rows)
        drawn[column.name] = _plain(column, arrays[column.name]) if values is None else values
    return drawn


def _usual(session: Session, example: Mapping[str, Any]) -> Golden:
    """The golden rows without infinities and huge numbers; one row where there are no others."""
    golden, columns = session.card.golden, session.signature.inputs
    if golden is not None and golden.rows:
        usual = np.ones(golden.rows, dtype=np.bool_)
        for column in columns:
            values = golden.inputs[column.name]
            if values.dtype.kind in "fi":
                usual &= np.isnan(values) | (np.abs(values) <= _USUAL)
        if usual.any():
            inputs = {name: values[usual] for name, values in golden.inputs.items()}
            return Golden(int(usual.sum()), golden.tolerance, inputs, {})
    return Golden(1, 0.0, read_records(session.signature, [example]).columns, {})


def _as_sampled(
    column: Column, described: Mapping[str, Any], random: np.random.Generator, rows: int
) -> list[Any] | None:
    """Values as the sample had them, or None where the baseline does not tell."""
    values: list[Any]
    if column.dtype in _NUMBERS and "deciles" in described:
        deciles = np.asarray(described["deciles"], dtype=np.float64)
        numbers = np.interp(random.random(rows) * 10, np.arange(11), deciles)
        values = [_short(number, column.dtype) for number in numbers.tolist()]
    elif column.dtype in _TEXTS and described.get("shares"):
        names = list(described["shares"])
        shares = np.asarray(list(described["shares"].values()), dtype=np.float64)
        values = [names[place] for place in random.choice(len(names), rows, p=shares / shares.sum())]
    else:
        return None
    if column.nullable:
        null = random.random(rows) < described.get("missing", 0.0)
        values = [None if gone else value for gone, value in zip(null, values, strict=True)]
    return values


def _short(number: float, dtype: str) -> float | int:
    """A number as a person would write it."""
    return round(number) if dtype == "int64" else float(f"{number:.6g}")


def _plain(column: Column, values: Array) -> list[Any]:
    """An array of a column as JSON values; null stands for what JSON cannot say."""
    if column.dtype in _TEXTS:
        return list(values.tolist())
    if column.dtype in ("datetime", "date"):
        return [None if value is None else value.isoformat() for value in values.tolist()]
    finite = [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]
    if column.dtype == "bool":
        return [None if value is None else bool(value) for value in finite]
    return [None if value is None else _short(value, column.dtype) for value in finite]
