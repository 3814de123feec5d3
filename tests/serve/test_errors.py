"""Every error is JSON of one shape, with the right status, and shows no data."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from flask.testing import FlaskClient

from mlship.errors import ModelRefused
from mlship.model.session import Session, SessionSpec, open_session
from tests.serve.conftest import SumClient
from tests.serve.models import city_model
from tests.serve.server import application

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
JSON = "application/json"
LONGER = {"CONTENT_LENGTH": "500"}


def error_of(client: FlaskClient, body: Any, status: int, **request: Any) -> Any:
    """Send a body to /predict, expect a status, and return the error."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/predict", **{"data": data, "content_type": JSON, **request})
    assert answer.status_code == status, answer.text
    return checked(answer)


def checked(answer: Any) -> Any:
    """Return the error of an answer that has the one form of all errors."""
    assert answer.mimetype == JSON
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    body = json.loads(answer.data)
    assert list(body) == ["error"]
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "rows"}
    return body["error"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b"", "line 1, column 1", id="empty"),
        pytest.param(b'{"my age": secret}', "line 1, column 12", id="bare word"),
        pytest.param(b'[{"my age": NaN}]', "line 1, column 13", id="NaN"),
        pytest.param(b'[{"my age": -Infinity}]', "line 1, column 1", id="Infinity"),
        pytest.param(b"[1e400]", "line 1, column 2", id="number too large for a double"),
        pytest.param(b'[{"my age": 1},]', "line 1, column 1", id="comma too many"),
        pytest.param(b"[]\n[]", "line 2, column 1", id="text after the end"),
        pytest.param(b"\xef\xbb\xbf[]", "line 1, column 1", id="byte order mark"),
        pytest.param('["é"]'.encode("latin-1"), "line 1, column 1", id="not UTF-8"),
        pytest.param(b'["\\ud800"]', "line 1, column 3", id="lone surrogate"),
        pytest.param(b"[" * 1_500, "line 1", id="nested too deeply"),
    ],
)
def test_what_is_no_json_is_400(client: FlaskClient, body: bytes, place: str) -> None:
    """A body that cannot be parsed is 400 with the place, and without what stands there."""
    error = error_of(client, body, 400)
    assert error["code"] == "bad_json"
    assert place in error["message"]
    assert "secret" not in error["message"]


def test_nan_is_explained(client: FlaskClient) -> None:
    """Who sends NaN is told what to send instead."""
    assert "a missing value is null" in error_of(client, b"[NaN]", 400)["message"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param(5, "bad_shape", id="number"),
        pytest.param("text", "bad_shape", id="text"),
        pytest.param(None, "bad_shape", id="null"),
        pytest.param({"instances": GOOD}, "bad_shape", id="instances is an object"),
        pytest.param({"columns": ["my age"]}, "bad_shape", id="columns without data"),
        pytest.param({"data": [[1]]}, "bad_shape", id="data without columns"),
        pytest.param({"columns": "my age", "data": [[1]]}, "bad_shape", id="columns is text"),
        pytest.param({"columns": [1], "data": [[1]]}, "bad_shape", id="a column is a number"),
        pytest.param({"instances": [], "columns": [], "data": []}, "bad_shape", id="two forms at once"),
        pytest.param({"columns": ["a", "b", "a"], "data": [[1, 2, 3]]}, "duplicate_column", id="name twice"),
    ],
)
def test_wrong_shape_is_400(client: FlaskClient, document: Any, code: str) -> None:
    """JSON that has none of the forms is 400."""
    assert error_of(client, document, 400)["code"] == code


