"""From a parsed request to the WSGI application and back, without ASGI between them.

Flask is a WSGI application; gunicorn's asgi worker parses requests on an event loop. A small request is answered on
the loop at once, because handing it to a thread and back costs more than to answer it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from mlship.serve.exchange import Environ, Reply

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@lru_cache(maxsize=256)
def _key(name: bytes) -> str:
    text = name.decode("latin-1").upper().replace("-", "_")
    return text if text in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{text}"


_SAME: Environ = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.input_terminated": True,
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ_of(request: Any, body: bytes, server: tuple[str, str], client: str) -> Environ:
    """Return the WSGI environment of a request whose body is whole, but for `wsgi.input`, which `call` adds.

    Args:
        request: gunicorn's request.
        body: The body without its framing.
        server: Host and port that were asked.
        client: The address that asks.
    """
    environ = _SAME.copy()
    environ["REQUEST_METHOD"] = request.method
    environ["PATH_INFO"] = request.path.encode().decode("latin-1")  # as PEP 3333 wants it
    environ["QUERY_STRING"] = request.query or ""
    environ["SERVER_NAME"], environ["SERVER_PORT"] = server
    environ["REMOTE_ADDR"] = client
    environ["wsgi.url_scheme"] = request.scheme
    environ["mlship.body"] = body
    for name, value in request.headers_bytes:
        key = _key(name)
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # the framing is off
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def call(application: Application, environ: Environ) -> Reply:
    """Call the application and take all of its answer; its headers are whole."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> None:  # noqa: ARG001
        started[:] = [(status, headers)]

    environ["wsgi.input"] = io.BytesIO(environ["mlship.body"])
    answer = application(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    return Reply(int(status[:3]), body, headers=tuple(headers))
