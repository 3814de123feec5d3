"""Servers in processes of their own, on one core, and what CPU their whole process trees take."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile

from tests.benchmarks.rows import ROOT

_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 120.0


@dataclass(frozen=True)
class Cores:
    """Where the server runs, and where the load comes from; the same when there is one core only.

    Attributes:
        server: The core of the server.
        load: The core of this process.
    """

    server: int
    load: int

    @classmethod
    @contextlib.contextmanager
    def found(cls) -> Iterator[Cores]:
        """Take the first and the last of those that this process may use, which it may use again afterwards."""
        allowed = sorted(os.sched_getaffinity(0))
        try:
            yield cls(allowed[0], allowed[-1])
        finally:
            os.sched_setaffinity(0, allowed)


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        pid: The first of its processes.
        port: Where it answers.
    """

    pid: int
    port: int

    def cpu(self) -> float:
        """Return the seconds of CPU that all its processes have taken, those that were waited for too."""
        stats = _stats()
        return sum(sum(map(int, stats[pid][11:15])) for pid in _tree(self.pid, stats)) / _TICK


def _stats() -> dict[int, list[str]]:
    """The fields of each process that follow its name, by its id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found[int(path.parent.name)] = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return found


def _tree(pid: int, stats: Mapping[int, Sequence[str]]) -> Iterator[int]:
    if pid in stats:
        yield pid
    for child, fields in stats.items():
        if int(fields[1]) == pid:
            yield from _tree(child, stats)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def mlship(model: Path, port: int, *options: str) -> list[str]:
    """Return a command line of ours: one worker, no log."""
    given = ["--port", str(port), "--workers", "1", "-q", *options]
    return [sys.executable, "-m", "mlship", "serve", str(model), *given]


def unbatched(model: Path, port: int) -> list[str]:
    """Return a command line of ours in which nothing is scored together; there is no option for that."""
    code = (
        "import sys\n"
        "from mlship.cli.main import run\n"
        "from mlship.serve import preflight\n"
        "facts = preflight._facts\n"
        "def unbatched(*given):\n"
        "    found = facts(*given)\n"
        "    found['pace']['batching'] = False\n"
        "    return found\n"
        "preflight._facts = unbatched\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    return [sys.executable, "-c", code, *mlship(model, port)[3:]]


def fastapi(model: Path, port: int) -> list[str]:
    """Return the command line of the server that a user would have written."""
    return [sys.executable, "-m", "tests.benchmarks.fastapi_server", str(model), str(port)]


@contextlib.contextmanager
def running(command: Sequence[str], port: int, ready: str, cores: Cores) -> Iterator[Running]:
    """Run a server for the length of a `with` block, on its core, and end it by its own process id.

    Args:
        command: Its command line.
        port: Where it is to answer.
        ready: The path that answers 200 when it takes work.
        cores: Where it runs, and where the load comes from.

    Raises:
        RuntimeError: It ended before it answered, or took too long.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLSHIP_")}
    os.sched_setaffinity(0, {cores.server})  # which the process inherits
    with TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
        os.sched_setaffinity(0, {cores.load})
        try:
            try:
                _wait(process, port, ready)
            except RuntimeError as error:
                log.seek(0)
                raise RuntimeError(f"{error}: {log.read().decode(errors='replace')[-2000:]}") from None
            yield Running(process.pid, port)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, ready: str) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with {process.returncode}")
        with contextlib.suppress(OSError, HTTPException):
            if status(port, ready) == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"The server did not answer within {_PATIENCE:.0f} s")


def status(port: int, path: str, body: bytes | None = None) -> int:
    """Return the status of the answer to a GET, or to a POST of JSON."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
