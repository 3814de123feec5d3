"""Asks an HTTP server as fast as it answers, or at a constant rate; bytes in and out, so that it costs little itself.

Closed loop: each client asks again when it has its answer. Open loop: requests are due at fixed times whatever the
server does, and how long one took counts from when it was due, as wrk2 does: a server that stalls is not spared the
requests that would have come meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from tests.benchmarks.link import Got, Link

HOST = "127.0.0.1"


Ask = Callable[[int], bytes]
"""The bytes of a request, by its number from 0."""
Check = Callable[[int, Got], str]
"""Under which name the answer to a request is counted."""


@dataclass
class Seen:
    """What came of a run.

    Attributes:
        counts: How many answers, by what `check` says; and `lost`, `refused` for requests without one.
        latencies: Seconds of each answer.
        began, ended: When, by time.monotonic.
    """

    counts: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the run was."""
        return self.ended - self.began

    def percentile(self, share: float) -> float:
        """Return the seconds that this share of the answers did not take longer than."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def by_status(_: int, got: Got) -> str:
    """Count an answer by its status."""
    return str(got.status)


class Load:
    """A run against one server.

    Args:
        port: Its port.
        ask: What is asked.
        check: Under which name an answer is counted.
        clients: How many connections at once.
        fresh: Whether every request has a connection of its own.
    """

    def __init__(
        self, port: int, ask: Ask, check: Check = by_status, *, clients: int = 16, fresh: bool = False
    ) -> None:
        self.seen = Seen()
        self._port = port
        self._ask, self._check = ask, check
        self._clients, self._fresh = clients, fresh
        self._number = 0
        self._most: int | None = None
        self._until: float | None = None
        self._over = False
        self._open: set[Link] = set()
        self._idle: deque[Link] = deque()
        self._line: deque[tuple[int, float]] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._rate: float | None = None
        self._done = asyncio.Event()

    def stop(self) -> None:
        """Send no more; a request under way is still waited for."""
        self._over = True

    async def closed(self, *, seconds: float | None = None, most: int | None = None) -> Seen:
        """Run a closed loop for some seconds, for a number of requests, or until it is stopped."""
        self.seen.began = time.monotonic()
        self._most = most
        self._until = None if seconds is None else self.seen.began + seconds
        for _ in range(self._clients):
            self._connect()
        await self._done.wait()
        self.seen.ended = time.monotonic()
        return self.seen

    async def open(self, rate: float, seconds: float, *, spin: bool = False, patience: float = 5.0) -> Seen:
        """Run an open loop.

        Args:
            rate: Requests a second.
            seconds: How long.
            spin: Whether to look at the clock all the time, which takes a core of its own.
            patience: Seconds that the last answers are waited for.
        """
        self._rate = rate
        for _ in range(self._clients):
            self._connect()
        while self._connecting:
            await asyncio.sleep(0.01)
        self.seen.began = began = time.monotonic()
        sent, total = 0, int(rate * seconds)
        while sent < total and not self._over:
            due = min(total, int((time.monotonic() - began) * rate) + 1)
            for number in range(sent, due):
                self._line.append((number, began + number / rate))
            sent = due
            self._pair()
            await asyncio.sleep(0 if spin else 0.001)
        self.seen.ended = time.monotonic()
        while len(self._idle) < len(self._open) and time.monotonic() < self.seen.ended + patience:
            await asyncio.sleep(0.005)
        self._over = True
        self.seen.counts["unanswered"] += len(self._line) + len(self._open) - len(self._idle)
        self.seen.counts += Counter()  # without zeros
        for link in list(self._open):
            link.close()
        return self.seen

    def _pair(self) -> None:
        while self._line and self._idle:
            number, due = self._line.popleft()
            self._idle.popleft().ask(number, self._ask(number), due)

    def _connect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connected())
        self._connecting.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        self._finish_if_idle()

    async def _connected(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Link(self._ready, self._answered, self._lost), HOST, self._port)
        except OSError:
            self.seen.counts["refused"] += 1

    def _ready(self, link: Link) -> None:
        self._open.add(link)
        if self._rate is not None:
            self._idle.append(link)
            self._pair()
        else:
            self._next(link)

    def _next(self, link: Link) -> None:
        late = self._until is not None and time.monotonic() >= self._until
        if self._over or late or (self._most is not None and self._number >= self._most):
            self._over = True
            link.close()
            return
        number = self._number
        self._number += 1
        link.ask(number, self._ask(number), time.monotonic())

    def _answered(self, link: Link, got: Got, ends: bool) -> None:
        self.seen.counts[self._check(link.number, got)] += 1
        self.seen.latencies.append(got.seconds)
        if ends or self._fresh:
            link.close()
        elif self._rate is None:
            self._next(link)
        else:
            self._idle.append(link)
            self._pair()

    def _lost(self, link: Link, asked: bool) -> None:
        self._open.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if asked:
            self.seen.counts["lost"] += 1
        if not self._over:
            self._connect()
        self._finish_if_idle()

    def _finish_if_idle(self) -> None:
        if not self._open and (self._over or not self._connecting):
            self._done.set()


def run(load: Callable[[], Load], **how: float) -> Seen:
    """Run a load in this thread: an open loop when a `rate` is given, else a closed one."""

    async def whole() -> Seen:
        made = load()
        return await (made.open(**how) if "rate" in how else made.closed(**how))  # type: ignore[arg-type]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


class Background:
    """A closed loop in a thread, for the length of a `with` block.

    Attributes:
        seen: What has come of it so far.
    """

    def __init__(self, load: Callable[[], Load]) -> None:
        self._made = load
        self._load: Load | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def seen(self) -> Seen:
        """What has come of it so far."""
        assert self._load is not None
        return self._load.seen

    def __enter__(self) -> Background:
        """Begin."""
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for what is under way."""
        assert self._load is not None
        self._load.stop()
        self.wait()

    def wait(self, seconds: float = 40.0) -> Seen:
        """Wait for its end; it ends by itself when the port is closed."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "requests were not answered"
        return self.seen

    def _run(self) -> None:
        def made() -> Load:
            self._load = self._made()
            self._begun.set()
            return self._load

        run(made)
