"""The gunicorn worker: an event loop on which small requests are answered at once, and large ones by threads.

At SIGTERM it goes on accepting for a moment, says so in every answer, takes what the kernel has accepted already, and
only then closes its listener: gunicorn's own asgi worker closes at once, and clients in the queue see a reset.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gasgi import ASGIWorker

from mlship.serve.newcomers import turn_away
from mlship.serve.proxies import Proxies
from mlship.serve.settings import BODIES_HELD, DRAIN_SECONDS
from mlship.serve.tls import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS, context_of

if TYPE_CHECKING:
    from mlship.serve.connection import Connection
    from mlship.serve.exchange import Headers

RETIRE = signal.SIGUSR2
"""Tells a worker that others have taken its place."""
TOLD = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, RETIRE))
"""What a worker is told by signals."""
RETIRE_SECONDS = 5.0
"""How long it keeps the connections of clients that ask nothing, who may be about to."""
MOST_CONNECTIONS = 1_000
"""Connections of a worker; one more is answered 503."""

_LEAST_HELD = 64 << 20
_PAUSE_SECONDS = 1.0
_TICK_SECONDS = 0.25
_HANDSHAKE_SECONDS = 0.3  # time for connections that have begun to reach the accept queue
_SWITCH_SECONDS = 5e-4  # after which a thread that counts or parses lets the loop get on


class ServeWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker that answers with a WSGI application, and loses no connection when it stops.

    Attributes:
        deadlines: How long clients may take.
        largest_body: Bytes of a request's body.
        most_connections: How many may be open.
        held: Bytes of bodies that came in pieces and are not answered.
        most_held: How many of them there may be.
        connections: Those that are open.
        safe_headers: The headers of every answer.
        proxies: Whose word is taken on for whom they ask.
    """

    alive: bool

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.connections: set[Connection] = set()
        self.safe_headers: Headers = ()
        self.proxies = Proxies()
        self.largest_body = 0
        self.held = self.most_held = 0
        self.most_connections = MOST_CONNECTIONS
        self._drain_until: float | None = None
        self._hung = False

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Accept `threads`, which sizes the pool here."""

    def load_wsgi(self) -> None:
        """Open the model; what fails is told to the parent, which decides what follows."""
        try:
            plan = self.app.plan
            # Read by each worker: gunicorn's own would go on without TLS where it fails.
            self.tls = [
                None if plan.tls is None else context_of(plan.tls, clients=clients) for clients in (True, False)
            ]
            self.dispatch = self.app.open(self.replace)
            self.asgi = None
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            self.app.report_failure(error)
            if self.age > self.cfg.workers:  # a replacement: the next one is started as soon as this one ends
                time.sleep(_PAUSE_SECONDS)
            raise SystemExit(0) from None  # another code would make gunicorn log what the parent says better
        from mlship.serve.connection import (
            Connection,
            Deadlines,
        )  # here, as the parent must not load NumPy, which starts threads
        from mlship.serve.desk import safe_headers

        self._make_connection = Connection
        sys.setswitchinterval(_SWITCH_SECONDS)
        gc.collect()
        gc.freeze()  # what is there now stays; looking through it again and again would hold requests up
        self.deadlines = Deadlines()
        self.largest_body = plan.limits.body
        self.most_held = max(_LEAST_HELD, BODIES_HELD * plan.limits.body)
        self.safe_headers = safe_headers(encrypted=plan.tls is not None)
        self.proxies = plan.proxies

    def init_signals(self) -> None:
        """Until it serves a worker ends at once when it is told to: uvloop loses what comes before it runs.

        Ctrl-C in a terminal reaches the workers too, and is left to the parent.
        """
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)

    def _take_signals(self) -> None:
        """Take SIGINT as SIGTERM, as it is to the parent."""
        super().init_signals()
        self.loop.add_signal_handler(signal.SIGINT, self.handle_exit_signal)
        self.loop.add_signal_handler(RETIRE, self.retire)

    def handle_exit_signal(self) -> None:
        """Begin to drain: the server stops."""
        if not self.app.draining:
            self.app.draining = True
            self._drain(DRAIN_SECONDS - _HANDSHAKE_SECONDS)

    def retire(self) -> None:
        """Leave the listener to others, who serve on, and end after what clients have begun here."""
        for server in self.servers:
            server.close()
        self._drain(RETIRE_SECONDS)

    def _drain(self, seconds: float) -> None:
        self._drain_until = min(self._drain_until or math.inf, time.monotonic() + seconds)
        self._keep_no_connection()

    def _keep_no_connection(self) -> None:
        """Every answer from now on says `Connection: close`; connections that wait for no request are ended last."""
        for connection in self.connections:
            connection._keepalive = 0

    def replace(self) -> None:
        """Have another worker take this one's place, as a call hangs that no thread can be freed of."""
        if not self._hung:
            self.log.error("A call of the model did not end in time: this worker is replaced.")
            self._hung = True
            self.app.report_hang()

    async def _serve(self) -> None:
        from mlship.serve.access import MAIN, METRICS

        self._take_signals()
        for place, listener in enumerate(self.sockets):  # in the order of `bind`
            metrics = place == 1
            context = self.tls[metrics]  # who asks for metrics, as probes do, shows no certificate
            self.servers.append(
                await self.loop.create_server(
                    partial(self._connection, METRICS if metrics else MAIN),
                    sock=listener.sock,
                    ssl=context,
                    backlog=2048,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS if context else None,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS if context else None,
                )
            )
        while self.alive and self.ppid == os.getppid():
            self.notify()
            self.dispatch.tick(len(self.connections))
            self._end_idle()
            left = None if self._drain_until is None else self._drain_until - time.monotonic()
            if left is not None and left <= 0:
                self.alive = False
                break
            await asyncio.sleep(_TICK_SECONDS if left is None else min(_TICK_SECONDS, left))
        await self._shutdown()

    def _end_idle(self) -> None:
        """Close the connections on which nothing was asked for long, or an answer is not taken."""
        now = self.loop.time()
        for connection in [one for one in self.connections if one.idle_since < now - self.deadlines.body]:
            if connection.transport.get_write_buffer_size():
                connection.transport.abort()
            elif connection.idle_since < now - self.cfg.keepalive:
                connection.end_when_idle()

    def _connection(self, listener: str) -> Connection:
        connection = self._make_connection(self)
        connection.listener = listener
        if self._drain_until is not None:
            connection._keepalive = 0
        return connection

    async def _shutdown(self) -> None:
        """Take what is in the accept queue, close the listeners and wait for answers under way."""
        if self.app.draining:  # the listeners are nobody's from now on
            for listener in self.sockets:
                turn_away(listener.sock)
            await asyncio.sleep(_HANDSHAKE_SECONDS)
        await asyncio.sleep(0)  # the loop accepts until nothing is left before it comes back here
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        deadline = self.loop.time() + self.cfg.graceful_timeout
        while self.connections and self.loop.time() < deadline and not self._quick_shutdown:
            self.notify()
            for connection in list(self.connections):
                connection.end_when_idle()
            await asyncio.sleep(0.02)
        self.dispatch.close()
        if self._hung:
            os._exit(0)  # a normal end would wait for the thread
