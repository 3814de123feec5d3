"""What campaigns ask the model of cities, and what it has to answer."""

from __future__ import annotations

import json

from tests.benchmarks.link import Got, get, post
from tests.serve.models import CITIES, NUMBERS, expected_score


def row(number: int) -> dict[str, float | str]:
    """Return a row that no other number has."""
    return {NUMBERS[0]: float(number), NUMBERS[1]: float(number % 7), "city": list(CITIES)[number % 2]}


def body(number: int, rows: int = 1) -> bytes:
    """Return the rows from a number on, as a body."""
    return json.dumps([row(number + place) for place in range(rows)]).encode()


def ask(number: int, rows: int = 1, *, close: bool = False) -> bytes:
    """Return the bytes of a request for these rows."""
    return post("/predict", body(number, rows), close=close)


def score(number: int) -> float:
    """Return what is to be answered."""
    return expected_score(float(number), float(number % 7), list(CITIES)[number % 2])


def judged(number: int, got: Got) -> str:
    """Count an answer by its status, and one that belongs to other rows as `mixed`."""
    if got.status != 200:
        return str(got.status)
    found = json.loads(got.body)["predictions"]
    return "200" if [one["score"] for one in found] == [score(number)] else "mixed"


BAD_ROWS = post("/predict", json.dumps([{NUMBERS[0]: "x", NUMBERS[1]: None, "city": "Nowhere"}]).encode())
BAD_JSON = post("/predict", b'[{"my age": 1,')
UNKNOWN = get("/nothing/here")
