"""How much memory of a worker a great many requests leave behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import load
from tests.benchmarks.link import Link
from tests.serve.campaigns.requests import BAD_JSON, BAD_ROWS, UNKNOWN, ask
from tests.serve.server import Server

MOST_GROWTH = 50.0
"""MB."""
_KINDS = 20
_BROKEN_OFF = 5
_REQUESTS = (ask(0, 100), BAD_ROWS, BAD_JSON, UNKNOWN, *[ask(number) for number in range(_KINDS - 4)])
"""One in twenty each: many rows, bad rows, no JSON, no such path; and one of the rest is broken off."""


@dataclass(frozen=True)
class Soaked:
    """What came of it.

    Attributes:
        counts: How many answers, by status.
        growth: MB that the worker holds more than after the first requests.
        rate: Requests a second.
    """

    counts: Counter[str]
    growth: float
    rate: float


class BreakingOff(load.Load):
    """A run in which some requests are broken off as soon as they are sent."""

    def _next(self, link: Link) -> None:
        super()._next(link)
        if link.number % _KINDS == _BROKEN_OFF and not self._over:
            self.seen.counts["broken off"] += 1
            link.close(hard=True)


def soak(server: Server, warm: int, total: int, requests: tuple[bytes, ...] = _REQUESTS) -> Soaked:
    """Send requests and look at what is left of them.

    Args:
        server: The server, with one worker.
        warm: Requests after which its memory is looked at first.
        total: All requests.
        requests: What is asked in turn.
    """
    (worker,) = server.children()

    def made() -> load.Load:
        return BreakingOff(server.port, lambda number: requests[number % len(requests)], clients=8)

    first = load.run(made, most=warm)
    before = held(worker)
    second = load.run(made, most=total - warm)
    assert server.children() == [worker]
    return Soaked(first.counts + second.counts, held(worker) - before, sum(second.counts.values()) / second.seconds)


def held(pid: int) -> float:
    """Return the MB that a process holds, its part of what it shares with others counted."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError
