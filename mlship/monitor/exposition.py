"""Metrics and liveness as one plain WSGI callable, for a port of their own: it needs no framework and no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mlship.monitor.metrics import CONTENT_TYPE

_PLAIN = "text/plain; charset=utf-8"
_SAFE = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]


def exposition(
    scrape: Callable[[], bytes], lives: Callable[[], bool] = lambda: True
) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """Return a WSGI application that answers `/metrics` and `/livez`.

    Args:
        scrape: Returns the metrics as text.
        lives: Tells whether what is watched lives.
    """

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        headers = [*_SAFE]
        if path not in ("/metrics", "/livez"):
            status, kind, body = "404 Not Found", _PLAIN, b"Here are /metrics and /livez.\n"
        elif method not in ("GET", "HEAD"):
            status, kind, body = "405 Method Not Allowed", _PLAIN, b"This path takes GET.\n"
            headers.append(("Allow", "GET, HEAD"))
        elif path == "/metrics":
            status, kind, body = "200 OK", CONTENT_TYPE, scrape()
        elif lives():
            status, kind, body = "200 OK", _PLAIN, b"live\n"
        else:
            status, kind, body = "503 Service Unavailable", _PLAIN, b"not live\n"
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
        return [b"" if method == "HEAD" else body]

    return application
