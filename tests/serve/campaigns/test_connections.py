"""What clients do with their connections: many requests on one, many at once, too many, and breaking off."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.benchmarks import load
from tests.benchmarks.link import Got
from tests.benchmarks.servers import Running
from tests.serve.campaigns.programs import ONE, program, serving
from tests.serve.campaigns.requests import ask, body, judged, score
from tests.serve.server import JSON, Server, answer_of, read_answer


@pytest.mark.whole
def test_ten_thousand_requests_on_one_connection(city_path: Path, whole: bool) -> None:
    """A connection is kept for as long as it is used, and each answer belongs to its request."""
    count = 10_000 if whole else 2_000
    with (
        serving(city_path, *ONE) as server,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection,
    ):
        connection.connect()
        made = connection.sock
        for number in range(count):
            connection.request("POST", "/predict", body(number), JSON)
            assert answer_of(connection).json["predictions"][0]["score"] == score(number)
        assert connection.sock is made


def _scores(said: bytes) -> list[float]:
    return [float(found) for found in re.findall(rb'"score":(-?[0-9.]+)', said)]


def _listened(connection: socket.socket, answers: int) -> bytes:
    said = b""
    while said.count(b"HTTP/1.1 ") < answers or not said.endswith(b"}}"):
        part = connection.recv(1 << 16)
        assert part, said
        said += part
    return said


def test_pipelined_requests_are_answered_in_order(city_path: Path) -> None:
    """Fifty requests sent at once, single rows and many in turn, are answered one after the other."""
    rows = [300 if number % 5 == 0 else 1 for number in range(50)]
    expected = [score(number + place) for number, count in enumerate(rows) for place in range(count)]
    with serving(city_path, *ONE) as server, socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(b"".join(ask(number, count) for number, count in enumerate(rows)))
        assert _scores(_listened(connection, len(rows))) == expected


def _break_off(server: Server, way: str, number: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        if way == "in a request":
            connection.sendall(ask(number)[:-5])
        elif way == "in an answer":
            connection.sendall(ask(number, 5_000))
        elif way == "in a pipeline":
            connection.sendall(b"".join(ask(number + place) for place in range(20)))
            connection.recv(10)
        else:
            connection.sendall(ask(number))
            connection.shutdown(socket.SHUT_WR)
            if number % 2:
                assert read_answer(connection).status == 200
        if number % 2:  # with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_clients_that_break_off(city_path: Path, whole: bool) -> None:
    """Whoever breaks off, and wherever, disturbs nobody; nothing is logged, and no place in the line stays taken."""
    ways = ("in a request", "in an answer", "in a pipeline", "half closed")
    with serving(city_path, *ONE, "--queue", "32") as server:
        with load.Background(lambda: load.Load(server.port, ask, judged, clients=4)) as good:
            for number in range(400 if whole else 80):
                _break_off(server, ways[number % len(ways)], number // len(ways))
        assert set(good.seen.counts) == {"200"}, good.seen.counts
        seen = load.run(lambda: load.Load(server.port, ask, judged, clients=30), most=300)
        assert set(seen.counts) == {"200"}, seen.counts  # 30 of 32 places
        assert server.stop() == 0
        log = server.stderr()
    assert "Traceback" not in log
    assert "rror" not in log


@pytest.mark.whole
def test_too_few_descriptors(city_path: Path) -> None:
    """With 64 descriptors and 200 connections the server does not spin, and answers when they are gone."""
    code = program(start="resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))")
    with contextlib.ExitStack() as stack, serving(city_path, *ONE, code=code) as server:
        workers = server.children()
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
        time.sleep(1.0)
        running = Running(server.process.pid, server.port)
        before = running.cpu()
        time.sleep(1.5)
        spent = running.cpu() - before
        stack.close()
        until = time.monotonic() + 15
        answered = 0
        while answered != 200 and time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answered = server.ask("GET", "/livez").status
        assert answered == 200
        assert server.children() == workers
        assert "Traceback" not in server.stderr()
        assert spent < 0.75, spent


@pytest.mark.parametrize(
    "total", [20_000, pytest.param(1_000_000, marks=[pytest.mark.whole, pytest.mark.timeout(3600)])]
)
def test_every_answer_belongs_to_its_request(city_path: Path, total: int) -> None:
    """Distinct rows at once, some large, on kept connections: none gets the answer of another."""
    sizes = (1, 1, 1, 1, 1, 1, 1, 1, 1, 20)

    def asked(number: int) -> bytes:
        return ask(number, sizes[number % len(sizes)])

    def check(number: int, got: Got) -> str:
        if got.status != 200:
            return str(got.status)
        scores = [one["score"] for one in json.loads(got.body)["predictions"]]
        return "200" if scores == [score(number + place) for place in range(len(scores))] else "mixed"

    with serving(city_path, *ONE) as server:
        seen = load.run(lambda: load.Load(server.port, asked, check, clients=16), most=total)
    assert dict(seen.counts) == {"200": total}
