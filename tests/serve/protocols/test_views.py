"""What is told by GET, and what is at none of the paths, in the shape of the protocol that was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from mlship.model.session import Session
from mlship.serve.app import App
from mlship.serve.desk import Desk
from mlship.serve.health import Health
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace
from mlship.serve.table import endpoints_of
from mlship.serve.views import open_paths, views_of

RECORD = {"my age": 1.5, "São é": 0.25, "city": "Porto"}


def several(session: Session, *names: str, draining: bool = False) -> FlaskClient:
    """Return a client of an application that serves one model under several names."""
    models = {name: Served(name, session, Limits(), Pace()) for name in names}
    health = Health(models, lambda: draining)
    return App(Desk(endpoints_of(models)), models, health, views_of(models, health)).test_client()


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/models/b/predict", [RECORD]),
        ("/v1/models/b:predict", {"instances": [RECORD]}),
        (
            "/v2/models/b/versions/v1/infer",
            {
                "inputs": [
                    {"name": "my age", "shape": [1], "datatype": "INT8", "data": [1]},
                    {"name": "São é", "shape": [1], "datatype": "FP64", "data": [1]},
                    {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Porto"]},
                ]
            },
        ),
    ],
)
def test_each_of_several_models(city_session: Session, path: str, document: Any) -> None:
    """A model is asked by its name where several are served."""
    assert several(city_session, "a", "b").post(path, json=document).status_code == 200


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/predict", ["error"]),
        ("/invocations", ["error_code", "message"]),
        ("/models/c/predict", ["error"]),
        ("/v1/models/c:predict", ["error"]),
        ("/v2/models/c/infer", ["error"]),
        ("/v2/models/a/versions/v9/infer", ["error"]),
    ],
)
def test_nameless_and_unknown(city_session: Session, path: str, keys: list[str]) -> None:
    """A path of no model, or of another version, is 404 in the protocol's shape, and names those there are."""
    answer = several(city_session, "a", "b").post(path, json={})
    assert answer.status_code == 404
    content = json.loads(answer.data)
    assert list(content) == keys
    assert "'a', 'b'" in answer.text
    assert isinstance(content.get("error", ""), str) is path.startswith(("/v", "/i"))


@pytest.mark.parametrize("path", ["/ping", "/v2/health/ready", "/v2/models/a/ready", "/v1/models/a", "/readyz"])
def test_not_ready_while_draining(city_session: Session, path: str) -> None:
    """A server that is about to stop takes no more work, and says so on every path that is asked for it."""
    assert several(city_session, "a").get(path).status_code == 200
    assert several(city_session, "a", draining=True).get(path).status_code == 503


def test_open_paths_are_there(client: FlaskClient) -> None:
    """What needs no token is answered, and is about nothing but health."""
    assert {"/livez", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready"} == open_paths()
    assert all(client.get(path).status_code == 200 for path in open_paths())


@pytest.mark.parametrize("path", ["/v2/models/cities/infer", "/v1/models/cities:predict", "/invocations", "/predict"])
def test_only_post_scores(client: FlaskClient, path: str) -> None:
    """A path at which rows are scored takes POST only."""
    answer = client.get(path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
