"""Processes that a test started, found by walking from one to its children, and ended by their number."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

PYTHON_WORKER = "pyspark.daemon"
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
DRIVER_JVM = "org.apache.spark.deploy.SparkSubmit"


def descendants(pid: int) -> list[int]:
    """List the children of a process, and theirs."""
    below = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                # The second field is the program's name in parentheses, which may hold anything.
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                below[int(fields[1])].append(int(entry.name))
    found = [pid]
    for one in found:
        found += below[one]
    return found[1:]


def command(pid: int) -> str:
    """Return the command line of a process, empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""


def python_workers(pid: int) -> list[int]:
    """List the Python workers of Spark below a process: those that a daemon of its own forked for the tasks."""
    daemons = [one for one in descendants(pid) if PYTHON_WORKER in command(one)]
    return [one for daemon in daemons for one in descendants(daemon) if one in daemons]


def below(pid: int, words: str) -> list[int]:
    """List the processes below one that have some words in their command line."""
    return [one for one in descendants(pid) if words in command(one)]


def cpu_seconds(pid: int) -> float:
    """Return how much CPU time a process has taken, 0 when it has ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def kill(pid: int) -> None:
    """End a process at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def started(arguments: list[str], log: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Hold a process that writes to a log, and end it and all below it at last."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            arguments, env=env, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process, and what is left of those below it."""
    below_it = descendants(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    for pid in below_it:
        if "pyspark" in command(pid):  # else its number may be another's by now
            kill(pid)
    process.kill()
    process.wait(15)


def wait_until(there: Callable[[], bool], why: Callable[[], str] = str, seconds: float = 240) -> None:
    """Wait until something is so.

    Args:
        there: Whether it is.
        why: What is told when it never comes.
        seconds: How long to wait.
    """
    limit = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < limit, f"it never came: {why()}"
        time.sleep(0.02)
