"""Bounds on what one conversion and its proof may take: time, and memory where the system can bound it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mlship.errors import NotConvertible

_MINUTE = 60.0


@dataclass(frozen=True)
class Limits:
    """What a conversion may take.

    Attributes:
        seconds: Wall time of conversion and proof together.
        bytes: Memory that it may take beyond what the process has already, or None for all that the machine has.
    """

    seconds: float = 30 * _MINUTE
    bytes: int | None = None


class _OutOfTime(BaseException):
    """Raised by the alarm; no handler of ordinary errors catches it on its way."""


@contextlib.contextmanager
def bounded(limits: Limits) -> Iterator[None]:
    """Run a block within limits.

    Elsewhere than in the main thread of a POSIX process, where Python has no alarm, time is not bounded.

    Raises:
        NotConvertible: A limit was hit.
    """
    try:
        with _time(limits.seconds), _memory(limits.bytes):
            yield
    except _OutOfTime:
        raise out_of_time(limits) from None
    except MemoryError as error:
        raise out_of_memory() from error


def out_of_time(limits: Limits) -> NotConvertible:
    """The refusal of a model that takes too long."""
    return NotConvertible(
        f"Conversion and proof took longer than {limits.seconds:g} seconds. Nothing was written.",
        hint="Give more with --time-limit, or export a smaller model.",
        code="time_limit",
    )


def out_of_memory() -> NotConvertible:
    """The refusal of a model that takes too much."""
    return NotConvertible(
        "Conversion and proof ran out of memory. Nothing was written.",
        hint="Give more with --memory-limit or on a larger machine, or export a smaller model.",
        code="memory_limit",
    )


@contextlib.contextmanager
def _time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(_signum: int, _frame: FrameType | None) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _memory(most: int | None) -> Iterator[None]:
    try:
        import resource
    except ImportError:  # Windows has none
        yield
        return
    status = Path("/proc/self/statm")
    wanted = most if most is not None else _memory_of_machine()
    if not status.exists() or wanted is None:  # without it the limit, which counts from zero, cannot be placed
        yield
        return
    pages = int(status.read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + wanted
    bounds = [bound for bound in (soft, hard, limit) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _memory_of_machine() -> int | None:
    import os

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
