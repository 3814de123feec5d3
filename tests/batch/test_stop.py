"""Signals that end a run."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from mlship.batch.stop import stop_on_signals
from mlship.errors import Stopped, exit_code_of


def test_an_interrupt_inside_polars_is_a_sigint() -> None:
    """A KeyboardInterrupt that a library raises in the middle of its work ends the run as SIGINT does."""
    with stop_on_signals() as stop, pytest.raises(Stopped, match="Stopped by SIGINT") as stopped, stop.interrupted():
        raise KeyboardInterrupt

    assert exit_code_of(stopped.value) == 130


def test_a_wait_lasts_as_long_as_it_should() -> None:
    """Without a signal a wait passes its time, and none at all passes none."""
    with stop_on_signals() as stop:
        began = time.monotonic()
        stop.wait(0.05)
        assert 0.05 <= time.monotonic() - began < 5
        stop.wait(0)
        stop.wait(-1)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_wait_at_once(signum: signal.Signals, code: int) -> None:
    """A signal ends a wait in the middle, long before a slice of it is over, and every wait and check after it."""
    with stop_on_signals() as stop:
        killer = threading.Timer(0.1, os.kill, (os.getpid(), signum))
        killer.start()
        began = time.monotonic()
        with pytest.raises(Stopped, match=f"Stopped by {signum.name} between two runs") as stopped:
            stop.wait(3600)
        assert time.monotonic() - began < 0.8
        assert exit_code_of(stopped.value) == code
        with pytest.raises(Stopped):
            stop.wait(0)
        with pytest.raises(Stopped):
            stop.check()
        killer.join()


def test_two_signals_end_a_run_once() -> None:
    """SIGINT and then SIGTERM, before anyone looked, do no harm; the last one counts."""
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped, match="SIGTERM"):
            stop.wait(3600)
