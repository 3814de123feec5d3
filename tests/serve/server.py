"""A real `mlship serve` in a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.model.session import Session
from mlship.serve.app import App
from mlship.serve.desk import Desk
from mlship.serve.health import Health
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace
from mlship.serve.table import endpoints_of
from mlship.serve.views import views_of

ROOT = Path(__file__).resolve().parents[2]
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON values."""
        return json.loads(self.body)


class Server:
    """A running server.

    Args:
        process: Its process, whose stdout is a pipe.
        log: The file that its stderr goes to.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, self.stderr()
        self.ready = json.loads(line)
        self.port = int(self.ready["url"].rpartition(":")[2])
        metrics = self.ready.get("metrics_url")
        self.metrics_port = int(metrics.rpartition(":")[2]) if metrics else 0

    def stderr(self) -> str:
        """Return what it has written to stderr."""
        return self._log.read_text(encoding="utf-8")

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = JSON, *, port: int = 0
    ) -> Answer:
        """Send one request on a connection of its own; a body that is not bytes is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)) as connection:
            connection.request(method, path, data, dict(headers))
            return answer_of(connection)

    def raw(self, data: bytes) -> Answer:
        """Send bytes as they are and read one answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            return read_answer(connection)

    def children(self) -> list[int]:
        """Return the process ids of its workers."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[1]) == self.process.pid and fields[0] != "Z":
                    found.append(int(stat.parent.name))
        return found

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(timeout=40)


def answer_of(connection: http.client.HTTPConnection) -> Answer:
    """Read the answer that is due on a connection."""
    return _answer(connection.getresponse())


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer from a socket."""
    with contextlib.closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        return _answer(response)


def _answer(response: http.client.HTTPResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def command(*arguments: str | Path) -> list[str]:
    """Return a command line of mlship."""
    return [sys.executable, "-m", "mlship", *map(str, arguments)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which a process elsewhere finds mlship, and no option is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLSHIP_")}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(extra or {})}


@contextlib.contextmanager
def serving(
    model: Path | str,
    *options: str | Path,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = ("-m", "mlship"),
) -> Iterator[Server]:
    """Run a server for the length of a `with` block and end it by its own process id.

    Args:
        model: What it serves.
        options: Further options.
        env: Further variables of its environment.
        program: What Python runs with these arguments.
    """
    arguments = [sys.executable, *program, "serve", str(model), "--port", "0", "--json", *map(str, options)]
    with running(arguments, env=env) as server:
        yield server


@contextlib.contextmanager
def running(arguments: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a command line that serves, tells its readiness with --json, and takes any free port."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr"
        with (
            log.open("w") as stderr,
            subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=folder, env=environment(env)
            ) as process,
        ):
            try:
                yield Server(process, log)
            finally:
                if process.poll() is None:
                    process.terminate()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=40)
                    process.kill()


def application(session: Session, limits: Limits | None = None, *, draining: bool = False) -> App:
    """Return the application that serves one open model, in this process."""
    models = {session.card.name: Served(session.card.name, session, limits or Limits(), Pace())}
    health = Health(models, lambda: draining)
    return App(Desk(endpoints_of(models)), models, health, views_of(models, health))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of mlship to its end."""
    return _run(command(*arguments))


def run_code(
    code: str, *arguments: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python code, which finds mlship, to its end."""
    return _run([sys.executable, "-c", code, *map(str, arguments)], env)


def _run(arguments: list[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, env=environment(env), capture_output=True, text=True, check=False, timeout=60)
