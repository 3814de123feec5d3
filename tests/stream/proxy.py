"""A line between clients and the broker that is slow, or cut: what a network does."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

from tests.stream.broker import free_port

_BLOCK = 1 << 16


@dataclass
class Proxy:
    """Hands on what comes at one port to another, later.

    Attributes:
        target: The port where it goes.
        port: The port where it comes.
        delay: Seconds that each part of it is held back.
        is_cut: Whether nothing comes through, with connections left open.
    """

    target: int
    port: int = field(default_factory=free_port)
    delay: float = 0.0
    is_cut: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to listen."""
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.settimeout(0.2)
        self._door = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._door.start()

    def stop(self) -> None:
        """End, with all connections; the port is free then."""
        self._ended.set()
        self._door.join()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = listener.accept()
                    threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), selectors.DefaultSelector() as both:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            with server:
                both.register(client, selectors.EVENT_READ, server)
                both.register(server, selectors.EVENT_READ, client)
                while not self._ended.is_set():
                    for key, _ in both.select(0.2):
                        if not self._hand_on(key.fileobj, key.data):  # type: ignore[arg-type]  # they are sockets
                            return

    def _hand_on(self, one: socket.socket, other: socket.socket) -> bool:
        data = one.recv(_BLOCK)
        if self.delay:
            time.sleep(self.delay)
        while self.is_cut and not self._ended.is_set():
            time.sleep(0.05)
        if data:
            other.sendall(data)
        return bool(data)
