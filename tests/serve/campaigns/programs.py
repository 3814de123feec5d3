"""Servers for campaigns: `mlship serve` as it is, or with a part of it replaced on purpose."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from tests.serve import server
from tests.serve.server import Server

ONE = ("--workers", "1", "--threads", "2")

_PROGRAM = """
import resource, sys
from mlship.cli.main import run
from mlship.serve import preflight
from mlship.serve.application import ServeApplication
opened, facts = ServeApplication.open, preflight._facts
def paced(*given):
    found = facts(*given)
    found["pace"].update({pace})
    return found
def patched(self, on_hang):
    import time
    from mlship.serve.desk import Desk
    from mlship.serve.served import Served
{patch}
    return opened(self, on_hang)
preflight._facts, ServeApplication.open = paced, patched
{start}
sys.exit(run(sys.argv[1:]))
"""

SLOW = """
    score = Served.score
    def slow(served, feed):
        time.sleep(0.02)
        return score(served, feed)
    Served.score = slow
"""
"""Every call of the model takes 20 ms."""
SLOW_PACE = "call=0.02, batching=False"

LEAK = """
    kept, observe = [], Desk.observe
    def leak(desk, exchange):
        kept.append(exchange.call and bytes(bytearray(exchange.call.asked.body)))
        observe(desk, exchange)
    Desk.observe = leak
"""
"""The bodies of all requests are kept for ever."""

HANG = """
    score = Served.score
    def hang(served, feed):
        if any((values == 666).any() for name, values in (feed.columns or {}).items() if values.dtype.kind == "f"):
            time.sleep(600)
        return score(served, feed)
    Served.score = hang
"""
"""A call with the number 666 in it does not end."""


def program(patch: str = "", *, pace: str = "", start: str = "") -> str:
    """Return the code of a server.

    Args:
        patch: Run in each worker before it opens its models; indented by four.
        pace: What is taken for the model's pace, as keyword arguments.
        start: Run in the parent at its start.
    """
    return _PROGRAM.format(patch=patch or "    pass", pace=pace, start=start)


def serving(model: Path, *options: str, code: str | None = None) -> AbstractContextManager[Server]:
    """Run a server for the length of a `with` block: mlship's own, or the code that `program` returns."""
    return server.serving(model, *options, program=("-m", "mlship") if code is None else ("-c", code))
