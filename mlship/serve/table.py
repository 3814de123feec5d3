"""Which endpoint answers at which path: a new protocol is one file and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlship.errors import MlshipError
from mlship.serve.endpoint import Endpoint
from mlship.serve.exchange import Reply
from mlship.serve.protocols import vertex
from mlship.serve.protocols.invocations import Invocations, mlflow_error
from mlship.serve.protocols.kserve import KServe, Vertex
from mlship.serve.protocols.native import Native, refusal
from mlship.serve.protocols.oip import Oip, error_only
from mlship.serve.served import Served

Make = Callable[[Served], Endpoint]
_OF_A_MODEL: tuple[tuple[str, Make], ...] = (
    ("/models/{name}/predict", Native),
    ("/v1/models/{name}:predict", KServe),
    ("/v2/models/{name}/infer", Oip),
    ("/v2/models/{name}/versions/{version}/infer", Oip),
)
"""Paths below a model's name."""
_OF_THE_ONLY_MODEL: tuple[tuple[str, Make], ...] = (("/predict", Native), ("/invocations", Invocations))
"""Paths that name no model: they are there when one model is served."""
_REFUSALS: tuple[tuple[str, Callable[[MlshipError], Reply]], ...] = (
    ("/v1/", error_only),
    ("/v2", error_only),
    ("/invocations", mlflow_error),
)
"""How errors are told below a path, where there is no endpoint."""


def endpoints_of(models: Mapping[str, Served]) -> dict[str, Endpoint]:
    """Return the endpoint of each path at which rows are scored by POST."""
    found: dict[str, Endpoint] = {}
    for served in models.values():
        made: dict[Make, Endpoint] = {}
        paths = _OF_A_MODEL + (nameless() if len(models) == 1 else ())
        for path, make in paths:
            endpoint = made.get(make) or make(served)
            made[make] = found[path.format(name=served.name, version=served.identity["version"])] = endpoint
    return found


def nameless() -> tuple[tuple[str, Make], ...]:
    """Return the paths that name no model, the one that Vertex AI may have told included."""
    route = vertex.predict_route()
    return _OF_THE_ONLY_MODEL + (((route, Vertex),) if route else ())


def rules() -> list[str]:
    """Return the paths at which rows are scored, with the names of models and versions left open, as Flask has it."""
    paths = [path for path, _ in (*_OF_A_MODEL, *nameless())]
    return list(dict.fromkeys(path.replace("{", "<").replace("}", ">") for path in paths))


def refusal_at(path: str, error: MlshipError) -> Reply:
    """Return an error in the shape of the protocol that a path belongs to, where no endpoint answers at it."""
    for start, refuse in _REFUSALS:
        if path.startswith(start):
            return refuse(error)
    return refusal(error)
