"""Who may ask what, and at which of the two ports: looked at ahead of everything else."""

from __future__ import annotations

from mlship.errors import MlshipError
from mlship.serve.exchange import Environ, Exchange
from mlship.serve.page import is_asked_for
from mlship.serve.problems import RequestRefused, not_found
from mlship.serve.tokens import Tokens

LISTENER = "mlship.listener"
"""In the environment of a request: at which port it came, `MAIN` or `METRICS`."""
MAIN, METRICS = "main", "metrics"

_OF_METRICS = frozenset(("/metrics", "/livez", "/readyz"))


class Access:
    """The gate of a server: see `serve.desk.Gate`.

    Args:
        tokens: One of which has to be shown, or None.
        apart: Whether metrics have a port of their own.
        open_paths: The paths that are answered to everybody.
        page: Whether browsers get the page at `/`; it tells nothing of models.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        *,
        apart: bool = False,
        open_paths: frozenset[str] = frozenset(),
        page: bool = False,
    ) -> None:
        self._open = open_paths
        self._page = page
        self._tokens = tokens
        self._apart = apart

    def __call__(self, environ: Environ) -> MlshipError | None:
        """Return why a request is not answered, or None."""
        path = environ["PATH_INFO"]
        if environ.get(LISTENER) == METRICS:
            return None if path in _OF_METRICS else not_found()
        if path in self._open or (path == "/" and self._page and is_asked_for(environ.get("HTTP_ACCEPT", ""))):
            return None
        if self._tokens is not None:
            name = self._tokens.name_of(environ.get("HTTP_AUTHORIZATION", ""))
            if name is None:
                return RequestRefused(401, "unauthorized", _MESSAGE, {"WWW-Authenticate": "Bearer"})
            exchange: Exchange = environ["mlship.exchange"]
            exchange.client_name = name
        if self._apart and path == "/metrics":
            return not_found()
        return None


_MESSAGE = "This server wants a valid token, in the header 'Authorization: Bearer TOKEN'."