def test_duplicate_name_is_found_quickly_and_cut(sum_client: SumClient) -> None:
    """Of a hundred thousand names the one that occurs twice is found at once, and named in short."""
    names = [f"name {number}" for number in range(100_000)] + ["x" * 5_000] * 2
    message = error_of(sum_client("a"), {"columns": names, "data": []}, 400)["message"]
    assert "x" * 100 in message
    assert len(message) < 200


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        pytest.param([{**GOOD, "my age": "31"}], [(0, "my age", "not_a_number")], id="text for a number"),
        pytest.param([{**GOOD, "my age": True}], [(0, "my age", "not_a_number")], id="true for a number"),
        pytest.param([{**GOOD, "my age": None}], [(0, "my age", "null_not_allowed")], id="null"),
        pytest.param([{**GOOD, "my age": [1]}], [(0, "my age", "not_a_number")], id="list for a number"),
        pytest.param([{**GOOD, "my age": 10**400}], None, id="integer beyond all doubles"),
        pytest.param([{**GOOD, "city": 5}], [(0, "city", "not_a_string")], id="number for a text"),
        pytest.param([{**GOOD, "city": "Faro"}], [(0, "city", "unknown_category")], id="unknown category"),
        pytest.param([GOOD, {"my age": 1, "city": "Porto"}], [(1, "São é", "missing_column")], id="missing key"),
        pytest.param(
            {},
            [(0, "my age", "missing_column"), (0, "São é", "missing_column"), (0, "city", "missing_column")],
            id="empty record",
        ),
        pytest.param(
            {"columns": ["my age", "city"], "data": [[1, "Porto"], [2, "Porto"]]},
            [(0, "São é", "missing_column"), (1, "São é", "missing_column")],
            id="missing column",
        ),
        pytest.param(
            {"columns": ["my age", "São é", "city"], "data": [[1, 2, "Porto"], [1, 2], ["x", 2, "Porto"], [1] * 4]},
            [(1, None, "wrong_field_count"), (2, "my age", "not_a_number"), (3, None, "wrong_field_count")],
            id="rows of wrong length",
        ),
        pytest.param(
            {"columns": ["my age", "São é", "city"], "data": [{"my age": 1}]}, [(0, None, "bad_json")], id="no list"
        ),
        pytest.param([1, GOOD, None], [(0, None, "bad_json"), (2, None, "bad_json")], id="rows that are no objects"),
    ],
)
def test_bad_cells_are_422(client: FlaskClient, document: Any, rows: list[tuple[int, str | None, str]] | None) -> None:
    """Refused values are 422 and named by row from 0, column and code."""
    if rows is None:  # orjson reads such an integer as no number at all
        assert error_of(client, document, 400)["code"] == "bad_json"
        return
    error = error_of(client, document, 422)
    assert error["code"] == "input_refused"
    assert [(row["row"], row["column"], row["code"]) for row in error["rows"]] == rows


def test_message_tells_kind_but_no_value(client: FlaskClient) -> None:
    """The message says where and what kind of thing was found, and never the thing itself."""
    error = error_of(client, {**GOOD, "my age": "top secret"}, 422)
    assert error["message"] == "1 value was refused. In row 0, column 'my age': not a number (text, 10 characters)."


def test_listed_rows_are_capped_and_counted(sum_client: SumClient) -> None:
    """Of many refused values a hundred are listed, and the message counts them all."""
    error = error_of(sum_client("a", "b"), [{"a": "x", "b": 1}] * 5_000, 422)
    assert len(error["rows"]) == 100
    assert error["rows"][-1] == {"row": 99, "column": "a", "code": "not_a_number"}
    assert error["message"].startswith("5,000 values were refused, of which the first 100 are listed.")


def test_counting_ends_somewhere(sum_client: SumClient) -> None:
    """A small body that misses millions of values is refused without counting each of them."""
    names = [f"c{number}" for number in range(1_000)]
    error = error_of(sum_client(*names), [{}] * 10_000, 422)
    assert error["message"].startswith("More than ")
    assert len(error["rows"]) == 100


def test_bodies_up_to_the_limit(client: FlaskClient) -> None:
    """A body of exactly the limit is scored, and one byte more is 413."""
    body = json.dumps(GOOD).encode()
    exact = body + b" " * (2_000 - len(body))
    assert client.post("/predict", data=exact, content_type=JSON).status_code == 200
    assert error_of(client, exact + b" ", 413)["code"] == "body_too_large"


