"""What Vertex AI tells a container by its environment: two paths; the port is the command line's to read."""

from __future__ import annotations

import os
import re

from mlship.errors import UsageError

_ROUTE = re.compile(r"/[A-Za-z0-9_.:/-]*")


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


def _route(name: str) -> str | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not _ROUTE.fullmatch(text):
        raise UsageError(f"{name} is '{text}'; it takes a path such as /predict.")
    return text
