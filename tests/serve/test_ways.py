"""The way ahead of Flask's routing and the way through it are one: the same bytes, headers and notes."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from mlship.model.session import Session, SessionSpec, open_session
from mlship.serve.app import App
from mlship.serve.exchange import Exchange
from mlship.serve.settings import Limits
from tests.serve.models import sum_model
from tests.serve.server import application

CITY = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
JSON = "application/json"


@pytest.fixture
def noted(city_session: Session) -> tuple[App, list[Exchange]]:
    """An application for the model of cities, and the exchanges that it has told of."""
    app = application(city_session, Limits(body=2_000, rows=4))
    seen: list[Exchange] = []
    app.desk.observers = (seen.append,)
    return app, seen


def ask(app: App, body: bytes, *, ahead: bool, **environ: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Call the application as the worker does, or as any other WSGI server."""
    told: list[Any] = []
    request: dict[str, Any] = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/predict", "QUERY_STRING": "", "SERVER_NAME": "x",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": JSON, "HTTP_X_REQUEST_ID": "same", "wsgi.errors": None,
        **environ,
    }  # fmt: skip
    if ahead:
        request["mlship.body"] = body

    def start(*started: Any) -> Any:
        told.append(started)

    answer = b"".join(app(request, start))
    return told[0][0], told[0][1], answer


@pytest.mark.parametrize(
    ("body", "environ"),
    [
        pytest.param(json.dumps(CITY).encode(), {}, id="one record"),
        pytest.param(json.dumps([CITY] * 4).encode(), {}, id="records"),
        pytest.param(json.dumps([CITY] * 5).encode(), {}, id="too many rows"),
        pytest.param(b"[", {}, id="no JSON"),
        pytest.param(b'[{"my age": "x"}]', {}, id="bad values"),
        pytest.param(b'[{"my age": "x"}]', {"QUERY_STRING": "on_error=reject"}, id="rejected"),
        pytest.param(b"[]", {"CONTENT_TYPE": "text/plain"}, id="content type"),
        pytest.param(b"[]", {"HTTP_ACCEPT": "image/png"}, id="accept"),
        pytest.param(b"[]", {"HTTP_CONTENT_ENCODING": "gzip"}, id="encoding"),
        pytest.param(b"[]", {"PATH_INFO": "/models/cities/predict"}, id="by name"),
        pytest.param(b"[]", {"PATH_INFO": "/models/other/predict"}, id="unknown name"),
        pytest.param(b"[]", {"PATH_INFO": "/other"}, id="unknown path"),
    ],
)
def test_both_ways_are_one(noted: tuple[App, list[Exchange]], body: bytes, environ: dict[str, str]) -> None:
    """Status, headers, body and what is noted are the same whether the worker hands over the body or Flask reads it."""
    app, seen = noted
    first, second = (ask(app, body, ahead=ahead, **environ) for ahead in (True, False))
    assert first[0].split()[0] == second[0].split()[0]
    assert sorted(first[1]) == sorted(second[1])
    assert first[2] == second[2]
    notes = [(one.status, one.code, one.size, one.request_id, one.endpoint) for one in seen]
    assert len(notes) == 2
    assert notes[0] == notes[1]


@pytest.mark.parametrize("given", ["a b", "x" * 65, "a\r\nSet-Cookie: b", "", "ü"])
def test_request_id_of_a_client_is_looked_at(noted: tuple[App, list[Exchange]], given: str) -> None:
    """A request id that is more than letters and digits is not taken over, and another one is given."""
    app, _ = noted
    headers = dict(ask(app, b"[]", ahead=True, HTTP_X_REQUEST_ID=given)[1])
    assert headers["X-Request-Id"] != given
    assert len(headers["X-Request-Id"]) == 16


def test_plain_records_get_the_bits_of_columns() -> None:
    """Rows that go straight into the graph's matrix are answered as those that go through typed columns."""
    names = tuple(f"x{place}" for place in range(5))
    app = application(open_session(SessionSpec(sum_model(names))))
    rows = [[0.1 * place + row / 7 for place in range(5)] for row in range(40)]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    plain = ask(app, json.dumps(records).encode(), ahead=True)[2]
    columns = ask(app, json.dumps({"columns": names, "data": rows}).encode(), ahead=True)[2]
    assert plain == columns
