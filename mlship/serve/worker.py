"""The gunicorn worker: an event loop on which small requests are answered at once, and large ones by threads.

At SIGTERM it goes on accepting for a moment, says so in every answer, takes what the kernel has accepted already, and
only then closes its listener: gunicorn's own asgi worker closes at once, and clients in the queue see a reset.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from gunicorn.workers.gasgi import ASGIWorker

from mlship.serve.connection import Connection, Deadlines

DRAIN_SECONDS = 1.0
"""How long a stopping worker still accepts connections: load balancers need a moment to look elsewhere."""
MOST_CONNECTIONS = 1_000
"""Connections of a worker; one more is answered 503."""

_PAUSE_SECONDS = 1.0
_TICK_SECONDS = 0.25


class ServeWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker that answers with a WSGI application, and loses no connection when it stops.

    Attributes:
        deadlines: How long clients may take.
        largest_body: Bytes of a request's body.
        most_connections: How many may be open.
        connections: Those that are open.
    """

    alive: bool

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deadlines = Deadlines()
        self.connections: set[Connection] = set()
        self.largest_body = 0
        self.most_connections = MOST_CONNECTIONS
        self._drain_until: float | None = None
        self._hung = False

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Accept `threads`, which sizes the pool here."""

    def load_wsgi(self) -> None:
        """Open the model; what fails is told to the parent, which decides what follows."""
        try:
            self.dispatch = self.app.open(self.replace)
            self.asgi = None
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            self.app.report_failure(error)
            if self.age > self.cfg.workers:  # a replacement: the next one is started as soon as this one ends
                time.sleep(_PAUSE_SECONDS)
            raise SystemExit(0) from None  # another code would make gunicorn log what the parent says better
        self.largest_body = self.app.plan.limits.body

    def init_signals(self) -> None:
        """Take SIGINT as SIGTERM: Ctrl-C in a terminal reaches the workers too."""
        super().init_signals()
        self.loop.add_signal_handler(signal.SIGINT, self.handle_exit_signal)
        self.loop.add_signal_handler(signal.SIGUSR2, self.retire)

    def handle_exit_signal(self) -> None:
        """Begin to drain."""
        if self._drain_until is None:
            self._drain_until = time.monotonic() + DRAIN_SECONDS
            self.app.draining = True
            self._keep_no_connection()

    def retire(self) -> None:
        """Drain as other workers have taken over: they accept from now on, and the server as a whole stays ready."""
        if self._drain_until is None:
            self._drain_until = time.monotonic() + DRAIN_SECONDS
            self._keep_no_connection()
            for server in self.servers:
                server.close()

    def _keep_no_connection(self) -> None:
        """Every answer from now on says `Connection: close`; connections that wait for no request are ended last."""
        for connection in self.connections:
            connection._keepalive = 0

    def replace(self) -> None:
        """End in order, as a call hangs that no thread can be freed of; the parent starts another worker."""
        self.log.error("A call of the model did not end in time: this worker is replaced.")
        self._hung = True
        self.handle_exit_signal()

    async def _serve(self) -> None:
        context = self._get_ssl_context()
        for listener in self.sockets:
            self.servers.append(
                await self.loop.create_server(self._connection, sock=listener.sock, ssl=context, backlog=2048)
            )
        while self.alive and self.ppid == os.getppid():
            self.notify()
            left = None if self._drain_until is None else self._drain_until - time.monotonic()
            if left is not None and left <= 0:
                self.alive = False
                break
            await asyncio.sleep(_TICK_SECONDS if left is None else min(_TICK_SECONDS, left))
        await self._shutdown()

    def _connection(self) -> Connection:
        connection = Connection(self)
        if self._drain_until is not None:
            connection._keepalive = 0
        return connection

    async def _shutdown(self) -> None:
        """Take what is in the accept queue, close the listeners and wait for answers under way."""
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
