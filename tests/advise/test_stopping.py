"""Advice that is stopped leaves nothing behind: no server, and on SIGTERM no folder."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from mlship.advise.processes import stopped_by_sigterm
from mlship.errors import Stopped
from tests.batch.models import town_model

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")


def of(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink().is_relative_to(folder):
                found.append(int(path.parent.name))
        except OSError:  # it ended meanwhile, or is another's
            continue
    return found


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Wait until it is true."""
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(signum: signal.Signals, tmp_path: Path) -> None:
    """The server that is asked ends with whoever asks, workers too; SIGTERM is exit code 143 and tidies up."""
    model, scratch = tmp_path / "model.onnx", tmp_path / "scratch"
    scratch.mkdir()
    model.write_bytes(town_model("v1", 0.0))
    with subprocess.Popen(
        [sys.executable, "-m", "mlship", "export", str(model), "--advise", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert within(60, lambda: any(scratch.glob("*/serve.log")) and len(of(scratch)) > 1)
            time.sleep(4)  # it is ready then, and asked for some ten seconds: before, it ends of what nobody reads
            process.send_signal(signum)
            assert process.wait(60) == (143 if signum == signal.SIGTERM else -signum)
        finally:
            process.kill()

    assert within(30, lambda: not of(scratch))
    if signum == signal.SIGTERM:
        assert not list(scratch.iterdir())


class _Ended(asyncio.Protocol):
    """A connection on whose data the process is told to end."""

    def data_received(self, data: bytes) -> None:
        """Send the signal, and give it the time to be seen here."""
        assert data
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def test_an_event_loop_does_not_keep_the_signal_to_itself() -> None:
    """SIGTERM that comes while data of a connection is looked at, where loops only log what is raised, stops all."""
    here, there = socket.socketpair()

    async def asked() -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(_Ended, sock=here)
        there.send(b"x")
        try:
            await asyncio.sleep(5)
        finally:
            transport.close()

    loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with there, pytest.raises(Stopped), stopped_by_sigterm(), loop as runner:
        runner.run(asked())
