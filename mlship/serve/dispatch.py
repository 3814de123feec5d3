"""Who does the work of a request: the event loop at once, or the threads of a pool, after a place in line.

What takes less than a millisecond is done on the loop: handing it to a thread and back costs more. All else waits in a
bounded line, so that a server that is asked more than it can do refuses the rest at once and goes on answering what it
has taken; and nothing is scored for a client that no longer waits.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mlship.serve import bridge
from mlship.serve.batcher import Batcher, Scored, too_late
from mlship.serve.desk import Desk
from mlship.serve.exchange import Environ, Exchange, Reply, headers_of
from mlship.serve.problems import RequestRefused
from mlship.serve.served import Served
from mlship.serve.turn import Turn
from mlship.serve.watchers import Load, Watcher

LARGEST_INLINE = 64 << 10
"""Bytes of a body that is parsed on the loop itself."""
LONGEST_INLINE = 1e-3
"""Seconds of a call that is made on the loop itself."""
_LONGEST_TOGETHER = 3e-3  # seconds of a call with one row, whose rows are put together and scored on the loop
_ROWS_INLINE = 1_000
_MOMENT = 0.01  # seconds: a client that waits as long as we do is told that the model hangs
_DEADLINE = "HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS"


@dataclass(frozen=True)
class Room:
    """How much a worker takes at once.

    Attributes:
        threads: Threads of the pool.
        parallel: Calls of a model that run at the same time.
        queue: Requests that are taken before the next is refused.
        timeout: Seconds after which a request is given up, whatever its client says.
        wait: Seconds that a request may be held back so that others join it.
    """

    threads: int
    parallel: int
    queue: int
    timeout: float
    wait: float = 0.0


class Dispatch:
    """Answers the requests of one worker.

    Args:
        application: The WSGI application, for all that rows are not scored by.
        desk: Who answers.
        models: The models by name.
        room: How much is taken at once.
        on_hang: Called when a call did not end in time: this process should be replaced.
    """

    def __init__(
        self, application: Any, desk: Desk, models: Mapping[str, Served], room: Room, on_hang: Callable[[], None]
    ) -> None:
        self._application = application
        self._desk = desk
        self._room = room
        self._on_hang = on_hang
        self.pool = ThreadPoolExecutor(room.threads, "mlship-serve")
        self._batchers = {
            id(served): Batcher(served, self.pool, room.parallel, wait=room.wait) for served in models.values()
        }
        self._turns = {
            id(served): Turn(served, desk)
            for served in models.values()
            if served.pace.batching and served.pace.call < _LONGEST_TOGETHER and not room.wait
        }
        self._busy: dict[str, Reply] = {}
        self.pending = 0
        """Requests that have come and are not answered."""
        self.watchers: Sequence[Watcher] = ()
        """Who is told some times a second how things are, and of the end."""

    @property
    def waiting(self) -> int:
        """Requests whose rows wait for being scored."""
        return sum(batcher.waiting for batcher in self._batchers.values())

    def come(self) -> bool:
        """Count a request that has come, and tell whether there is room for it."""
        self.pending += 1
        return self.pending <= self._room.queue

    def go(self) -> None:
        """Count a request that is over."""
        self.pending -= 1

    def gate(self, environ: Environ) -> RequestRefused | None:
        """Return why a request is not answered, whatever its body may be, or None."""
        self._desk.open(environ)
        refused = self._desk.gate(environ)
        return refused if isinstance(refused, RequestRefused) else None

    def busy(self, method: str, path: str) -> Reply | None:
        """Return the answer to a request for which there was no room, its headers whole; None where there always is.

        Made once for each path: a server that refuses more than it answers has no time to put each refusal together.
        """
        endpoint = self._desk.endpoints.get(path) if method == "POST" else None
        if endpoint is None:
            return None
        reply = self._busy.get(path)
        if reply is None:
            refusal = endpoint.refuse(overloaded())
            headers = headers_of(refusal, self._desk.safe_headers)
            reply = self._busy[path] = Reply(refusal.status, refusal.body, headers=headers, code=refusal.code)
        return reply

    async def answer(self, environ: Environ, body: bytes, *, refused: bool = False) -> Reply:
        """Answer a request, its headers whole.

        Args:
            environ: The WSGI environment.
            body: The body.
            refused: Whether there was no room for it when it came.
        """
        exchange = self._desk.open(environ)
        endpoint = exchange.endpoint
        if endpoint is None:
            if len(body) <= LARGEST_INLINE and environ["PATH_INFO"] not in _SLOW:
                return bridge.call(self._application, environ)
            told: Reply = await self._on_thread(bridge.call, self._application, environ)
            return told
        try:
            reply = await self._reply(exchange, body, refused=refused)
        except asyncio.CancelledError:
            exchange.status, exchange.code = _CLIENT_GONE, "client_gone"
            self._desk.observe(exchange)
            raise
        return Reply(reply.status, reply.body, headers=self._desk.close(exchange, reply))

    async def _reply(self, exchange: Exchange, body: bytes, *, refused: bool) -> Reply:
        endpoint = exchange.endpoint
        assert endpoint is not None
        if refused:
            return self._desk.refuse(exchange, overloaded())
        light = _is_light(exchange.environ, body)
        if not light:
            return await self._answer(exchange, body, light=False)
        if (turn := self._turns.get(id(endpoint.served))) is not None:
            return await self._in_turn(turn, exchange, body)
        if endpoint.served.pace.call < LONGEST_INLINE and not self._room.wait:
            return self._desk.answer(exchange, body)
        return await self._answer(exchange, body, light=True)

    async def _in_turn(self, turn: Turn, exchange: Exchange, body: bytes) -> Reply:
        try:
            self._desk.admit(exchange)
            call = self._desk.read(exchange, body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return self._desk.refuse(exchange, error)
        return await turn.answer(exchange, call)

    async def _answer(self, exchange: Exchange, body: bytes, *, light: bool) -> Reply:
        endpoint = exchange.endpoint
        assert endpoint is not None
        try:
            self._desk.admit(exchange)
            call = self._desk.read(exchange, body) if light else await self._on_thread(self._desk.read, exchange, body)
            now = time.monotonic()
            hard = now + self._room.timeout
            until = min(hard, now + _seconds(exchange, call.seconds))
            future = self._batchers[id(endpoint.served)].submit(call.feed, until)
            scored = await self._in_time(future, until, hard, endpoint.served)
            exchange.queue, exchange.score, exchange.together = scored.queue, scored.score, scored.together
            if light and call.feed.rows <= _ROWS_INLINE:
                return self._desk.write(exchange, call, scored.outputs)
            written: Reply = await self._on_thread(self._desk.write, exchange, call, scored.outputs)
            return written
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return self._desk.refuse(exchange, error)

    async def _in_time(self, future: Future[Scored], until: float, hard: float, served: Served) -> Scored:
        """Wait for a call as long as the client does; one that has begun goes on, and is looked after later."""
        waited = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait((waited,), timeout=max(0.0, until - time.monotonic()))
        except asyncio.CancelledError:  # the client is gone, and its rows are scored for nobody
            future.cancel()
            raise
        if done:
            return waited.result()
        waited.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody waits for it
        if future.cancel():  # it was still in line
            raise too_late()
        if hard - until > _MOMENT:  # by what was agreed: a busy machine may look at its clock late
            left = max(0.0, hard - time.monotonic())
            asyncio.get_running_loop().call_later(left, self._look_after, future, served)
            raise too_late()
        self._look_after(future, served)
        raise RequestRefused(503, "timeout", "The model did not answer in time.", {"Retry-After": "1"})

    def _look_after(self, future: Future[Scored], served: Served) -> None:
        """A call that goes on past the longest time of all cannot be ended, only its process can."""
        if future.running():
            self._batchers[id(served)].go_round()
            self._on_hang()

    async def _on_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.pool, function, *arguments)

    def note(self, reply: Reply, environ: Environ) -> None:
        """Take note of an answer to what did not become a request, of which little may be known."""
        self._desk.note(reply, environ)

    def tick(self, connections: int) -> None:
        """Tell the watchers how things are.

        Args:
            connections: Those that are open.
        """
        load = Load(self.pending, self.waiting, connections)
        for watcher in self.watchers:
            watcher.tick(load)

    def close(self) -> None:
        """Let the threads end, and the watchers write what they have."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for watcher in self.watchers:
            watcher.close()


