"""Stopping a run by SIGINT or SIGTERM between two chunks."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from mlship.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds. On Windows Python sees Ctrl-C only between two waits; elsewhere a signal ends one at once.
_LONGEST_WAIT = 1.0


class Stop:
    """Remembers that a signal came."""

    def __init__(self) -> None:
        self._signum: int | None = None
        # Let go by the first signal. A bare lock: an Event has one of its own, which the interrupted wait may hold.
        self._quiet = threading.Lock()
        self._quiet.acquire()

    def check(self) -> None:
        """End the run if a signal came.

        Raises:
            Stopped: One did.
        """
        if self._signum is not None:
            raise _stopped(self._signum)

    def wait(self, seconds: float) -> None:
        """Let time pass, unless a signal comes or came already.

        Args:
            seconds: How much.

        Raises:
            Stopped: A signal came.
        """
        end = time.monotonic() + seconds
        while self._signum is None and (left := end - time.monotonic()) > 0:
            self._quiet.acquire(timeout=min(left, _LONGEST_WAIT))
        if self._signum is not None:
            raise Stopped(self._signum, f"Stopped by {signal.Signals(self._signum).name} between two runs.")

    @contextlib.contextmanager
    def interrupted(self) -> Iterator[None]:
        """Take a KeyboardInterrupt for a SIGINT: Polars raises one while it works, past our handler.

        Raises:
            Stopped: There was one.
        """
        try:
            yield
        except KeyboardInterrupt:
            raise _stopped(signal.SIGINT) from None

    def note(self, signum: int, _frame: FrameType | None) -> None:
        """Remember a signal, and let a second one end the process as usual."""
        first, self._signum = self._signum is None, signum
        if first:
            self._quiet.release()
        signal.signal(signum, signal.SIG_DFL if signum != signal.SIGINT else signal.default_int_handler)


def _stopped(signum: int) -> Stopped:
    return Stopped(signum, f"Stopped by {signal.Signals(signum).name}; no output was written.")


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGINT and SIGTERM into a note for the length of a `with` block.

    Elsewhere than in the main thread, where Python lets nobody take signals, the block runs without.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {signum: signal.signal(signum, stop.note) for signum in _SIGNALS}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
