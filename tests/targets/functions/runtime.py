"""AWS Lambda on this machine: the real runtime client, under Amazon's emulator or a small runtime API of our own."""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
EMULATOR = "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie"
EMULATOR_VERSION = "v0.0.0-20261030222936-bef5c4ba774d"
_SECONDS = 60


def emulator() -> Path | None:
    """Build Amazon's emulator, once for all runs, and return its path; None where it cannot be built."""
    if shutil.which("go") is None:
        return None
    folder = ROOT / ".cache" / "go" / EMULATOR_VERSION
    path = folder / "aws-lambda-rie"
    if not path.exists():
        environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-modcacherw"}
        command = ["go", "install", f"{EMULATOR}@{EMULATOR_VERSION}"]
        subprocess.run(command, env=environment, check=False, capture_output=True, timeout=300)
    return path if path.exists() else None


class Runtime:
    """A function that runs: `awslambdaric` with the handler of a folder.

    Args:
        folder: The folder with `handler.py`.
        environment: The function's environment.
        alone: Whether only what is on PYTHONPATH is there, and no library of this environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *, alone: bool = False) -> None:
        self.folder = folder
        self._python = [sys.executable, "-S"] if alone else [sys.executable]
        self._log = folder / f"log-{uuid.uuid4().hex}.txt"
        kept = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}
        self._environment = {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        self._environment["AWS_LAMBDA_LOG_FORMAT"] = environment.get("AWS_LAMBDA_LOG_FORMAT", "JSON")

    def _start(self, *before: str, **more: str) -> subprocess.Popen[bytes]:
        command = [*before, *self._python, "-m", "awslambdaric", "handler.handler"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env={**self._environment, **more}, stdout=log, stderr=subprocess.STDOUT
            )

    def log(self) -> str:
        """Return what was written so far."""
        return self._log.read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log that are JSON."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]


class Emulated(Runtime):
    """Under Amazon's emulator."""

    def __init__(self, program: Path, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment)
        self._port = free_port()
        addresses = ("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}")
        self._process = self._start(
            str(program), "--log-level", "error", *addresses, "--runtime-api-address", f"127.0.0.1:{free_port()}"
        )
        until = time.monotonic() + _SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < until, self.log()
                time.sleep(0.02)

    def invoke(self, event: Any) -> Any:
        """Bring an event and return the answer, which has `errorMessage` when the function failed."""
        address = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(address, data=body_of(event))
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())

    def close(self) -> None:
        """End it, and the function with it."""
        self._process.terminate()
        self._process.wait(timeout=_SECONDS)


class _Quiet(ThreadingHTTPServer):
    """Does not tell of functions that are ended while they wait."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing."""


class Own(Runtime):
    """Under a small runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.

    Attributes:
        init_error: What the function told when it could not start, or None.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *, alone: bool = False) -> None:
        super().__init__(folder, environment, alone=alone)
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: queue.Queue[bytes] = queue.Queue()
        self.init_error: dict[str, Any] | None = None
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self._process = self._start(AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{self._server.server_port}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:  # .../runtime/invocation/next
                name, body = runtime._events.get()
                self._answer(
                    body,
                    {
                        "Lambda-Runtime-Aws-Request-Id": name,
                        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + _SECONDS) * 1000)),
                        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:test",
                    },
                )

            def do_POST(self) -> None:  # .../invocation/NAME/response, .../invocation/NAME/error, .../init/error
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/init/error"):
                    runtime.init_error = json.loads(body)
                else:
                    runtime._answers.put(body)
                self._answer(b"", {})

            def _answer(self, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(200 if body else 202)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def invoke(self, event: Any) -> Any:
        """See `Emulated.invoke`."""
        self._events.put((str(uuid.uuid4()), body_of(event)))
        return json.loads(self._answers.get(timeout=_SECONDS))

    def ended(self) -> int:
        """Wait for a function that does not start, and return its exit code."""
        return self._process.wait(timeout=_SECONDS)

    def close(self) -> None:
        """End it, and the function with it."""
        self._process.kill()
        self._process.wait(timeout=_SECONDS)
        self._events.put(("", b""))  # for the thread that waits for an event in vain
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def body_of(event: Any) -> bytes:
    """Return an event as it travels: JSON, or what a test wants to be sent instead."""
    return event if isinstance(event, bytes) else json.dumps(event).encode()
