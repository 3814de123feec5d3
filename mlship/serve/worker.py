"""The gunicorn worker: it drains when it is told to stop, and answers malformed requests in our JSON.

gunicorn's own gthread worker closes its listener at SIGTERM while clients that the kernel has already
accepted still wait in the queue; they see their connection reset (gunicorn issues 2409 and 2529).
"""

from __future__ import annotations

import signal
import time
from typing import Any

from gunicorn import util
from gunicorn.http import errors as http
from gunicorn.workers.gthread import ThreadWorker

from mlship.errors import MlshipError

DRAIN_SECONDS = 1.0
"""How long a stopping worker still accepts connections: load balancers need a moment to look elsewhere."""

# What is left of a body that was refused is read and thrown away, up to these bounds: a client that is still
# sending when the connection closes never sees the answer, only a reset.
_DISCARD_BYTES = 64 << 20
_DISCARD_SECONDS = 5.0
_PAUSE_SECONDS = 1.0

_MALFORMED: tuple[tuple[type[Exception], int, str, str], ...] = (
    (http.UnsupportedTransferCoding, 501, "unsupported_transfer_coding", "The transfer coding is not supported."),
    (http.LimitRequestLine, 414, "uri_too_long", "The request line is too long."),
    (http.LimitRequestHeaders, 431, "headers_too_large", "The headers are too many or too long."),
    (http.ExpectationFailed, 417, "expectation_failed", "The Expect header is not 100-continue."),
    (http.ParseException, 400, "bad_request", "The request is not well-formed HTTP/1.1."),
)


class DrainWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gthread worker that loses no connection when it stops.

    On SIGTERM and SIGINT it goes on accepting for `DRAIN_SECONDS`, says `Connection: close` in every answer
    and 503 on /readyz; then it takes what is left in the accept queue, closes the listener and finishes.
    """

    alive: bool
    drain_until: float | None = None

    def init_signals(self) -> None:
        """Take SIGINT as SIGTERM: Ctrl-C in a terminal reaches the workers too."""
        super().init_signals()
        signal.signal(signal.SIGINT, self.handle_exit)

    def load_wsgi(self) -> None:
        """Open the model; what fails is told to the parent, which decides what follows."""
        try:
            super().load_wsgi()
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            self.app.report_failure(error)
            if self.age > self.cfg.workers:  # a replacement: the next one is started as soon as this one ends
                time.sleep(_PAUSE_SECONDS)
            raise SystemExit(0) from None  # another code would make gunicorn log what the parent says better

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - as the system calls it
        """Begin to drain; called in the main thread between two instructions, so it only sets flags."""
        if self.drain_until is not None:
            return
        self.drain_until = time.monotonic() + DRAIN_SECONDS
        self.app.draining = True
        self.max_keepalived = 0  # every answer from now on says Connection: close
        self.method_queue.defer(lambda: None)  # wakes the loop up

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait as always, but end the loop of `run` when draining is over."""
        if self.drain_until is None or not self.alive:
            super().wait_for_and_dispatch_events(timeout)
            return
        left = self.drain_until - time.monotonic()
        if left > 0:
            super().wait_for_and_dispatch_events(min(timeout, left))
        else:
            self.alive = False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting for good only after the connections that the kernel accepted are taken over."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            taken = -1
            while taken != self.nr_conns:
                taken = self.nr_conns
                self.accept(listener)
            listener.close()  # at once: whoever comes later is refused, which a client may retry

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        deadline = time.monotonic() + _DISCARD_SECONDS
        drained = conn.parser.finish_body(deadline=deadline, max_bytes=_DISCARD_BYTES)
        return bool(keepalive and drained)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Answer a request that never reached the application, in the form of all our errors."""
        import orjson

        # brings NumPy with it, which starts threads: not for the parent, which forks
        from mlship.serve.problems import RequestRefused, body_of, status_of

        problem: MlshipError = MlshipError("unexpected")
        for kind, status, code, message in _MALFORMED:
            if isinstance(exc, kind):
                problem = RequestRefused(status, code, message)
                break
        else:
            self.log.error("A request failed in the server: %s.", type(exc).__name__)
        body = orjson.dumps(body_of(problem))
        head = (
            f"HTTP/1.1 {status_of(problem)} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            util.write_nonblock(client, head.encode() + body)
        except Exception:  # noqa: BLE001 - the client has gone, or does not read
            self.log.debug("An error could not be sent.")