def test_rows_up_to_the_limit(client: FlaskClient) -> None:
    """As many rows as allowed are scored, and one more is 413 with both numbers."""
    assert client.post("/predict", json=[GOOD] * 4).status_code == 200
    error = error_of(client, [GOOD] * 5, 413)
    assert error["code"] == "too_many_rows"
    assert "5 rows" in error["message"]
    assert "up to 4" in error["message"]


def test_body_shorter_than_announced_is_never_scored(client: FlaskClient) -> None:
    """A body that ends early is refused even when what arrived is complete JSON."""
    answer = client.post("/predict", data=json.dumps(GOOD), content_type=JSON, environ_overrides=LONGER)
    assert answer.status_code == 400
    assert checked(answer)["code"] in {"body_cut_short", "body_broken"}


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json; charset=utf-8", "Application/JSON", "application/vnd.acme+json", "text/x+json"],
)
def test_json_content_types(client: FlaskClient, content_type: str) -> None:
    """JSON is taken under its own name and under every +json name."""
    assert client.post("/predict", data=json.dumps(GOOD), content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/markdown", "application/jsonx"]
)
def test_other_content_types_are_415(client: FlaskClient, content_type: str | None) -> None:
    """Anything else is 415 and told which header to send."""
    error = error_of(client, GOOD, 415, content_type=content_type)
    assert error["code"] == "unsupported_media_type"
    assert "'Content-Type: application/json'" in error["message"]


def test_compressed_body_is_415(client: FlaskClient) -> None:
    """A compressed body is refused rather than parsed as JSON."""
    error = error_of(client, GOOD, 415, headers={"Content-Encoding": "gzip"})
    assert error["code"] == "unsupported_encoding"


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html, */*;q=0.1", ""])
def test_accepted_answers(client: FlaskClient, accept: str) -> None:
    """Every Accept header that lets JSON in is served."""
    assert client.post("/predict", json=GOOD, headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("accept", ["text/markdown", "text/html, image/*", "application/json;q=0", "*/*;q=0"])
def test_excluded_answers_are_406(client: FlaskClient, accept: str) -> None:
    """An Accept header that excludes JSON is 406."""
    assert error_of(client, GOOD, 406, headers={"Accept": accept})["code"] == "not_acceptable"


@pytest.mark.parametrize("path", ["/", "/predict/", "//predict", "//livez", "/models", "/predict/%2e%2e", "/static/x"])
def test_unknown_paths_are_404(client: FlaskClient, path: str) -> None:
    """A path that is not served is 404 in JSON, never a redirect."""
    answer = client.post(path, json=GOOD)
    assert answer.status_code == 404
    assert checked(answer)["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("DELETE", "/predict", "POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("PUT", "/readyz", "GET, HEAD"),
    ],
)
def test_wrong_methods_are_405(client: FlaskClient, method: str, path: str, allow: str) -> None:
    """A method that a path does not take is 405 in JSON, with the Allow header."""
    answer = client.open(path, method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allow
    assert checked(answer)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        pytest.param(RuntimeError("secret 4711"), 500, "bug", id="bug"),
        pytest.param(
            ModelRefused("'/secret/path' failed on 4711", code="runtime_failed"), 503, "runtime_failed", id="ours"
        ),
    ],
)
def test_failures_of_the_server_show_nothing(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    raised: Exception,
    status: int,
    code: str,
) -> None:
    """An error that is not the client's has the status of its class; its text reaches neither answer nor log."""
    session = open_session(SessionSpec(city_model()))

    def fail(_columns: Any) -> Any:
        raise raised

    monkeypatch.setattr(session, "predict", fail)
    with caplog.at_level(logging.ERROR):
        error = error_of(application(session).test_client(), GOOD, status)
    assert error["code"] == code
    for word in ("secret", "4711"):
        assert word not in error["message"] + caplog.text
    assert f" failed: {type(raised).__name__}" in caplog.text


def test_debug_mode_of_flask_changes_nothing(monkeypatch: pytest.MonkeyPatch, city_session: Session) -> None:
    """FLASK_DEBUG in the environment brings no debugger and no traceback."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    app = application(city_session)
    assert not app.debug
    assert error_of(app.test_client(), b"[", 400)["code"] == "bad_json"
