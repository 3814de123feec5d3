"""What is answered to GET, besides health: what the protocols tell of the server and of its models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Request

from mlship import __version__
from mlship.model.signature import Column, Output
from mlship.serve.exchange import Reply
from mlship.serve.health import Health
from mlship.serve.openapi import document_of
from mlship.serve.protocols import vertex
from mlship.serve.protocols.tensors import datatype_of, datatype_out
from mlship.serve.served import Served

View = Callable[[Request], Reply]
_OPEN = frozenset(("/livez", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready"))
_MiB = 1 << 20
_IN_A_PATH = re.compile(r"[^<>%/?#]+")


def open_paths() -> frozenset[str]:
    """Return the paths that are answered to everybody, token or not."""
    return _OPEN | frozenset(filter(None, (vertex.health_route(),)))


def views_of(models: Mapping[str, Served], health: Health, parallel: int = 1) -> dict[str, View]:
    """Return what answers to GET at each path.

    Args:
        models: The models by name.
        health: How the server is.
        parallel: Requests that it takes at the same time, for SageMaker.
    """
    limits = next(iter(models.values())).limits
    views: dict[str, View] = {
        "/ping": health.readyz,
        "/execution-parameters": _telling(
            {
                "MaxConcurrentTransforms": parallel,
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": max(1, limits.body // _MiB),
            }
        ),
        "/v1/models": _telling({"models": list(models)}),
        "/v2": _telling({"name": "mlship", "version": __version__, "extensions": ["binary_tensor_data"]}),
        "/v2/health/live": _telling({"live": True}),
        "/v2/health/ready": _ready(health, {"ready": True}),
    }
    for served in models.values():
        views |= _of_model(served, health)
    if route := vertex.health_route():
        views[route] = health.readyz
    return {**views, "/openapi.json": _telling(document_of(models, ("/livez", "/readyz", *views, "/openapi.json")))}


def _of_model(served: Served, health: Health) -> dict[str, View]:
    name, version = served.name, served.identity["version"]
    metadata = _telling(metadata_of(served))
    ready = _ready(health, {"name": name, "ready": True})
    views = {f"/v1/models/{name}": ready}
    paths = [f"/v2/models/{name}"]
    if _IN_A_PATH.fullmatch(version):
        paths.append(f"/v2/models/{name}/versions/{version}")
    for path in paths:
        views |= {path: metadata, f"{path}/ready": ready}
    return views


def metadata_of(served: Served) -> dict[str, Any]:
    """Return a model's metadata as the Open Inference Protocol has it: a tensor for each column."""
    signature = served.signature
    return {
        "name": served.name,
        "versions": [served.identity["version"]],
        "platform": "onnx_onnxv1",
        "inputs": [_tensor(column, datatype_of(column)) for column in signature.inputs],
        "outputs": [_tensor(output, datatype_out(output)) for output in signature.outputs],
    }


def _tensor(column: Column | Output, datatype: str) -> dict[str, Any]:
    return {"name": column.name, "datatype": datatype, "shape": [-1]}


def _telling(told: Any) -> View:
    """A view that always tells the same."""
    body = orjson.dumps(told)
    return lambda _: Reply(200, body)


def _ready(health: Health, told: Any) -> View:
    body = orjson.dumps(told)

    def view(request: Request) -> Reply:
        health.readyz(request)  # raises while the server is stopping
        return Reply(200, body)

    return view
