"""Heads of answers, and the answers to what never becomes a request of the application."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from functools import lru_cache

from mlship.serve.app import status_line
from mlship.serve.exchange import Environ, Headers, Reply, headers_of
from mlship.serve.problems import RequestRefused
from mlship.serve.protocols.native import refusal

_CODES = {
    400: ("bad_request", "The request is not well-formed HTTP/1.1."),
    408: ("request_timeout", "The request did not come to its end in time."),
    413: ("body_too_large", "The body is larger than this server takes."),
    414: ("uri_too_long", "The request line is too long."),
    417: ("expectation_failed", "The Expect header is not 100-continue."),
    431: ("headers_too_large", "The headers are too many or too long."),
    500: ("unexpected", "The server could not answer; its operator finds the reason in its log."),
    501: ("unsupported_transfer_coding", "The transfer coding is not supported."),
    503: ("overloaded", "The server has as many connections as it takes; ask again later."),
}
_CONTINUE = "100-continue"
_HOST = re.compile(r"(?:[\w.~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?", re.ASCII)


def refused_as(status: int) -> RequestRefused:
    """Return the refusal that a status stands for, where nothing more is known."""
    code, text = _CODES.get(status, _CODES[400])
    return RequestRefused(status, code, text)


def whole(refused: RequestRefused, safe: Headers) -> Reply:
    """Return the answer to what no application sees, its headers whole."""
    reply = refusal(refused)
    return Reply(reply.status, reply.body, headers=headers_of(reply, safe), code=reply.code)


def unfit(environ: Environ, version: tuple[int, int]) -> int:
    """Return the status with which a request is refused that gunicorn lets pass, or 0."""
    if environ.get("HTTP_EXPECT", _CONTINUE).lower() != _CONTINUE:
        return 417
    host = environ.get("HTTP_HOST")
    if host is None:
        return 400 if version >= (1, 1) else 0
    return 0 if _is_host(host) else 400


@lru_cache(maxsize=256)
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


_date = (0, "")


def head(reply: Reply, close: bool) -> bytes:
    """Status line and headers; the values of headers are ours, or were looked at before they became so."""
    global _date  # noqa: PLW0603 - the text of a second, once a second
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    lines = "".join([f"{name}: {value}\r\n" for name, value in reply.headers])
    end = "Connection: close\r\n\r\n" if close else "\r\n"
    return f"HTTP/1.1 {status_line(reply.status)}\r\n{lines}Date: {_date[1]}\r\n{end}".encode("latin-1")
