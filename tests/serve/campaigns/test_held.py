"""What a server holds for its clients is bounded and given back, whatever they do and however they leave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.link import post
from tests.serve.campaigns.programs import HANG, ONE, SLOW, SLOW_PACE, program, serving
from tests.serve.campaigns.requests import ask
from tests.serve.models import NUMBERS
from tests.serve.scrape import scraped_until
from tests.serve.server import Server, read_answer

MIB = 1 << 20
_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def memory_of(pid: int) -> int:
    """Return the bytes that a process has to itself."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Private_"))


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something holds, and tell whether it does."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_bodies_under_way_are_bounded_in_all(city_path: Path) -> None:
    """Of many clients that send large bodies some are told 503, memory stays, and small requests are answered."""
    with serving(city_path, *ONE) as server, contextlib.ExitStack() as stack:
        assert server.raw(ask(1)).status == 200
        (worker,) = server.children()
        before = memory_of(worker)
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30)) for _ in range(30)
        ]
        half = b"[" + b" " * (4 * MIB)
        refused = 0
        for client in clients:
            client.settimeout(0.5)
            client.sendall(_HEAD % (8 * MIB))
            with contextlib.suppress(TimeoutError, OSError):
                client.sendall(half)
        assert server.raw(ask(2)).status == 200
        grown = memory_of(worker) - before
        for client in clients:
            with contextlib.suppress(TimeoutError, OSError):
                refused += client.recv(12) == b"HTTP/1.1 503"
        assert refused >= 10
        assert grown < 160 * MIB, grown
        stack.close()
        body = json.dumps([]).encode().rjust(7 * MIB)
        assert until(lambda: server.raw(_HEAD % len(body) + body).status == 200)  # the room is given back


def test_rows_of_clients_that_left_are_not_scored(city_path: Path) -> None:
    """Who resets the connection while its rows wait has them scored no more, and its place is free."""
    with serving(city_path, *ONE, code=program(SLOW, pace=SLOW_PACE)) as server:
        for number in range(40):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
                client.sendall(ask(number))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        found = scraped_until(
            server, lambda all_: all_.get("mlship_requests_pending") == all_.get("mlship_queue_depth") == 0
        )
        assert found["mlship_rows_total{model=cities}"] < 20
        assert server.raw(ask(1)).status == 200


SMALL_BUFFERS = """
    import socket
    from mlship.serve.connection import Connection
    made = Connection.connection_made
    def small(self, transport):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made(self, transport)
    Connection.connection_made = small
"""
"""The kernel takes a few kB of an answer, so that the rest is left to the server."""


@pytest.mark.whole
def test_who_stops_reading_is_let_go(city_path: Path) -> None:
    """Clients that ask and never read are gone some seconds later, however little is left for them."""
    with serving(city_path, *ONE, code=program(SMALL_BUFFERS)) as server, contextlib.ExitStack() as stack:

        def ask_and_leave_it() -> None:
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")

        for _ in range(20):
            ask_and_leave_it()
        scraped_until(server, lambda all_: all_.get("mlship_connections", 99) >= 20)
        scraped_until(server, lambda all_: all_.get("mlship_connections", 99) <= 2)
        ask_and_leave_it()
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 12


BUSY = """
    from mlship.serve.batcher import Batcher
    submit = Batcher.submit
    def late(batcher, feed, until):
        future = submit(batcher, feed, until)
        time.sleep(0.05)
        return future
    Batcher.submit = late
"""
"""The event loop stands still for a while after it has handed a call on, as it does on a busy machine."""


@pytest.mark.whole
def test_a_replacement_that_dies_is_replaced(city_path: Path) -> None:
    """When the worker that takes the place of a hanging one is killed, another does, and the hanging one ends."""
    hanging = post("/predict", json.dumps([{NUMBERS[0]: 666.0, NUMBERS[1]: 0.0, "city": "Porto"}]).encode())
    code = program(HANG + BUSY, pace="call=0.005, batching=False")
    with serving(city_path, "--workers", "1", "--threads", "3", "--timeout", "1", code=code) as server:
        (hung,) = server.children()
        assert server.raw(hanging).status == 503
        assert until(lambda: len(server.children()) == 2)
        (newcomer,) = set(server.children()) - {hung}
        with contextlib.suppress(ProcessLookupError):
            os.kill(newcomer, signal.SIGKILL)
        assert until(lambda: len(server.children()) == 1 and hung not in server.children(), 30)
        assert server.raw(ask(1)).status == 200


@pytest.mark.parametrize("slow", [False, True])
def test_a_second_request_is_answered_after_a_large_one(server: Server, slow: bool) -> None:
    """What was held for a body is given back with its answer, and the connection goes on."""
    body = json.dumps([]).encode().rjust(500_000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        for _ in range(3):
            client.sendall(_HEAD % len(body) + body[:100_000])
            if slow:
                time.sleep(0.1)
            client.sendall(body[100_000:])
            assert read_answer(client).status == 200
