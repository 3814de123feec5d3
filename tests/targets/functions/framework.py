"""Google Cloud Functions on this machine: Google's own framework with a function of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from tests.targets.functions.runtime import ROOT, free_port

JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """What a function answered."""

    status: int
    body: bytes


class Framework:
    """functions-framework with the function of a folder.

    Args:
        folder: The folder with `main.py`.
        target: The function.
        environment: Its environment.
        python: The interpreter.
    """

    def __init__(
        self, folder: Path, target: str, environment: Mapping[str, str], *, python: str = sys.executable
    ) -> None:
        self._log = folder / f"log-{target}.txt"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        kept = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}
        options = ["--target", target, "--host", "127.0.0.1", "--port", str(self._port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", "functions_framework", *options],
                cwd=folder,
                env={**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "THREADS": "4", **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> Framework:
        """Wait until it answers."""
        until = time.monotonic() + 60
        while True:
            try:
                self.ask("GET", "/livez", None, {})
                return self
            except OSError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < until, self.log()
                time.sleep(0.05)

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Ask it."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        finally:
            connection.close()

    def event(self, kind: str, data: Any, *, binary: bool = True) -> Answer:
        """Bring an event, in one of the two modes of CloudEvents over HTTP."""
        source = "//pubsub.googleapis.com/projects/p/topics/in"
        attributes = {"id": "1", "source": source, "type": kind, "specversion": "1.0", "time": "2026-01-01T00:00:00Z"}
        if binary:
            headers = {f"ce-{name}": value for name, value in attributes.items()}
            return self.ask("POST", "/", json.dumps(data).encode(), {**headers, "Content-Type": "application/json"})
        whole = {**attributes, "datacontenttype": "application/json", "data": data}
        return self.ask("POST", "/", json.dumps(whole).encode(), {"Content-Type": "application/cloudevents+json"})

    def log(self) -> str:
        """Return what was written so far."""
        return self._log.read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log that are JSON."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith('{"severity"')]

    def ended(self) -> int:
        """Wait for a function that does not start, and return its exit code."""
        return self._process.wait(timeout=60)

    def stop(self) -> None:
        """Tell it to end."""
        self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End it."""
        self.stop()
        self._process.wait(timeout=60)
