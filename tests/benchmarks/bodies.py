"""Bodies of requests, the same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.benchmarks.rows import COLUMNS, DECIMALS


def _rows(count: int) -> list[list[float]]:
    dice = random.Random(0)  # noqa: S311 - made-up rows
    return [[round(dice.gauss(0, 1), DECIMALS) for _ in COLUMNS] for _ in range(count)]


def records(key: str, count: int) -> bytes:
    """Return rows as records under a key."""
    return json.dumps({key: [dict(zip(COLUMNS, row, strict=True)) for row in _rows(count)]}).encode()


def single_rows(count: int) -> Iterator[bytes]:
    """Return bodies of one row each, none like another."""
    for row in _rows(count):
        yield json.dumps({"instances": [dict(zip(COLUMNS, row, strict=True))]}).encode()


def tensor(count: int) -> bytes:
    """Return rows as one tensor of the Open Inference Protocol."""
    data = [value for row in _rows(count) for value in row]
    given = {"name": "input", "shape": [count, len(COLUMNS)], "datatype": "FP64", "data": data}
    return json.dumps({"inputs": [given]}).encode()
