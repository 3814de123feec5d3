"""The page's own files: the same for everybody, without a word about models, so that they need no token."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from flask import Request

from mlship.report.pictures.frame import STYLE
from mlship.serve.exchange import Headers, Reply
from mlship.serve.page import BEHIND, is_asked_for
from mlship.serve.problems import not_found

View = Callable[[Request], Reply]

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_ASK = b"<!-- ask.part -->\n"
"""Where both pages ask for a token, in the same words."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Headers = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def shell_views(program: View | None) -> dict[str, View]:
    """Return what answers at `/`, at `/docs`, and at the path of each file of the page.

    Args:
        program: What answers programs at `/`, or None where nothing does.
    """
    views: dict[str, View] = {}
    pages: dict[str, Reply] = {}
    folder = files(__package__) / "files"
    for file in folder.iterdir():
        stem, _, kind = file.name.rpartition(".")
        if kind not in _TYPES:
            continue
        data = file.read_bytes()
        if kind == "html":
            data = data.replace(_ASK, (folder / "ask.part").read_bytes())
        reply = Reply(200, data, _TYPES[kind], _HEADERS)
        if kind == "html":
            pages[stem] = reply
        else:
            views[BEHIND + file.name] = _telling(reply)
    views[BEHIND + "pictures.css"] = _telling(Reply(200, STYLE.encode(), _TYPES["css"], _HEADERS))
    return {**views, "/docs": _telling(pages["docs"]), "/": _by_accept(pages["page"], program)}


def _telling(reply: Reply) -> View:
    return lambda _: reply


def _by_accept(page: Reply, program: View | None) -> View:
    """The page for who asks for HTML by its name, as browsers do; nothing changes for programs."""

    def view(request: Request) -> Reply:
        if is_asked_for(request.headers.get("Accept", "")):
            return page
        if program is None:
            raise not_found()
        return program(request)

    return view
