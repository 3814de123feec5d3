"""Calls that may never come back."""

from __future__ import annotations

import threading
import time

import pytest

from mlship.errors import Stopped
from mlship.stream.calls import Calls


def nothing() -> None:
    """Do nothing while a call is waited for."""


def test_calls_that_end() -> None:
    """What a call does is done when `do` returns, and what it raises is raised, one call after the other."""
    calls, done = Calls(), []
    calls.do(lambda: done.append(1), 5, nothing)
    with pytest.raises(ValueError, match="no"):
        calls.do(lambda: int("no"), 5, nothing)
    calls.do(lambda: done.append(2), 5, nothing)
    calls.end()
    assert done == [1, 2]


def test_a_call_that_does_not_come_back() -> None:
    """It is left behind after its time, in which other things go on; another object's calls are not behind it."""
    calls, hold, beats = Calls(), threading.Event(), []
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        calls.do(hold.wait, 2.5, lambda: beats.append(1))
    assert 2.4 < time.monotonic() - began < 10
    assert len(beats) >= 2
    Calls().do(nothing, 5, nothing)
    hold.set()


def test_what_is_done_meanwhile_may_end_the_wait() -> None:
    """An error of what goes on meanwhile, such as that the time of a stop is over, comes through."""

    def stop() -> None:
        raise Stopped(15, "over")

    hold = threading.Event()
    with pytest.raises(Stopped):
        Calls().do(hold.wait, 60, stop)
    hold.set()
