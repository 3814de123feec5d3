"""The promise: the original, batch and HTTP give the same answers, and the last two the same bits."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier

from tests.parity.road import PENGUINS, Road

GOAL = 1e-12
"""Largest difference of a number from the original's, relative to the largest in its column."""


def post(url: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask the server about rows and return its predictions."""
    body = json.dumps({"instances": rows}).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  loopback
        found: list[dict[str, Any]] = json.load(answer)["predictions"]
    return found


def records(road: Road) -> list[dict[str, Any]]:
    """Return the rows of the sample's CSV as JSON values, a missing one as null."""
    frame = road.frame[road.features].astype(object)
    return [dict(row) for row in frame.where(frame.notna(), None).to_dict("records")]


def answers_of_record(road: Road) -> pd.DataFrame:
    """Return what the original says of every row, under the names that mlship gives."""
    table = road.frame[road.features]
    answers = pd.DataFrame({"prediction": road.original.predict(table)})
    if is_classifier(road.original):
        shares = road.original.predict_proba(table)
        for index, label in enumerate(road.original.classes_):
            answers[f"probability_{label}"] = shares[:, index]
    return answers


def groups(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut rows into requests of changing sizes, so that a row meets ever other neighbours."""
    sizes = (1, 2, 7, 100)
    at = turn = 0
    while at < len(rows):
        size = sizes[turn % len(sizes)]
        yield rows[at : at + size]
        at, turn = at + size, turn + 1


def is_number(column: str, answers: pd.DataFrame) -> bool:
    """Tell whether a column is a number, not a label."""
    return bool(answers[column].dtype.kind == "f")


def test_batch_equals_the_original(road: Road) -> None:
    """Batch gives every row the original's label, and numbers within 1e-12 of the original's."""
    expected, scored = answers_of_record(road), road.scored

    assert len(scored) == len(expected)
    for column in expected:
        if is_number(column, expected):
            numbers = expected[column].to_numpy()
            apart = np.abs(scored[column].astype(float).to_numpy() - numbers).max() / np.abs(numbers).max()
            assert apart <= GOAL, column
        else:
            assert scored[column].tolist() == expected[column].astype(str).tolist()


def test_http_gives_the_bits_of_batch(road: Road) -> None:
    """A request, whatever its size, gives each row the very bits that batch wrote for it."""
    answered = [answer for group in groups(records(road)) for answer in post(road.url, group)]
    expected, scored = answers_of_record(road), road.scored

    assert len(answered) == len(scored)
    for column in expected:
        texts = scored[column].tolist()
        if is_number(column, expected):
            assert [answer[column].hex() for answer in answered] == [float(text).hex() for text in texts]
        else:
            assert [str(answer[column]) for answer in answered] == texts


def test_kept_columns_come_first_as_they_were(road: Road) -> None:
    """Batch carries every field of the input along, its text unchanged, before the output columns."""
    given = pd.read_csv(road.folder / "input.csv", dtype=str, keep_default_na=False)
    scored = road.scored

    assert list(scored) == [*given, *answers_of_record(road)]
    pd.testing.assert_frame_equal(scored[list(given)], given)


@pytest.mark.parametrize("road", [PENGUINS], ids=["penguins"], indirect=True)
@pytest.mark.parametrize("column", ["bill_length_mm", "sex"])
def test_a_missing_value_scores_as_the_original_scores_it(road: Road, column: str) -> None:
    """A penguin without a number or without a text gets the original's own answer, in batch and over HTTP."""
    gone = np.flatnonzero(road.frame[column].isna().to_numpy()).tolist()
    expected, scored = answers_of_record(road), road.scored
    answered = post(road.url, [records(road)[row] for row in gone])

    assert gone
    for row, answer in zip(gone, answered, strict=True):
        assert scored["prediction"][row] == answer["prediction"] == expected["prediction"][row]
        for name in [name for name in expected if name.startswith("probability_")]:
            assert float(scored[name][row]) == answer[name] == pytest.approx(expected[name][row], rel=0, abs=GOAL)
