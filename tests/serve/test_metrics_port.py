"""A port of its own for metrics and probes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.server import JSON, Server, run, serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
TOKEN = "token-of-a-test-0123456789"  # noqa: S105 - of the test's own server


@pytest.fixture(scope="module")
def apart(city_path: Path) -> Iterator[Server]:
    """A server with a token, and a port of its own for metrics."""
    env = {"MLSHIP_TOKEN": TOKEN, "MLSHIP_SERVE_METRICS_PORT": "0"}
    with serving(city_path, "--workers", "2", env=env) as server:
        yield server


def test_probes_are_answered_at_both(apart: Server) -> None:
    """Probes are answered at either port, without a token."""
    assert apart.metrics_port not in (0, apart.port)
    for port in (apart.port, apart.metrics_port):
        assert apart.ask("GET", "/livez", port=port).status == 200
        assert apart.ask("GET", "/readyz", port=port).json["status"] == "ready"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/predict"), ("POST", "/models/cities/predict"), ("GET", "/"), ("GET", "/ping"), ("OPTIONS", "/predict")],
)
def test_nothing_else_is_answered_there(apart: Server, method: str, path: str) -> None:
    """The port for metrics scores nothing, whoever asks and with whatever token."""
    for headers in (JSON, {**JSON, "Authorization": f"Bearer {TOKEN}"}):
        answer = apart.ask(method, path, GOOD, headers, port=apart.metrics_port)
        assert answer.status == 404
        assert answer.json["error"]["code"] == "not_found"


def test_metrics_leave_the_main_port(apart: Server) -> None:
    """At the main port there are no metrics any more: 404 with a token, 401 without."""
    assert apart.ask("GET", "/metrics").status == 401
    assert apart.ask("GET", "/metrics", None, {"Authorization": f"Bearer {TOKEN}"}).status == 404
    assert apart.ask("GET", "/metrics", port=apart.metrics_port).status in (200, 404)
    assert apart.ask("POST", "/predict", GOOD, {**JSON, "Authorization": f"Bearer {TOKEN}"}).status == 200


def test_it_is_told(apart: Server) -> None:
    """The table tells the address."""
    assert apart.ready["metrics_url"] == f"http://127.0.0.1:{apart.metrics_port}"
    assert f"{apart.ready['metrics_url']}/metrics" in apart.stderr()


def test_new_workers_listen_at_both(apart: Server) -> None:
    """A worker that replaces a dead one answers at both ports."""
    for pid in apart.children():
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            assert apart.ask("GET", "/livez", port=apart.metrics_port).status == 200
            assert apart.ask("POST", "/predict", GOOD, port=apart.port).status == 401
            assert apart.ask("POST", "/predict", GOOD, port=apart.metrics_port).status == 404
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("no worker came")


def test_taken_port(city_path: Path) -> None:
    """A port that another program has is exit code 6."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("serve", city_path, "--port", "0", "--metrics-port", str(port))
    assert result.returncode == 6
    assert f"Port {port} is taken" in result.stderr


def test_same_port(city_path: Path) -> None:
    """The main port cannot be that for metrics too."""
    result = run("serve", city_path, "--port", "18437", "--metrics-port", "18437")
    assert result.returncode == 2
    assert "--metrics-port is the same as --port" in result.stderr
