"""Whether the server lives, and whether it takes work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Request

from mlship.serve.exchange import Reply
from mlship.serve.problems import RequestRefused
from mlship.serve.served import Served

_WARNED = "The golden rows differ from the original's answers; served on because MLSHIP_GOLDEN is 'warn'."


class Health:
    """Answers `/livez` and `/readyz`.

    Args:
        models: The models by name.
        is_draining: Tells whether the server is about to stop.
        reload: Tells what came of the last reload, as JSON values, or None when there was none.
    """

    def __init__(
        self,
        models: Mapping[str, Served],
        is_draining: Callable[[], bool],
        reload: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self._models = models
        self._is_draining = is_draining
        self._reload = reload

    def livez(self, _: Request) -> Reply:
        """Answer that the process lives."""
        return Reply(200, orjson.dumps({"status": "live"}))

    def readyz(self, _: Request) -> Reply:
        """Answer whether work is taken, and of which models; the golden rows were replayed when they were opened.

        Raises:
            RequestRefused: 503, the server is stopping.
        """
        if self._is_draining():
            raise RequestRefused(503, "draining", "The server is stopping and takes no more work.")
        states = [_state(served) for served in self._models.values()]
        told = states[0] if len(states) == 1 else {"models": states}
        return Reply(200, orjson.dumps({"status": "ready", **told, "reload": self._reload()}))


def _state(served: Served) -> dict[str, Any]:
    session = served.session
    replay = session.replay
    return {
        "model": served.identity,
        "proven": session.proven,
        "golden": {"rows": replay.rows, "agrees": replay.agrees, "warning": _WARNED if replay.warning else None},
    }
