"""Start, stop and failure of a real server."""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.serve.models import city_model
from tests.serve.server import JSON, Answer, Server, answer_of, read_answer, run_code, running, serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
BODY = json.dumps(GOOD).encode()
ONE = ("--workers", "1", "--threads", "2")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_with_exit_code_0(city_path: Path, signum: int) -> None:
    """SIGTERM and Ctrl-C stop the server, which is no failure, and leave nothing running."""
    with serving(city_path, *ONE) as server:
        workers = server.children()
        assert len(workers) == 1
        assert server.stop(signum) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        assert "Traceback" not in server.stderr()


AT_THE_FORK = """
import os, signal, sys, time
from mlship.cli.main import run
from mlship.serve.arbiter import ServeArbiter
from mlship.serve.worker import ServeWorker
spawn, begin = ServeArbiter.spawn_worker, ServeWorker._setup_event_loop
def spawned(self):
    os.kill(os.getpid(), signal.SIGTERM)
    return spawn(self)
def slowly(self):
    time.sleep(0.3)
    begin(self)
ServeArbiter.spawn_worker, ServeWorker._setup_event_loop = spawned, slowly
sys.exit(run(sys.argv[1:]))
"""
"""A server that is told to stop while its workers begin, before they have taken signals to themselves."""


def test_a_stop_while_workers_begin(city_path: Path) -> None:
    """It ends at once, though the signal to the workers is lost, and not when the time for a stop is over."""
    begun = time.monotonic()
    done = run_code(AT_THE_FORK, "serve", city_path, "--port", "0", "--json", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 15
    assert "Traceback" not in done.stderr


def test_requests_in_flight_are_finished(city_path: Path) -> None:
    """While it drains, a half-sent request is answered, new ones get Connection: close and /readyz is 503."""
    with serving(city_path, *ONE) as server, contextlib.ExitStack() as stack:
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        slow.sendall(head % len(BODY) + BODY[:10])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        readiness = _first_unready(server)
        assert readiness.json["error"]["code"] == "draining"
        fresh = server.ask("POST", "/predict", GOOD)
        assert (fresh.status, fresh.headers["connection"]) == (200, "close")
        slow.sendall(BODY[10:])
        finished = read_answer(slow)
        assert (finished.status, finished.json["predictions"]) == (200, [{"prediction": "yes", "score": 0.5}])
        assert server.process.wait(timeout=40) == 0
        with pytest.raises(ConnectionRefusedError):
            server.ask("GET", "/livez")


def _first_unready(server: Server) -> Answer:
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        answer = server.ask("GET", "/readyz")
        if answer.status != 200:
            assert answer.status == 503
            return answer
    raise AssertionError("/readyz did not say that the server is stopping")


def _hammer(port: int, keep_alive: bool, seen: collections.Counter[str]) -> None:
    """Send request after request until the port is closed, counting what happens."""
    headers = JSON if keep_alive else {**JSON, "Connection": "close"}
    connection: http.client.HTTPConnection | None = None
    while True:
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.connect()
            connection.request("POST", "/predict", BODY, headers)
            answer = answer_of(connection)
            seen[str(answer.status)] += 1
            if answer.headers.get("connection") == "close":
                connection.close()
                connection = None
        except ConnectionRefusedError:
            return
        except (OSError, http.client.HTTPException) as error:
            seen[type(error).__name__] += 1
            if connection is not None:
                connection.close()
                connection = None


@pytest.mark.parametrize("attempt", [0, *(pytest.param(number, marks=pytest.mark.whole) for number in (1, 2))])
def test_nobody_is_reset_when_it_stops(city_path: Path, attempt: int) -> None:
    """Under load from eight clients SIGTERM breaks no request: each is answered, then the port is closed."""
    seen: collections.Counter[str] = collections.Counter()
    with serving(city_path, "--workers", "2", "--threads", "4") as server:
        clients = [threading.Thread(target=_hammer, args=(server.port, number % 2 == 0, seen)) for number in range(8)]
        for client in clients:
            client.start()
        time.sleep(0.3 + 0.1 * attempt)
        assert server.stop() == 0
        for client in clients:
            client.join(timeout=40)
    assert set(seen) == {"200"}, seen
    assert seen["200"] > 100


def test_dead_worker_is_replaced_by_the_same_model(tmp_path: Path) -> None:
    """A killed worker comes back with the model it started with, though the file has been overwritten since."""
    model = tmp_path / "model.onnx"
    model.write_bytes(city_model())
    with serving(model, *ONE) as server:
        before = server.ask("POST", "/predict", GOOD).json
        model.write_bytes(b"no model at all")
        (worker,) = server.children()
        os.kill(worker, signal.SIGKILL)
        assert server.ask("POST", "/predict", GOOD).json == before  # waits in the accept queue meanwhile
        assert server.children() not in ([worker], [])
        assert server.stop() == 0


def test_parent_never_opens_the_model(city_path: Path) -> None:
    """The process that forks has one thread and no onnxruntime, which does not survive a fork."""
    with serving(city_path, *ONE) as server:
        parent = Path(f"/proc/{server.process.pid}")
        (worker,) = server.children()
        for library in ("onnxruntime", "numpy", "polars"):
            assert library not in (parent / "maps").read_text(encoding="utf-8")
        assert "\nThreads:\t1\n" in (parent / "status").read_text(encoding="utf-8")
        assert "onnxruntime" in Path(f"/proc/{worker}/maps").read_text(encoding="utf-8")


REPLACE = """
import sys
from pathlib import Path
from mlship.serve import host
from mlship.cli.main import run
checked = host.preflight
def replace(name, source):
    plan = checked(name, source)
    Path(source).write_bytes(b"no model at all")
    return plan
host.preflight = replace
sys.exit(run(["serve", sys.argv[1], "--port", "0", "--json", "--workers", "2"]))
"""


def test_file_replaced_after_the_check(tmp_path: Path) -> None:
    """What is served are the bytes that were checked, though the file changes between check and start."""
    model = tmp_path / "model.onnx"
    model.write_bytes(city_model())
    command = [sys.executable, "-c", REPLACE, str(model)]
    with running(command) as server:
        assert server.ask("POST", "/predict", GOOD).json["predictions"] == [{"prediction": "yes", "score": 0.5}]
        assert server.stop() == 0


DIE = """
import os, signal, sys
from mlship.serve.application import ServeApplication
from mlship.cli.main import run
def die(self, on_hang):
    os.kill(os.getpid(), signal.SIGKILL)
ServeApplication.open = die
sys.exit(run(["serve", sys.argv[1], "--port", "0", "--json", "--workers", "2"]))
"""


def test_workers_that_die_at_start_end_the_server(city_path: Path) -> None:
    """Workers that the system kills while they start, as for want of memory, are not restarted for ever."""
    result = run_code(DIE, city_path)
    assert result.returncode == 4
    assert json.loads(result.stdout)["error"]["code"] == "worker_died"
    assert "--workers 1" in result.stderr


FAIL_LATER = """
import os, signal, sys
from pathlib import Path
from mlship.cli import serve_told
from mlship.cli.main import run
from mlship.serve.application import ServeApplication
flag = Path(sys.argv[2])
opened = ServeApplication.open
def note_or_fail(self, on_hang):
    if flag.exists():
        raise MemoryError
    answer = opened(self, on_hang)
    flag.with_suffix(f".{os.getpid()}").touch()
    return answer
def kill_some(console, ready):
    flag.touch()
    for file in sorted(flag.parent.glob("flag.[0-9]*"))[:int(sys.argv[3])]:
        os.kill(int(file.suffix[1:]), signal.SIGKILL)
    if int(sys.argv[3]) == 1:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.alarm(4)
ServeApplication.open = note_or_fail
serve_told.announce = kill_some
sys.exit(run(["serve", sys.argv[1], "--port", "0", "--json", "--workers", "2"]))
"""


def test_replacements_that_fail_end_the_server_when_none_is_left(city_path: Path, tmp_path: Path) -> None:
    """When all workers are dead and no replacement starts, the server ends with the reason."""
    result = run_code(FAIL_LATER, city_path, tmp_path / "flag", "2")
    assert result.returncode == 1
    assert "A worker could not start: MemoryError" in result.stderr
    assert "Traceback" not in result.stderr


def test_replacements_that_fail_leave_the_others_alone(city_path: Path, tmp_path: Path) -> None:
    """As long as one worker serves, the server goes on trying to replace the other and ends only when told to."""
    result = run_code(FAIL_LATER, city_path, tmp_path / "flag", "1")
    assert result.returncode == 0
    assert result.stderr.count("Another one is started") >= 2


EARLY = """
import os, signal, sys, time
from mlship.serve import host
from mlship.cli.main import run
def stopped_meanwhile(name, source):
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    time.sleep(30)
host.preflight = stopped_meanwhile
sys.exit(run(["serve", sys.argv[1], "--port", "0"]))
"""


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT"])
def test_stop_while_starting(city_path: Path, signal_name: str) -> None:
    """A server that is stopped while it still checks its model ends at once, with exit code 0."""
    result = run_code(EARLY, city_path, signal_name)
    assert (result.returncode, result.stderr) == (0, "")


def test_check_that_is_killed_is_told(city_path: Path) -> None:
    """When the system kills the process that checks the model, the message says so."""
    result = run_code(
        "import os, sys\n"
        "from mlship.serve import preflight\n"
        "from mlship.cli.main import run\n"
        "preflight._outcome = lambda source, served: os.kill(os.getpid(), 9)\n"
        "sys.exit(run(['serve', sys.argv[1], '--port', '0']))\n",
        city_path,
    )
    assert result.returncode == 4
    assert "ended by signal 9" in result.stderr


def test_without_home_and_shared_memory(city_path: Path, tmp_path: Path) -> None:
    """A container without a home, with one folder that can be written, is enough; nothing of ours stays in it."""
    own = tmp_path / "tmp"
    own.mkdir()
    with serving(
        city_path, *ONE, env={"HOME": "/nonexistent", "TMPDIR": str(own), "XDG_CACHE_HOME": "/nonexistent"}
    ) as server:
        assert server.ask("POST", "/predict", GOOD).status == 200
        assert server.stop() == 0
    assert not list(own.glob("*mlship*"))
