"""Servers for campaigns: `mlship serve` as it is, or with a part of it replaced on purpose."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.serve.server import ROOT, Server, environment

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


@contextlib.contextmanager
def serving(model: Path, *options: str, code: str | None = None) -> Iterator[Server]:
    """Run a server for the length of a `with` block, and end it by its own process id."""
    begin = ["-m", "mlship"] if code is None else ["-c", code]
    arguments = [sys.executable, *begin, "serve", str(model), "--port", "0", "--json", *options]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT, env=environment()
        )
        try:
            yield Server(process, Path(folder) / "stderr")
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=40)
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
