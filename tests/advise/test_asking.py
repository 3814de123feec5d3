"""What asks the server that is measured: what is not answered with 200 is no figure."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlship.advise import asking

REQUESTS = [asking.request(b"[1]"), asking.request(b"[2]")]


class Handler(BaseHTTPRequestHandler):
    """Answers the first kind of request, and refuses the second."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body == b"[1]" else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as are opened."""

    request_queue_size = 128


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server's port."""
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_answers_are_counted(port: int) -> None:
    """Those with 200 have times, in order, and others are told by their status."""
    seen = asking.ask(port, REQUESTS[:1], 0.2, 3)
    assert not seen.others
    assert len(seen.times) > 3
    assert 0 < seen.quantile(0.5) <= seen.quantile(0.99) <= seen.seconds
    assert seen.rate == pytest.approx(len(seen.times) / seen.seconds)

    mixed = asking.ask(port, REQUESTS, 0.2, 1)
    assert set(mixed.others) == {"503"}
    assert abs(mixed.others["503"] - len(mixed.times)) <= 1


def test_a_rate_is_kept(port: int) -> None:
    """As many are asked as were due, whatever the answers take, and each is answered."""
    seen = asking.ask_at(port, REQUESTS[:1], 0.5, 100.0)

    assert len(seen.times) == 50
    assert not seen.others
    assert seen.seconds > 0.45


def test_a_server_that_hangs_up() -> None:
    """A request whose connection is closed counts as lost, and nobody waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        seen = asking.ask(listener.getsockname()[1], REQUESTS, 0.2, 1)
        thread.join()

    assert dict(seen.others) == {"lost": 1}
    assert not seen.times
