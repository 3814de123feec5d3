"""`?on_error=reject`: rows that are refused get null, and the others their answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.serve.conftest import SumClient
from tests.serve.models import expected_score

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
BAD = {"my age": "x", "São é": 2.0, "city": "Paris"}
SCORE = expected_score(1.0, 2.0, "Porto")


def post(client: FlaskClient, document: Any, query: str = "?on_error=reject") -> Any:
    """Send a document and return the status and the answer's JSON."""
    answer = client.post(f"/predict{query}", data=json.dumps(document), content_type="application/json")
    return answer.status_code, json.loads(answer.data)


@pytest.mark.parametrize(
    ("rows", "scores"),
    [
        ([GOOD, BAD, GOOD], [SCORE, None, SCORE]),
        ([BAD], [None]),
        ([BAD, 5, GOOD], [None, None, SCORE]),
        ([GOOD, GOOD], [SCORE, SCORE]),
        ([], []),
    ],
)
def test_refused_rows_are_null(client: FlaskClient, rows: list[Any], scores: list[float | None]) -> None:
    """Each row keeps its place; null stands where one was refused, and `rejected` tells each reason."""
    status, answer = post(client, rows)
    assert status == 200
    assert [row and row["score"] for row in answer["predictions"]] == scores
    assert {error["row"] for error in answer["rejected"]} == {row for row, score in enumerate(scores) if score is None}


def test_reasons_are_those_of_a_refusal(client: FlaskClient) -> None:
    """`rejected` lists what the refusal of the whole request would list."""
    _, rejected = post(client, [GOOD, BAD])
    status, refused = post(client, [GOOD, BAD], query="")
    assert status == 422
    assert rejected["rejected"] == refused["error"]["rows"]
    assert [error["code"] for error in rejected["rejected"]] == ["not_a_number", "unknown_category"]


def test_without_it_there_is_no_list(client: FlaskClient) -> None:
    """An answer in which nothing may be rejected says nothing of it."""
    assert "rejected" not in post(client, [GOOD], query="")[1]


def test_what_is_no_list_of_rows_is_refused_all_the_same(client: FlaskClient) -> None:
    """A body that has no rows at all is 400, and too many rows are 413."""
    assert post(client, 5)[0] == 400
    assert post(client, [BAD] * 5)[0] == 413


@pytest.mark.parametrize("rows", [[], [{"a": 1.0, "b": 2.0}]])
def test_clean_rows_of_a_model_of_numbers_have_a_list_too(sum_client: SumClient, rows: list[Any]) -> None:
    """The shape of an answer depends on what was asked for, not on the rows."""
    status, answer = post(sum_client("a", "b"), rows)
    assert status == 200
    assert answer["rejected"] == []
    assert len(answer["predictions"]) == len(rows)


def test_other_values_are_refused(client: FlaskClient) -> None:
    """A value of on_error that means nothing is 400, and `refuse` is what happens without it."""
    status, answer = post(client, [GOOD], query="?on_error=rejct")
    assert (status, answer["error"]["code"]) == (400, "bad_query")
    assert post(client, [GOOD, BAD], query="?on_error=refuse")[0] == 422
