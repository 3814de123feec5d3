"""Which endpoint answers at which path: a new protocol is one file and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlship.serve.endpoint import Endpoint
from mlship.serve.protocols.native import Native
from mlship.serve.served import Served

_OF_A_MODEL: tuple[tuple[str, Callable[[Served], Endpoint]], ...] = (("/models/{name}/predict", Native),)
"""Paths below a model's name."""
_OF_THE_ONLY_MODEL: tuple[tuple[str, Callable[[Served], Endpoint]], ...] = (("/predict", Native),)
"""Paths that name no model: they are there when one model is served."""


def endpoints_of(models: Mapping[str, Served]) -> dict[str, Endpoint]:
    """Return the endpoint of each path at which rows are scored by POST."""
    found: dict[str, Endpoint] = {}
    for served in models.values():
        for path, make in _OF_A_MODEL:
            found[path.format(name=served.name, version=served.identity["version"])] = make(served)
        if len(models) == 1:
            for path, make in _OF_THE_ONLY_MODEL:
                found[path] = make(served)
    return found
