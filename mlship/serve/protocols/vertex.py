"""What Vertex AI tells a container by its environment: a port and two paths."""

from __future__ import annotations

import os
import re

from mlship.errors import UsageError

_ROUTE = re.compile(r"/[A-Za-z0-9_.:/-]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def predict_route() -> str | None:
    """Return the path at which rows are to be scored, or None outside of Vertex AI.

    Raises:
        UsageError: It is no path.
    """
    return _route("AIP_PREDICT_ROUTE")


def health_route() -> str | None:
    """Return the path at which to tell whether work is taken, or None outside of Vertex AI.

    Raises:
        UsageError: It is no path.
    """
    return _route("AIP_HEALTH_ROUTE")


def vertex_port() -> int | None:
    """Return the port to listen on, or None outside of Vertex AI.

    Raises:
        UsageError: It is no port.
    """
    text = os.environ.get("AIP_HTTP_PORT")
    if not text:
        return None
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise UsageError(f"AIP_HTTP_PORT is '{text}'; it takes a number from 1 to 65535.")
    return int(text)


def _route(name: str) -> str | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not _ROUTE.fullmatch(text):
        raise UsageError(f"{name} is '{text}'; it takes a path such as /predict.")
    return text