_LIGHT = ("application/json", "application/octet-stream")
_ANYTHING = "*/*"
_SLOW = frozenset(("/metrics", "/page/about", "/page/live"))
_CLIENT_GONE = 499  # of nginx, for logs and metrics: nobody sees it


def _is_light(environ: Environ, body: bytes) -> bool:
    """Whether reading and writing take little; tables are for Polars, whose threads the loop need not wait for."""
    return (
        len(body) <= LARGEST_INLINE
        and environ.get("CONTENT_TYPE", _LIGHT[0]).startswith(_LIGHT)
        and environ.get("HTTP_ACCEPT", _ANYTHING) in (_ANYTHING, _LIGHT[0])
    )


def overloaded() -> RequestRefused:
    """Return the refusal of a request that finds the line full."""
    return RequestRefused(
        503, "overloaded", "The server has more requests than it can answer; ask again later.", {"Retry-After": "1"}
    )


def _seconds(exchange: Exchange, given: float | None) -> float:
    """How long the client waits: what its request says, or a proxy before it; infinite where nobody does."""
    seconds = math.inf if given is None else given
    header = exchange.environ.get(_DEADLINE)
    if header is not None and header.isdecimal() and len(header) < 10 and int(header):  # 0 is no limit for Envoy
        seconds = min(seconds, int(header) / 1000)
    return seconds
