"""The page for people: what a model is, a form and a file to try it with, and live charts."""

BEHIND = "/page/"
"""Where the page's own files are, and what it is told."""


def is_asked_for(accept: str) -> bool:
    """Tell by an Accept header whether the page is meant by `/`: browsers name HTML, programs do not."""
    return "text/html" in accept.lower()
