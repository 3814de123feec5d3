"""One connection of a client that costs little: the bytes of requests out, answers in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from mlship.advise.asking import answer_in


@dataclass(frozen=True, slots=True)
class Got:
    """An answer.

    Attributes:
        status: Its status.
        head: Its status line and headers in lower case.
        body: Its body.
        seconds: How long it took.
    """

    status: int
    head: bytes
    body: bytes
    seconds: float


def post(path: str, body: bytes, *, kind: str = "application/json", close: bool = False) -> bytes:
    """Return the bytes of a POST."""
    end = "Connection: close\r\n" if close else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{end}\r\n"
    )
    return head.encode() + body


def get(path: str, *, close: bool = False) -> bytes:
    """Return the bytes of a GET."""
    end = "Connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{end}\r\n".encode()


class Link(asyncio.Protocol):
    """A connection with at most one request under way.

    Args:
        on_ready: Called when it is connected.
        on_answer: Called with each answer, and whether the connection ends after it.
        on_lost: Called when it is gone, with whether a request was under way.
    """

    def __init__(
        self,
        on_ready: Callable[[Link], None],
        on_answer: Callable[[Link, Got, bool], None],
        on_lost: Callable[[Link, bool], None],
    ) -> None:
        self.number = -1
        self._on = on_ready, on_answer, on_lost
        self._buffer = b""
        self._due = 0.0
        self._asked = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of asyncio's class
        self._on[0](self)

    def ask(self, number: int, request: bytes, due: float) -> None:
        """Send a request."""
        assert self._transport is not None
        self.number, self._due, self._asked = number, due, True
        self._transport.write(request)

    def close(self, *, hard: bool = False) -> None:
        """End the connection; hard: with a reset."""
        if self._transport is not None:
            self._asked = False
            self._transport.abort() if hard else self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._buffer = data = self._buffer + data
        answer = answer_in(data)
        if answer is None or not self._asked:
            return
        head, begin, end = answer
        self._buffer = data[end:]
        self._asked = False
        got = Got(int(head[9:12]), head, data[begin:end], time.monotonic() - self._due)
        self._on[1](self, got, b"\r\nconnection: close" in head)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        """Tell that it is gone."""
        asked, self._asked = self._asked, False
        self._transport = None
        self._on[2](self, asked)
