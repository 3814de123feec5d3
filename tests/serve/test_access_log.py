"""The access log of a running server: one line of JSON for each answer, whatever clients send."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from mlship.serve.desk import trace_of
from tests.serve.server import JSON, Server, serving

GOOD = {"my age": 31337.25, "São é": 2.0, "city": "Porto"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def _lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.stderr().splitlines() if line.startswith('{"ts"')]


def _line(server: Server, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [line for line in _lines(server) if line.get("request_id") == request_id]
        if found:
            (line,) = found
            return line
        time.sleep(0.05)
    raise AssertionError(server.stderr())


def test_a_line_tells_the_answer(server: Server) -> None:
    """A line has who asked what, and what came of it, under the id that the answer carries."""
    answer = server.ask("POST", "/predict", GOOD)
    line = _line(server, answer.headers["x-request-id"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert 0 < line.pop("ms") < 10_000
    del line["request_id"]
    assert line == {
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "model": "cities",
        "protocol": "predict",
        "rows": 1,
        "bytes_in": len(json.dumps(GOOD)),
        "bytes_out": len(answer.body),
    }


def test_a_trace_names_the_request(server: Server) -> None:
    """The trace id of a valid traceparent is the request's, unless it has an id of its own; the log has both."""
    answer = server.ask("POST", "/predict", GOOD, headers={**JSON, "traceparent": PARENT})
    assert answer.headers["x-request-id"] == TRACE
    assert _line(server, TRACE)["trace_id"] == TRACE
    headers = {**JSON, "traceparent": PARENT, "X-Request-Id": "mine-1"}
    assert server.ask("POST", "/predict", GOOD, headers=headers).headers["x-request-id"] == "mine-1"
    assert _line(server, "mine-1")["trace_id"] == TRACE


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        pytest.param(PARENT, TRACE, id="version 00"),
        pytest.param(f"cc{PARENT[2:]}-what-comes", TRACE, id="a later version with more"),
        pytest.param(f"{PARENT}-more", "", id="version 00 with more"),
        pytest.param(f"ff{PARENT[2:]}", "", id="version ff"),
        pytest.param(PARENT.upper(), "", id="capitals"),
        pytest.param(f"00-{'0' * 32}-00f067aa0ba902b7-01", "", id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", "", id="no parent"),
        pytest.param(f"{PARENT}\n", "", id="a line end"),
        pytest.param("", "", id="empty"),
    ],
)
def test_traceparent_is_taken_when_valid(parent: str, trace: str) -> None:
    """A traceparent is read as W3C Trace Context says, and what is not one is no one's."""
    assert trace_of(parent) == trace


def test_hostile_requests_stay_one_line(server: Server) -> None:
    """Line ends, terminal codes and quotes in a path, an id or a method break no line and reach no terminal."""
    before = len(_lines(server))
    server.raw(b'GET /a\x9b31m"},{%0d%0a\xc3\xa9?secret=1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x1b[31m"b\r\n\r\n')
    server.raw(b"GET /" + b"long" * 500 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    server.raw(b"G@T / HTTP/9\r\n\r\n")
    answer = server.ask("GET", "/end")
    _line(server, answer.headers["x-request-id"])
    time.sleep(0.6)
    text = server.stderr()
    assert len(_lines(server)) == before + 4
    logged = [line for line in text.splitlines() if line.startswith('{"ts"')]
    assert all(line.isascii() and line.isprintable() and len(line) < 700 for line in logged)
    assert "secret" not in text


def test_refusals_of_connections_have_their_lines(server: Server) -> None:
    """A body that is refused before it came, and what is no HTTP at all, are logged with what is known of them."""
    server.ask("POST", "/predict", b" " * (2 << 20))
    server.raw(b"NOT HTTP\r\n\r\n")
    answer = server.ask("GET", "/livez")
    _line(server, answer.headers["x-request-id"])
    time.sleep(0.6)
    told = [(line.get("method"), line.get("path"), line["code"]) for line in _lines(server) if "request_id" not in line]
    assert ("POST", "/predict", "body_too_large") in told
    assert (None, None, "bad_request") in told


def test_no_value_is_logged(server: Server) -> None:
    """Neither values of rows, good or refused, nor a token, nor the query get into the log."""
    headers = {**JSON, "Authorization": "Bearer tok-731", "Cookie": "c-731"}
    server.ask("POST", "/predict?q=val-731", {**GOOD, "my age": 731731.5}, headers=headers)
    server.ask("POST", "/predict?q=val-731", {**GOOD, "my age": "val-731"}, headers=headers)
    answer = server.ask("POST", "/predict", b'{"my age": "val-731', headers=headers)
    _line(server, answer.headers["x-request-id"])
    time.sleep(0.6)
    assert "731" not in re.sub(r'"(ts|request_id|ms)":[^,}]*', "", server.stderr())


def test_every_answer_has_its_line_at_the_end(city_path: Path) -> None:
    """A server that stops writes the lines that wait, one for each answer."""
    with serving(city_path, "--workers", "2", "--threads", "2") as server:
        ids = {server.ask("POST", "/predict", GOOD).headers["x-request-id"] for _ in range(200)}
        assert server.stop() == 0
        assert {line["request_id"] for line in _lines(server)} == ids
        assert len(_lines(server)) == 200


def test_the_log_can_be_off(city_path: Path) -> None:
    """Without an access log nothing is written of an answer."""
    with serving(city_path, "--workers", "1", "-q") as server:
        server.ask("POST", "/predict", GOOD)
        assert server.stop() == 0
        assert _lines(server) == []
