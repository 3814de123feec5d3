"""Liveness and readiness."""

from __future__ import annotations

import json

import pytest

from mlship.model.session import Session, SessionSpec, open_session
from tests.serve.models import city_model, foreign_model
from tests.serve.server import application

RECORD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}


def test_ready_tells_the_model(city_session: Session) -> None:
    """/readyz names the model with its digest, and says that it is proven and its golden rows agree."""
    answer = application(city_session).test_client().get("/readyz")
    assert answer.status_code == 200
    assert json.loads(answer.data) == {
        "status": "ready",
        "model": {"name": "cities", "version": "v1", "digest": city_session.digest},
        "proven": True,
        "golden": {"rows": 3, "agrees": True, "warning": None},
        "reload": None,
    }


def test_draining_is_not_ready_but_alive(city_session: Session) -> None:
    """While it drains a server is alive and answers, but /readyz is 503."""
    client = application(city_session, draining=True).test_client()
    assert client.get("/livez").status_code == 200
    assert client.post("/predict", json=RECORD).status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert json.loads(answer.data)["error"]["code"] == "draining"


def test_golden_warning_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With MLSHIP_GOLDEN=warn a model whose golden rows differ is served, and /readyz says so."""
    monkeypatch.setenv("MLSHIP_GOLDEN", "warn")
    session = open_session(SessionSpec(city_model(golden_shift=1.0)))
    golden = json.loads(application(session).test_client().get("/readyz").data)["golden"]
    assert golden["agrees"] is False
    assert "MLSHIP_GOLDEN" in golden["warning"]


def test_unsigned_model_is_not_proven() -> None:
    """/readyz says of a model that mlship did not export that it is not proven."""
    session = open_session(SessionSpec(foreign_model()))
    state = json.loads(application(session).test_client().get("/readyz").data)
    assert state["proven"] is False
    assert state["golden"]["rows"] == 0


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_head_is_answered(city_session: Session, path: str) -> None:
    """Probes that ask with HEAD get the status without a body."""
    answer = application(city_session).test_client().head(path)
    assert (answer.status_code, answer.data) == (200, b"")
