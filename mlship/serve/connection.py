"""One HTTP connection: its requests one after the other, each with an end in time.

gunicorn parses and frames; what is added is that every phase of a request has an absolute deadline, so that a client
that sends or reads slowly, or not at all, holds a few hundred bytes and no worker, and that a refusal has the form of
all our errors, whoever refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol

from mlship.serve import bridge
from mlship.serve.access import LISTENER, MAIN, METRICS
from mlship.serve.app import too_large
from mlship.serve.dispatch import overloaded
from mlship.serve.exchange import Environ, Reply
from mlship.serve.heads import head, refused_as, unfit, whole
from mlship.serve.problems import RequestRefused

_MOST_DISCARDED = 64 << 20
_SPARE_CONNECTIONS = 50
_FIRST_SECONDS = 1.0  # in which a client that has connected is about to ask


@dataclass(frozen=True)
class Deadlines:
    """How long a client may take, in seconds.

    Attributes:
        header: From the first byte of a request, or the beginning of a connection, to the end of its headers.
        body: For the body, besides what its size takes at `rate`.
        rate: Bytes a second that a body has to come with, and an answer be taken with, after that.
    """

    header: float = 5.0
    body: float = 5.0
    rate: float = 128 * 1024


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """A connection of `mlship.serve.worker.ServeWorker`.

    Attributes:
        listener: At which port it came, as `serve.access` names them.
    """

    listener = MAIN
    _deadline: asyncio.TimerHandle | None = None
    _sent = False
    _counted = False
    _too_many = False
    _gone = False
    _held = 0
    _begun = 0.0
    idle_since = math.inf

    def connection_made(self, transport: Any) -> None:
        """Begin the deadline of the first request."""
        super().connection_made(transport)
        self._begun = self.worker.loop.time()
        self.worker.connections.add(self)
        self._by(self.worker.deadlines.header)
        spare = _SPARE_CONNECTIONS if self.listener == METRICS else 0  # a busy server is no dead one
        if len(self.worker.connections) > self.worker.most_connections + spare:
            self._send_error_response(503, "")
            self._close_transport()
            self._request_ready.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._gone = True
        self._by(None)
        self._uncount()
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first ones of a request begin its deadline."""
        super().data_received(data)
        if self._deadline is None and self._awaiting_request and not self._counted:
            self._by(self.worker.deadlines.header)

    def eof_received(self) -> bool:
        """Answer what is whole when a client has said that it sends no more; what is not whole is told so."""
        self._keepalive = 0
        if self._is_ssl:  # TLS has no way back that stays open
            return False
        if self._counted or (self._sent and not self._awaiting_request):
            return True  # asyncio then leaves the way back open; what follows closes it after the answer
        if self._current_request is not None:
            cut = RequestRefused(400, "body_cut_short", "The body ended before it was whole.")
            reply = whole(cut, self.worker.safe_headers)
            self._safe_write(head(reply, close=True) + reply.body)
        return False

    def _on_message_complete(self) -> None:
        """Take a place among the requests to answer; whether there was one is decided now, and told in turn."""
        super()._on_message_complete()
        if self._gone:  # a pipelined request of a client that is no longer there has nobody to give its place back
            return
        self._counted = True
        self._too_many = not self.worker.dispatch.come()

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self.worker.dispatch.go()

    def _is_websocket_upgrade(self, request: Any) -> bool:  # noqa: ARG002
        """Take no connection for anything but HTTP."""
        return False

    def _arm_keepalive_timer(self) -> None:
        """Note since when nothing was asked: the worker looks from time to time, which costs less than a timer each."""
        self.idle_since = self.worker.loop.time()
        self._sent = False
        if getattr(self._callback_parser, "_buffer", b""):  # a request has begun that came in a pipeline
            self._by(self.worker.deadlines.header)

    def _cancel_keepalive_timer(self) -> None:
        self.idle_since = math.inf

    def _close_transport(self) -> None:
        """Close, and let go of a client that does not take what is left for it."""
        super()._close_transport()
        if not self._gone and self.transport.get_write_buffer_size():
            self.worker.loop.call_later(self.worker.deadlines.body, self.transport.abort)

    def _by(self, seconds: float | None) -> None:
        """Set the absolute end of the present phase, or none."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.worker.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        """End a connection whose client did not get on."""
        self._deadline = None
        if self._sent:  # the answer is not taken
            self.transport.abort()
        else:
            begun = self._current_request is not None or bool(getattr(self._callback_parser, "_buffer", b""))
            if begun and not self._closed:
                self._send_error_response(408, "")
            self._close_transport()
        self._request_ready.set()

    def end_when_idle(self) -> None:
        """Close when no request is under way: the server stops. A first request may be on its way a little longer."""
        if self.req_count <= 1 and self.worker.loop.time() - self._begun < _FIRST_SECONDS:
            return
        if (
            self._awaiting_request
            and self._current_request is None
            and not getattr(self._callback_parser, "_buffer", b"")
        ):
            self._close_transport()
            self._request_ready.set()

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> bool:
        """Answer one request and tell whether another may follow."""
        self._sent = False
        receiver = self._body_receiver
        body: bytes | None
        if receiver._complete and len(receiver._chunks) <= 1:  # it all came with the headers
            self._by(None)
            body = receiver._chunks.popleft() if receiver._chunks else b""
            receiver._buffered = 0
            receiver._body_finished = True
            if self._too_many and (busy := self.worker.dispatch.busy(request.method, request.path)) is not None:
                self._uncount()
                close = self._will_close(request, False)
                await self._send(request, self._noted(busy, request), close)
                return not close
            if len(body) > self.worker.largest_body:
                await self._refuse_body(request, receiver)
                return False
        elif (refused := self.worker.dispatch.gate(self._environ(request, b"", sockname, peername))) is not None:
            await self._refuse_body(request, receiver, refused)  # nothing is kept for who may not ask
            return False
        else:
            body = await self._whole_body(request, receiver)
        try:
            return body is not None and await self._answered(request, self._environ(request, body, sockname, peername))
        finally:
            self._hold(-self._held)

    async def _answered(self, request: Any, environ: Environ) -> bool:
        """Answer a request whose body is whole, and tell whether another may follow."""
        if status := unfit(environ, request.version):
            reply = whole(refused_as(status), self.worker.safe_headers)
            await self._send(request, self._noted(reply, request), close=True)
            return False
        reply = await self.worker.dispatch.answer(environ, environ["mlship.body"], refused=self._too_many)
        self._uncount()
        close = self._will_close(request, False)
        await self._send(request, reply, close)
        return not close

    def _environ(self, request: Any, body: bytes, sockname: Any, peername: Any) -> Environ:
        environ = bridge.environ_of(request, body, _server_of(sockname), peername[0] if peername else "")
        environ[LISTENER] = self.listener
        if self.worker.proxies:
            self.worker.proxies.apply(environ)
        return environ

    async def _whole_body(self, request: Any, receiver: Any) -> bytes | None:
        """The whole body; None when it was refused or broke off, and nothing is left to answer."""
        limit, deadlines = self.worker.largest_body, self.worker.deadlines
        declared = 0 if request.chunked else request.content_length
        if declared > limit:
            await self._refuse_body(request, receiver)
            return None
        parts: list[bytes] = []
        size = 0
        self._by(deadlines.body)
        begun = time.monotonic()
        while True:
            message = await receiver.receive()
            if message["type"] != "http.request":
                self._by(None)
                return None
            parts.append(message["body"])
            size += len(message["body"])
            self._hold(len(message["body"]))
            if size > limit or self.worker.held > self.worker.most_held:
                parts.clear()
                await self._refuse_body(request, receiver, None if size > limit else overloaded())
                return None
            if not message["more_body"]:
                self._by(None)
                return b"".join(parts)
            self._by(max(0.0, begun + deadlines.body + size / deadlines.rate - time.monotonic()))

    def _hold(self, size: int) -> None:
        """Count bytes of bodies that this process holds for its clients."""
        self._held += size
        self.worker.held += size

    async def _refuse_body(self, request: Any, receiver: Any, refused: RequestRefused | None = None) -> None:
        """Answer at once, and take some of the rest: a client that still sends would see a reset instead."""
        told = refused or too_large(self.worker.largest_body)
        await self._send(request, self._noted(whole(told, self.worker.safe_headers), request), close=True)
        left = _MOST_DISCARDED
        self._by(self.worker.deadlines.body)
        while left > 0 and not receiver._body_finished:
            message = await receiver.receive()
            if message["type"] != "http.request" or not message["more_body"]:
                break
            left -= len(message["body"])
        self._by(None)

    async def _send(self, request: Any, reply: Reply, close: bool) -> None:
        """Write an answer, and wait until the client has taken most of it."""
        if self._closed:
            return
        body = b"" if request.method == "HEAD" else reply.body
        self._sent = True
        if body:
            self._response_buffer = head(reply, close)
            self._send_body(body)
        else:
            self._safe_write(head(reply, close))
        if self._flow_control is not None and self._flow_control.write_paused:
            left = self.transport.get_write_buffer_size()  # what the kernel has taken counts as sent
            self._by(self.worker.deadlines.body + left / self.worker.deadlines.rate)
            with contextlib.suppress(ConnectionError):
                await self._flow_control.drain()
            self._by(None)

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:  # noqa: ARG002
        """Answer what never reached the application, in the form of all our errors."""
        reply = self._noted(whole(refused_as(status), self.worker.safe_headers))
        self._safe_write(head(reply, close=True) + reply.body)

    def _noted(self, reply: Reply, request: Any = None) -> Reply:
        """Have an answer counted and logged that the application does not see."""
        peer = self.transport.get_extra_info("peername")
        environ: Environ = {"REMOTE_ADDR": str(peer[0]) if peer else ""}
        if request is not None:
            environ["REQUEST_METHOD"] = request.method
            environ["PATH_INFO"] = request.path.encode().decode("latin-1")
        self.worker.dispatch.note(reply, environ)
        return reply


def _server_of(sockname: Any) -> tuple[str, str]:
    return (str(sockname[0]), str(sockname[1])) if isinstance(sockname, tuple) else ("localhost", "0")
