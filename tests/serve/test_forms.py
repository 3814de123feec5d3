"""All JSON forms of a request say the same, whatever the model's columns are called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.serve.conftest import SumClient
from tests.serve.models import expected_score

FIRST = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
SECOND = {"my age": 4.5, "São é": -1.0, "city": "Lisboa"}
SCORES = [expected_score(1.0, 2.0, "Porto"), expected_score(4.5, -1.0, "Lisboa")]


def post(client: FlaskClient, document: Any) -> Any:
    """Send a document to /predict and return the answer's JSON, which must be a success."""
    answer = client.post("/predict", data=json.dumps(document), content_type="application/json")
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"instances": [FIRST, SECOND]}, id="instances"),
        pytest.param([FIRST, SECOND], id="bare list"),
        pytest.param(
            {"columns": ["city", "São é", "my age"], "data": [["Porto", 2.0, 1.0], ["Lisboa", -1, 4.5]]}, id="columns"
        ),
        pytest.param(
            {"columns": ["x", "city", "São é", "my age"], "data": [[9, "Porto", 2, 1], [None, "Lisboa", -1.0, 4.5]]},
            id="columns with one more",
        ),
        pytest.param([{**FIRST, "id": 7}, {**SECOND, "instances": []}], id="more keys than the model knows"),
    ],
)
def test_forms_of_two_rows(client: FlaskClient, document: Any) -> None:
    """Every form of many rows gives the predictions in the order of the rows."""
    answer = post(client, document)
    assert [row["score"] for row in answer["predictions"]] == SCORES
    assert [row["prediction"] for row in answer["predictions"]] == ["yes", "yes"]
    assert list(answer["predictions"][0]) == ["prediction", "score"]


def test_one_record(client: FlaskClient) -> None:
    """A single record gives a list of one prediction, and the answer says which model made it."""
    answer = post(client, SECOND)
    assert answer["predictions"] == [{"prediction": "yes", "score": SCORES[1]}]
    assert answer["model"]["name"] == "cities"
    assert answer["model"]["version"] == "v1"
    assert len(answer["model"]["digest"]) == 64


@pytest.mark.parametrize(
    "document",
    [[], {"instances": []}, {"columns": ["my age", "São é", "city"], "data": []}, {"columns": [], "data": []}],
)
def test_zero_rows(client: FlaskClient, document: Any) -> None:
    """No rows are no error: the answer has an empty list."""
    assert post(client, document)["predictions"] == []


def test_not_a_number_is_null(client: FlaskClient) -> None:
    """A score that is not a number leaves as null, as JSON has no word for it."""
    answer = client.post("/predict", json={**FIRST, "São é": None})
    assert b'"score":null' in answer.data


@pytest.mark.parametrize(
    ("names", "document", "sums"),
    [
        pytest.param(("instances", "x"), {"instances": 2, "x": 3}, [5], id="record with a column instances"),
        pytest.param(
            ("instances", "x"),
            {"instances": [{"instances": 2, "x": 3}, {"x": 1, "instances": 1}]},
            [5, 2],
            id="form of records with a column instances",
        ),
        pytest.param(("instances",), {"instances": 2}, [2], id="instances is the only column"),
        pytest.param(("instances",), {"instances": [{"instances": 2}]}, [2], id="form although it is the only column"),
        pytest.param(("columns", "data"), {"columns": 2, "data": 3}, [5], id="record with columns and data"),
        pytest.param(
            ("columns", "data"),
            {"columns": ["data", "columns"], "data": [[1, 2], [3, 4]]},
            [3, 7],
            id="form with columns named columns and data",
        ),
        pytest.param(("data", "x"), {"columns": ["x", "data"], "data": [[1, 2]]}, [3], id="form with a column data"),
        pytest.param(("data", "x"), {"data": 1, "x": 2, "columns": ["a"]}, [3], id="record with more keys"),
        pytest.param(("x",), {"instances": 5, "x": 2}, [2], id="instances is carried along"),
        pytest.param(("x",), {"instances": [{"x": 2}], "signature_name": "x"}, [2], id="form with more keys"),
    ],
)
def test_column_names_that_look_like_a_form(
    sum_client: SumClient, names: tuple[str, ...], document: Any, sums: list[int]
) -> None:
    """The signature decides whether a name is a column of the model or part of a form."""
    answer = post(sum_client(*names), document)
    assert [row["prediction"] for row in answer["predictions"]] == sums


def test_list_under_a_models_own_column_is_a_bad_value(sum_client: SumClient) -> None:
    """Beside other columns of the model, a list under its column `instances` is a value, and refused as one."""
    answer = sum_client("instances", "x").post("/predict", json={"instances": [1], "x": 2})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["error"]["rows"] == [{"row": 0, "column": "instances", "code": "not_a_number"}]


def test_many_rows_keep_their_order(sum_client: SumClient) -> None:
    """Rows beyond one internal block come back complete and in order, in both forms."""
    rows = 40_000
    client = sum_client("a", "b", rows=rows)
    records = post(client, [{"a": row, "b": 1} for row in range(rows)])
    table = post(client, {"columns": ["b", "a"], "data": [[1, row] for row in range(rows)]})
    assert [row["prediction"] for row in records["predictions"]] == [row + 1 for row in range(rows)]
    assert records == table


def test_bad_row_beyond_the_first_block_is_named(sum_client: SumClient) -> None:
    """A refused value far down in a request is named by its row in the whole request."""
    rows: list[Any] = [{"a": 1, "b": 2}] * 39_000 + [{"a": 1, "b": "text"}, [], {"a": 1}]
    answer = sum_client("a", "b", rows=40_000).post("/predict", json=rows)
    assert answer.json is not None
    assert answer.json["error"]["rows"] == [
        {"row": 39_000, "column": "b", "code": "not_a_number"},
        {"row": 39_001, "column": None, "code": "bad_json"},
        {"row": 39_002, "column": "b", "code": "missing_column"},
    ]
