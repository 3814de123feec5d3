"""Traces: spans for whoever takes them, and a server that runs on when nobody can make them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.serve.server import JSON, ROOT, serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@contextmanager
def _collector() -> Iterator[tuple[int, list[bytes]]]:
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.path.encode() + b"\n" + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, taken
        finally:
            server.shutdown()
            thread.join()


def test_spans_go_on_with_the_trace_of_the_client(city_path: Path) -> None:
    """A request within a trace becomes a span of it, with model and rows and without a value, sent before the end."""
    with _collector() as (port, taken):
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        with serving(city_path, "--workers", "1", env=env) as server:
            record = {**GOOD, "my age": 1.0}
            server.ask("POST", "/predict", record, headers={**JSON, "traceparent": PARENT})
            server.ask("GET", "/made-up")
            assert server.stop() == 0
        sent = b"".join(taken)
    assert taken[0].startswith(b"/v1/traces\n")
    assert bytes.fromhex(TRACE) in sent
    assert b"POST /predict" in sent
    assert b"mlship.rows" in sent
    assert b"made-up" not in sent
    assert b"Porto" not in sent


def test_without_the_library_requests_are_answered(city_path: Path, tmp_path: Path) -> None:
    """Where the libraries are absent, that is told once, and the server answers."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.sdk'] = None\n")
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with serving(city_path, "--workers", "2", env=env) as server:
        assert server.ask("POST", "/predict", GOOD).status == 200
        time.sleep(0.3)
        assert server.stderr().count("pip install 'mlship[otel]'") == 1
