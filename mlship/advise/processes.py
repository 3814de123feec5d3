"""Commands of ours in processes of their own, as a user would start them: none of the caller's options reach them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import mlship
from mlship.errors import ModelRefused, OutputFailed, Stopped, error_from

_SECONDS = 300.0
_PR_SET_PDEATHSIG = 1
_KEPT = "MLSHIP_GOLDEN"
"""The one variable of ours that decides whether a model opens at all."""


@dataclass(frozen=True)
class Done:
    """A command that has ended well.

    Attributes:
        told: The JSON object that it printed.
        seconds: How long it took.
        cpu: The processor time that it took.
    """

    told: dict[str, Any]
    seconds: float
    cpu: float


def run(arguments: Sequence[str], folder: Path) -> Done:
    """Run `python -m` with some arguments in a folder.

    Raises:
        MlshipError: What the command failed of.
        ModelRefused: It took too long, or ended without a word.
    """
    before, start = _cpu(), time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603  our own commands
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            preexec_fn=_end_with_parent(),
        )
    except subprocess.TimeoutExpired:
        raise ModelRefused(
            f"The model could not be measured: '{arguments[0]}' did not end within {_SECONDS:g} seconds.",
            code="not_measured",
        ) from None
    seconds, cpu = time.perf_counter() - start, _cpu() - before
    return Done(_told(done.stdout, done.stderr, " ".join(arguments[:2])), seconds, cpu)


def _told(text: str, log: str, command: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        why = log.strip().splitlines()[-1:] or ["it said nothing"]
        raise ModelRefused(f"The model could not be measured by '{command}': {why[0]}.", code="not_measured") from None
    error = told.get("error")
    if not error:
        return told
    if "kind" in error:
        raise error_from(error)
    raise ModelRefused(
        f"The model could not be measured by '{command}': {error['message']}", hint=error["hint"], code="not_measured"
    )


@contextlib.contextmanager
def served(model: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Run `mlship serve` with one worker on a free port of this machine for the length of a `with` block.

    It has one processor for itself, and whoever asks has the others, where the system lets processes be held to some.

    Yields:
        What it told when it was ready, `seconds` until then, and `pid`.

    Raises:
        ModelRefused: It does not serve the model.
        OutputFailed: It does not end.
    """
    options = ["--host", "127.0.0.1", "--port", "0", "--workers", "1", "--json", "--quiet"]
    with (folder / "serve.log").open("w+", encoding="utf-8", errors="replace") as log, _apart() as whoever_asks:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "mlship", "serve", str(model), *options],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  no thread of ours holds a lock that it takes
        )
        whoever_asks()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            seconds = time.perf_counter() - start
            log.seek(0)
            yield {**_told(line, log.read(), "mlship serve"), "seconds": seconds, "pid": process.pid}
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise OutputFailed("The server that the model was measured with did not end.") from None
            finally:
                if process.stdout is not None:
                    process.stdout.close()


def _end_with_parent() -> Callable[[], None] | None:
    """Have the system end a new process when this one is gone, even killed; None where it cannot (see prctl(2)).

    It is SIGTERM, at which a server ends its workers too.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def end_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # gone meanwhile
            os._exit(1)

    return end_with_parent


@contextlib.contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Raise `Stopped` at SIGTERM in a `with` block, so that what it started ends and what it wrote is removed.

    Elsewhere than in the main thread, where Python lets nobody take signals, the block runs without.

    Raises:
        Stopped: The signal came.
    """

    def stop(signum: int, _frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)  # a second one must not stop the tidying
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise SystemExit(128 + signum) from None
        for task in asyncio.all_tasks(loop):  # what is raised in a callback, a loop may keep to itself
            task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # so that it looks at once

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (SystemExit, asyncio.CancelledError):
        told = "Stopped by SIGTERM; the model was not measured to the end."
        raise Stopped(signal.SIGTERM, told) from None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextlib.contextmanager
def _apart() -> Iterator[Callable[[], None]]:
    """Hold this process, and what it starts, to one processor, and after a call of what is yielded to the others."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        yield lambda: None
        return
    allowed = os.sched_getaffinity(0)
    first = min(allowed)
    os.sched_setaffinity(0, {first})
    try:
        yield lambda: os.sched_setaffinity(0, allowed - {first})
    finally:
        os.sched_setaffinity(0, allowed)


def cpu_of(pid: int) -> float | None:
    """Return the seconds of processor time of a process and all below it, or None where the system does not tell.

    The numbers are those of proc(5): fields 4, 14 and 15 of /proc/PID/stat.
    """
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            stats[int(path.parent.name)] = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    if pid not in stats:
        return None
    tree, ticks = [pid], 0
    for one in tree:
        ticks += int(stats[one][11]) + int(stats[one][12])
        tree += [child for child, fields in stats.items() if int(fields[1]) == one]
    return ticks / os.sysconf("SC_CLK_TCK")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLSHIP_") or name == _KEPT}
    home = Path(mlship.__file__).parents[1]
    if home.name == "site-packages":
        return kept
    # where mlship runs out of its own folder, it has to be found from another one too
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(home))))}


def _cpu() -> float:
    """Seconds of processor time of all processes that this one started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system
