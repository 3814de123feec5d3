"""Asks a server over loopback as fast as it answers, or at a constant rate; it costs little itself.

At a constant rate, how long an answer took counts from when the request was due: a server that stalls is not spared
the requests that would have come meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

_HOST = "127.0.0.1"
_CLIENTS = 64  # connections at a constant rate
_PATIENCE = 30.0  # seconds that the last answers are waited for


@dataclass
class Seen:
    """What came of it.

    Attributes:
        times: Seconds of each answer with status 200.
        others: How many answers had another status, and `lost` for none.
        seconds: How long it was asked.
    """

    times: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the seconds that this share of the answers did not take longer than."""
        return sorted(self.times)[min(len(self.times) - 1, int(share * len(self.times)))]


def request(body: bytes) -> bytes:
    """Return the bytes of a request for predictions."""
    head = f"POST /predict HTTP/1.1\r\nHost: {_HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def ask(port: int, requests: Sequence[bytes], seconds: float, clients: int) -> Seen:
    """Have clients ask again as soon as they are answered, for some seconds; each is answered once at least."""
    return _run(_Asking(port, requests).closed(seconds, clients))


def ask_at(port: int, requests: Sequence[bytes], seconds: float, rate: float) -> Seen:
    """Ask so many times a second, whatever the server does."""
    return _run(_Asking(port, requests).open(seconds, rate))


def _run(work: Coroutine[Any, Any, Seen]) -> Seen:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class _Asking:
    """One round of questions."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.seen = Seen()
        self._port, self._requests = port, requests
        self._sent = 0
        self._until = 0.0
        self._links: list[_Link] = []
        self._idle: deque[_Link] = deque()
        self._due: deque[float] = deque()
        self._closed = True

    async def closed(self, seconds: float, clients: int) -> Seen:
        await self._connect(clients)
        began = time.perf_counter()
        self._until = began + seconds
        for link in self._links:
            self._ask(link, time.perf_counter())
        await self._finished(began)
        return self.seen

    async def open(self, seconds: float, rate: float) -> Seen:
        self._closed = False
        total = max(1, int(seconds * rate))
        await self._connect(min(_CLIENTS, total))
        self._idle.extend(self._links)
        began = time.perf_counter()
        came = 0
        while came < total:
            due = min(total, int((time.perf_counter() - began) * rate) + 1)
            self._due.extend(began + number / rate for number in range(came, due))
            came = due
            self._pair()
            await asyncio.sleep(0.0005)
        await self._finished(began)
        return self.seen

    async def _connect(self, clients: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(clients):
            _, link = await loop.create_connection(lambda: _Link(self), _HOST, self._port)
            self._links.append(link)

    async def _finished(self, began: float) -> None:
        """Wait until all that was asked is answered, and close."""
        last = time.perf_counter() + _PATIENCE + max(0.0, self._until - time.perf_counter())
        while (self._due or any(link.asked is not None for link in self._links)) and time.perf_counter() < last:
            await asyncio.sleep(0.001)
        self.seen.seconds = time.perf_counter() - began
        self.seen.others["lost"] += len(self._due) + sum(link.asked is not None for link in self._links)
        self.seen.others += Counter()  # without zeros
        for link in self._links:
            link.close()

    def answered(self, link: _Link, status: str, seconds: float) -> None:
        if status == "200":
            self.seen.times.append(seconds)
        else:
            self.seen.others[status] += 1
        now = time.perf_counter()
        if not self._closed:
            self._idle.append(link)
            self._pair()
        elif now < self._until:
            self._ask(link, now)

    def _pair(self) -> None:
        while self._due and self._idle:
            self._ask(self._idle.popleft(), self._due.popleft())

    def _ask(self, link: _Link, due: float) -> None:
        link.ask(self._requests[self._sent % len(self._requests)], due)
        self._sent += 1


def answer_in(data: bytes) -> tuple[bytes, int, int] | None:
    """Return the head of an answer of HTTP/1.1, in lower case, and where its body begins and ends.

    Args:
        data: What came so far on a connection, with no more than one answer under way; its body has a
            Content-Length, as all of mlship's have, or is empty.

    Returns:
        None while the answer is not whole.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    place = head.find(b"\r\ncontent-length:")
    size = int(head[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
    return (head, end + 4, end + 4 + size) if len(data) >= end + 4 + size else None


class _Link(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, asking: _Asking) -> None:
        self.asked: float | None = None
        self._asking = asking
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, data: bytes, due: float) -> None:
        self.asked = due
        if self._transport is None or self._transport.is_closing():
            self._end("lost")
            return
        self._transport.write(data)

    def close(self) -> None:
        self.asked = None
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = answer_in(self._buffer)
        if answer is None or self.asked is None:
            return
        head, _, end = answer
        self._buffer = self._buffer[end:]
        self._end(head[9:12].decode())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        self._transport = None
        if self.asked is not None:
            self._end("lost")

    def _end(self, status: str) -> None:
        due, self.asked = self.asked, None
        assert due is not None
        if status == "lost":
            self._asking.seen.others["lost"] += 1
            return
        self._asking.answered(self, status, time.perf_counter() - due)
