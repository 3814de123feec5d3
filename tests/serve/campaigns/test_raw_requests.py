"""What is no request is refused, and nothing that follows it on the connection is answered."""

from __future__ import annotations

import itertools
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.serve.campaigns.invalid import INVALID
from tests.serve.campaigns.programs import ONE, serving
from tests.serve.server import Server

_CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_BODY = b'[{"my age": 1.0, "S\xc3\xa3o \xc3\xa9": 2.0, "city": "Porto"}]'


@pytest.fixture(scope="module")
def raw_server(city_path: Path) -> Iterator[Server]:
    """A server with one worker."""
    with serving(city_path, *ONE) as server:
        yield server


def _said(port: int, parts: Iterable[bytes], seconds: float = 10.0) -> bytes:
    """Send parts until the server closes or all are sent, and return all that it said before it closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        said = b""
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(1 << 16):
                said += data
        except ConnectionError:
            pass  # it was closed while more came
        return said


@pytest.mark.parametrize("name", list(INVALID))
def test_what_is_no_request_is_refused(raw_server: Server, name: str) -> None:
    """It gets 4xx, 501 or 505 in JSON, the connection is closed, and a request that follows is not answered."""
    said = _said(raw_server.port, [INVALID[name]])
    statuses = re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", said)
    assert len(statuses) == 1, (name, said)
    assert statuses[0].startswith(b"4") or statuses[0] in (b"501", b"505"), said
    assert b'{"error":{"code":' in said
    assert b"not_found" not in said
    assert b"smuggled" not in said


def test_the_worker_has_seen_them_all(raw_server: Server) -> None:
    """After all of that the server answers, and nothing went wrong in it."""
    assert raw_server.ask("GET", "/livez").status == 200
    assert "Traceback" not in raw_server.stderr()


def test_tiny_chunks(raw_server: Server, whole: bool) -> None:
    """A body in chunks of one byte is read, or refused, in bounded time."""
    count = 100_000 if whole else 20_000
    begun = time.monotonic()
    body = b" " * (count - len(_BODY)) + _BODY
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    said = _said(raw_server.port, [_CHUNKED, chunks, last])
    assert re.match(rb"HTTP/1\.1 (200|400|413) ", said), said
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        pytest.param(b"1;a=", b"b" * 1024, id="extension", marks=pytest.mark.whole),
        pytest.param(b"1", b"0" * 1024, id="size"),
        pytest.param(b"0\r\n", b"X-Trailer: " + b"y" * 500 + b"\r\n", id="trailers", marks=pytest.mark.whole),
        pytest.param(b"0\r\nX-Trailer: ", b"y" * 1024, id="trailer"),
        pytest.param(b"", b"1;" + b"a" * 200 + b"\r\n[\r\n", id="extensions", marks=pytest.mark.whole),
    ],
)
def test_no_end_of_a_chunk(raw_server: Server, begin: bytes, part: bytes) -> None:
    """What goes on for ever beside a body is ended by a refusal, or a closed connection, in bounded time."""
    begun = time.monotonic()
    said = _said(raw_server.port, itertools.chain([_CHUNKED + begin], itertools.repeat(part, 200_000)), 15)
    assert time.monotonic() - begun < 15
    assert not said or re.match(rb"HTTP/1\.1 4[0-9]{2} ", said), said
    assert raw_server.ask("GET", "/livez").status == 200
