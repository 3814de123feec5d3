"""Limits and framing over real connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from pathlib import Path

import pytest

from tests.serve.models import expected_score
from tests.serve.server import JSON, Server, answer_of, read_answer

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
SCORE = expected_score(1.0, 2.0, "Porto")
LIMIT = 1 << 20
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def padded(size: int) -> bytes:
    """Return a good body of exactly so many bytes."""
    body = json.dumps(GOOD).encode()
    return body + b" " * (size - len(body))


def chunked(body: bytes, size: int = 65_536) -> bytes:
    """Return a body in chunks of a size."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_prediction_over_http(server: Server) -> None:
    """A request is answered with the model's own number and the headers of every answer."""
    answer = server.ask("POST", "/predict", GOOD)
    assert answer.status == 200
    assert answer.json["predictions"] == [{"prediction": "yes", "score": SCORE}]
    assert answer.json["model"] == server.ready["model"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not any(letter.isdigit() for letter in answer.headers.get("server", ""))


@pytest.mark.parametrize("in_chunks", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize(
    ("size", "status"),
    [
        pytest.param(LIMIT, 200, id="at the limit"),
        pytest.param(LIMIT + 1, 413, id="one byte more"),
        pytest.param(8 * LIMIT, 413, id="far beyond"),
    ],
)
def test_body_limit(server: Server, in_chunks: bool, size: int, status: int) -> None:
    """A body up to the limit is scored and a longer one is 413, whether its length is announced or not."""
    body = padded(size)
    framed = (
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body)
        if in_chunks
        else b"Content-Length: %d\r\n\r\n" % size + body
    )
    answer = server.raw(HEAD + framed)
    assert answer.status == status
    if status == 413:
        assert answer.json["error"]["code"] == "body_too_large"
    else:
        assert answer.json["predictions"] == [{"prediction": "yes", "score": SCORE}]


def test_announced_length_is_refused_before_it_is_sent(server: Server) -> None:
    """A client that announces too much is told at once, before it sends anything."""
    answer = server.raw(HEAD + b"Content-Length: 1000000000\r\n\r\n")
    assert answer.status == 413


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(b"Content-Length: 500\r\n\r\n" + json.dumps(GOOD).encode(), id="length too large"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n40\r\n" + json.dumps(GOOD).encode(), id="chunk too short"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n" + chunked(json.dumps(GOOD).encode())[:-5], id="no last chunk"
        ),
    ],
)
def test_cut_body_is_never_scored(server: Server, framed: bytes) -> None:
    """A client that stops sending too early gets 400, even when what it sent is complete JSON."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(HEAD + framed)
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection)
    assert answer.status == 400
    assert answer.json["error"]["code"] in {"body_cut_short", "body_broken"}


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        pytest.param(b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", 400, "bad_request", id="version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad_request", id="TLS on a plain port"),
        pytest.param(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, "bad_request", id="two lengths"),
        pytest.param(
            HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, "bad_request", id="two framings"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", 501, "unsupported_transfer_coding", id="coding"),
        pytest.param(b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long", id="long path"),
        pytest.param(
            b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431, "headers_too_large", id="long header"
        ),
        pytest.param(HEAD + b"Expect: banana\r\n\r\n", 417, "expectation_failed", id="Expect"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}", 400, "bad_request", id="bad chunk size"),
    ],
)
def test_malformed_requests_are_json_too(server: Server, request_bytes: bytes, status: int, code: str) -> None:
    """What is refused before it reaches the application has the same form as every other error."""
    answer = server.raw(request_bytes)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json["error"]["code"] == code


def test_connection_is_kept_after_errors(server: Server) -> None:
    """Errors of the client do not end its connection: the next request on it is answered."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        statuses = []
        for body, headers in ((b"[", JSON), (b"[{}]", JSON), (b"x", {"Content-Type": "text/plain"}), (b"[]", JSON)):
            connection.request("POST", "/predict", body, headers)
            statuses.append(answer_of(connection).status)
    assert statuses == [400, 422, 415, 200]


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Two requests sent at once on one connection are answered one after the other."""
    body = json.dumps(GOOD).encode()
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    two = HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n[]"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(one + two)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b'"score"') < received.index(b'"predictions":[]')


def test_forged_proxy_headers_change_nothing(server: Server) -> None:
    """Headers that only a proxy may set are ignored, also from this machine."""
    answer = server.ask("GET", "/livez", headers={"SCRIPT_NAME": "/other", "X-Forwarded-Proto": "https"})
    assert answer.status == 200


def test_connections_that_clients_close_are_let_go(server: Server) -> None:
    """A client that closes after its answer leaves nothing open in the server."""
    before = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.children())
    for _ in range(50):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            connection.request("POST", "/predict", b"[]", JSON)
            assert answer_of(connection).status == 200
    deadline = time.monotonic() + 5
    while (now := sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.children())) > before + 5:
        assert time.monotonic() < deadline, (before, now)
        time.sleep(0.1)


def test_half_closed_connection_gets_its_answer(server: Server) -> None:
    """A client that says it sends no more is answered, and the connection is closed."""
    body = json.dumps(GOOD).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert received.endswith(b"}")


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/predict", "/livez", "/v2/models/cities/infer"])
def test_other_methods_are_refused(server: Server, method: str, path: str) -> None:
    """A method that a path does not take is 405 as JSON, and nothing of the request comes back."""
    answer = server.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\nSecret: 4711\r\n\r\n".encode())
    assert answer.status == 405
    assert answer.headers["content-type"] == "application/json"
    assert b"4711" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/../predict",
        "/predict/..",
        "/%2e%2e/etc/passwd",
        "/..%2fetc%2fpasswd",
        "/predict;x",
        "/./predict",
        "/predict%00",
    ],
)
def test_paths_lead_nowhere_else(server: Server, path: str) -> None:
    """Nothing is served but the paths as they stand: 404, also for what other servers would make a path of."""
    body = json.dumps(GOOD).encode()
    head = HEAD.replace(b"/predict", path.encode(), 1)
    answer = server.raw(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.status in (400, 404)
    assert b"predictions" not in answer.body


def test_connect_and_absolute_form(server: Server) -> None:
    """This is no proxy: CONNECT is refused, and a whole URL as target leads to no other host."""
    assert server.raw(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n").status in (
        400,
        404,
        405,
        501,
    )
    answer = server.raw(b"GET http://example.com/livez HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert answer.status in (200, 400, 404)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.whole
def test_half_a_request_in_a_pipeline_has_an_end(server: Server) -> None:
    """What begins behind a whole request, and does not go on, is 408 in the time of any other request."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /")
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 Request Timeout" in received
    assert time.monotonic() - begun < 10


def test_slow_second_request_is_told(server: Server) -> None:
    """A kept connection on which a second request does not come to its end is told so, as the first would be."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(connection).status == 200
        connection.sendall(b"GET /livez HT")
        assert read_answer(connection).status == 408
