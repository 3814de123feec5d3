"""Where requests are answered: the table of paths at which rows are scored, and the steps that every answer takes.

The same steps are taken ahead of Flask's routing, by its view, and in pieces by the worker (`serve.dispatch`), so that
bytes, headers and what is counted are the same however a request came.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from secrets import token_bytes

from mlship.errors import MlshipError
from mlship.model.values.codes import Array
from mlship.serve.endpoint import Endpoint
from mlship.serve.exchange import Asked, Call, Environ, Exchange, Headers, Reply, headers_of
from mlship.serve.problems import RequestRefused
from mlship.serve.table import refusal_at

Gate = Callable[[Environ], MlshipError | None]
"""Looks at a request before anything else does, and returns why it is not answered, or None."""
Observer = Callable[[Exchange], None]
"""Takes note of an exchange that has ended; it must not fail, nor take long."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TRACE = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
SAFE_HEADERS: Headers = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_HSTS = ("Strict-Transport-Security", "max-age=31536000")
_MOST_IDS = (1 << 64) - 1
_log = logging.getLogger(__name__)


def _open(_: Environ) -> None:
    """The gate of a server that everybody may ask."""


class Desk:
    """All that answers.

    Args:
        endpoints: The endpoint of each path at which rows are scored.
        gate: Who may ask.
        observers: Who is told of each exchange when it has ended.
        safe: The headers of every answer, from `safe_headers`.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        gate: Gate = _open,
        observers: Sequence[Observer] = (),
        safe: Headers = SAFE_HEADERS,
    ) -> None:
        self.endpoints = endpoints
        self.gate = gate
        self.observers = observers
        self.safe_headers = safe
        self._ids = count(int.from_bytes(token_bytes(8)))  # unlike those of every other worker; secret they need not be

    def open(self, environ: Environ) -> Exchange:
        """Begin an exchange."""
        given = environ.get("HTTP_X_REQUEST_ID")
        trace = trace_of(environ["HTTP_TRACEPARENT"]) if "HTTP_TRACEPARENT" in environ else ""
        request_id = given if given and _REQUEST_ID.fullmatch(given) else trace or self._new_id()
        endpoint = self.endpoints.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        exchange = Exchange(environ, request_id, endpoint)
        exchange.trace = trace
        environ["mlship.exchange"] = exchange
        return exchange

    def _new_id(self) -> str:
        return f"{next(self._ids) & _MOST_IDS:016x}"

    def answer(self, exchange: Exchange, body: bytes) -> Reply:
        """Take all steps of an exchange that has an endpoint, but its end."""
        endpoint = exchange.endpoint
        assert endpoint is not None
        try:
            self.admit(exchange)
            call = self.read(exchange, body)
            start = time.perf_counter()
            outputs = endpoint.served.score(call.feed)
            exchange.score = time.perf_counter() - start
            exchange.together = call.feed.rows
            return self.write(exchange, call, outputs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return self.refuse(exchange, error)

    def admit(self, exchange: Exchange) -> None:
        """Ask the gate.

        Raises:
            MlshipError: The request is not answered.
        """
        if (refused := self.gate(exchange.environ)) is not None:
            raise refused

    def read(self, exchange: Exchange, body: bytes) -> Call:
        """Read the rows.

        Raises:
            MlshipError: The request is refused.
        """
        start = time.perf_counter()
        endpoint = exchange.endpoint
        assert endpoint is not None
        exchange.call = endpoint.read(Asked(exchange.environ, body))
        exchange.parse = time.perf_counter() - start
        return exchange.call

    def write(self, exchange: Exchange, call: Call, outputs: Mapping[str, Array]) -> Reply:
        """Write the answer."""
        start = time.perf_counter()
        endpoint = exchange.endpoint
        assert endpoint is not None
        exchange.outputs = outputs
        reply = endpoint.write(call, outputs)
        exchange.write = time.perf_counter() - start
        return reply

    def refuse(self, exchange: Exchange, error: Exception) -> Reply:
        """Write the answer that tells an error; what is the server's own is logged without its text."""
        problem = error if isinstance(error, MlshipError) else MlshipError("unexpected")
        endpoint = exchange.endpoint
        reply = endpoint.refuse(problem) if endpoint else refusal_at(exchange.environ["PATH_INFO"], problem)
        if reply.status >= 500 and not isinstance(problem, RequestRefused):
            _log.error("The request %s failed: %s", exchange.request_id, _where(error))
        return reply

    def close(self, exchange: Exchange, reply: Reply) -> Headers:
        """End an exchange and return all headers of its answer."""
        exchange.status, exchange.code, exchange.size = reply.status, reply.code, len(reply.body)
        self.observe(exchange)
        return headers_of(reply, self.safe_headers, exchange.request_id)

    def note(self, reply: Reply, environ: Environ) -> None:
        """Take note of an answer to what did not become a request, of which little may be known."""
        exchange = Exchange(environ, "", None)
        exchange.status, exchange.code, exchange.size = reply.status, reply.code, len(reply.body)
        self.observe(exchange)

    def observe(self, exchange: Exchange) -> None:
        """Tell the observers that an exchange has ended."""
        for observer in self.observers:
            observer(exchange)


def safe_headers(*, encrypted: bool) -> Headers:
    """Return the headers of every answer, whoever gives it.

    Args:
        encrypted: Whether clients speak TLS, and should speak nothing else from then on.
    """
    return (*SAFE_HEADERS, _HSTS) if encrypted else SAFE_HEADERS


def trace_of(parent: str) -> str:
    """Return the trace id of a `traceparent` header, empty when it is not what W3C Trace Context says."""
    found = _TRACE.fullmatch(parent)
    if found is None or (found[1] == "00" and found[3]):  # version 00 has four fields; later ones may have more
        return ""
    return found[2]


def _where(error: BaseException) -> str:
    """Name an exception and its place. Its text stays out of the log: it may hold values of a row."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    cause = f", caused by {type(error.__cause__).__name__}" if error.__cause__ else ""
    code = f" ({error.code})" if isinstance(error, MlshipError) else ""
    return f"{type(error).__name__}{code} at {place}{cause}"
