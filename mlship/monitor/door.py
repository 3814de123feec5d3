"""Health and metrics as one plain WSGI callable, for whatever has no HTTP server of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from mlship.errors import OutputFailed
from mlship.monitor.metrics import CONTENT_TYPE

_JSON = "application/json"
_Answer = tuple[str, str, bytes]


class Door:
    """Answers `/livez`, `/readyz` and `/metrics`.

    Args:
        ready: Returns whether work gets on, and what is told of it as JSON values.
        metrics: Returns the metrics as Prometheus reads them.
    """

    def __init__(self, ready: Callable[[], tuple[bool, dict[str, Any]]], metrics: Callable[[], bytes]) -> None:
        self._ready = ready
        self._metrics = metrics

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        status, kind, body = self._answer(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, method: str, path: str) -> _Answer:
        if path not in ("/livez", "/readyz", "/metrics"):
            return _error("404 Not Found", "not_found", "Here are /livez, /readyz and /metrics.")
        if method not in ("GET", "HEAD"):
            return _error("405 Method Not Allowed", "method_not_allowed", f"'{path}' is for GET.")
        if path == "/metrics":
            return "200 OK", CONTENT_TYPE, self._metrics()
        if path == "/livez":
            return "200 OK", _JSON, json.dumps({"status": "live"}).encode()
        ready, told = self._ready()
        status = "200 OK" if ready else "503 Service Unavailable"
        return status, _JSON, json.dumps({"status": "ready" if ready else "not_ready", **told}).encode()


def _error(status: str, code: str, message: str) -> _Answer:
    return status, _JSON, json.dumps({"error": {"code": code, "message": message}}).encode()


class _Quiet(WSGIRequestHandler):
    timeout = 5  # seconds that a client may take

    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds, and say nothing new."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each client, so that none keeps a probe waiting."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went, or sent nothing, is nobody's worry."""


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def answered(door: Door, host: str, port: int) -> Iterator[int]:
    """Answer on a thread for the length of a `with` block, in which the port is told.

    Args:
        door: Who answers.
        host: Name or address to listen on.
        port: TCP port, 0 for any free one.

    Raises:
        OutputFailed: The port is taken or not allowed.
    """
    try:
        server = make_server(host, port, door, _Server6 if ":" in host else _Server, _Quiet)
    except OSError as error:
        raise OutputFailed(
            f"'{host}:{port}' cannot be listened on: {error.strerror}.", hint="Name another one: --port 8001"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="door", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
