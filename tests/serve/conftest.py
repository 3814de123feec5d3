"""Models on disk, applications in this process, and servers in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mlship.cli import main
from mlship.model.session import Session, SessionSpec, open_session
from mlship.serve import host
from mlship.serve.settings import Limits
from tests.serve.models import city_model, foreign_model, sum_model
from tests.serve.server import Server, application, serving

SumClient = Callable[..., FlaskClient]


@pytest.fixture(scope="session")
def city_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed model with two number columns and one of two cities."""
    path = tmp_path_factory.mktemp("city") / "cities.onnx"
    path.write_bytes(city_model())
    return path


@pytest.fixture(scope="session")
def foreign_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file that mlship did not make."""
    path = tmp_path_factory.mktemp("foreign") / "plain.onnx"
    path.write_bytes(foreign_model())
    return path


@pytest.fixture(scope="session")
def city_session(city_path: Path) -> Session:
    """The model of cities, open in this process."""
    return open_session(SessionSpec(city_path))


@pytest.fixture(scope="session")
def client(city_session: Session) -> FlaskClient:
    """A client of an application for the model of cities that takes up to 4 rows and 2 kB."""
    return application(city_session, Limits(body=2_000, rows=4)).test_client()


@pytest.fixture(scope="session")
def sum_client() -> SumClient:
    """Makes a client of an application for a model that adds up columns of the given names."""

    def make(*names: str, rows: int = 10_000) -> FlaskClient:
        session = open_session(SessionSpec(sum_model(names)))
        return application(session, Limits(rows=rows)).test_client()

    return make


@pytest.fixture(scope="module")
def server(city_path: Path) -> Iterator[Server]:
    """A server of the model of cities that takes bodies of up to 1 MiB."""
    with serving(city_path, "--workers", "2", "--threads", "4", "--max-body", "1MiB") as running:
        yield running


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command of mlship in this process, which has to end with exit code 2 and never serve; returns stderr."""
    for name in [name for name in os.environ if name.startswith("MLSHIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")

    def never(*_: object) -> None:
        raise AssertionError("it was not refused")

    monkeypatch.setattr(host, "preflight", never)

    def call(*arguments: str | Path) -> str:
        assert main.run([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err

    return call
