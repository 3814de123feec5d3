"""The page for people: what a model is, a form and a file to try it with, and live charts."""

from werkzeug.http import parse_accept_header

BEHIND = "/page/"
"""Where the page's own files are, and what it is told."""


def is_asked_for(accept: str) -> bool:
    """Tell by an Accept header whether the page is meant by `/`: browsers name HTML, programs do not, or with q=0."""
    if "text/html" not in accept.lower():
        return False
    return any(
        kind.partition(";")[0].strip() == "text/html" and q > 0 for kind, q in parse_accept_header(accept.lower())
    )
