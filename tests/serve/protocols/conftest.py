"""The samples, exported and scored in batch: what every protocol has to answer, to the bit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from mlship.model.session import Session, SessionSpec, open_session
from mlship.serve.settings import Limits
from tests.parity.road import ALL, PENGUINS, SAMPLES, Sample, mlship
from tests.serve.protocols.scored import Scored
from tests.serve.server import Server, application, serving


def _made(sample: Sample, folder: Path) -> Scored:
    for file in (sample.model, "input.csv"):
        shutil.copy(SAMPLES / sample.name / file, folder / file)
    for command in (["export", sample.model], ["batch", "input.csv", "--keep", "none"]):
        done = mlship(folder, *command)
        assert done.returncode == 0, done.stderr
    session = open_session(SessionSpec(folder / "model.onnx"))
    frame = pd.read_csv(folder / "input.csv")[list(session.signature.names)]
    expected = pd.read_csv(folder / "input.scored.csv", dtype=str, keep_default_na=False)
    client = application(session, Limits()).test_client()
    return Scored(session.card.name, folder, session.signature, frame, expected, client)


@pytest.fixture(scope="session", params=ALL, ids=lambda sample: sample.name)
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A sample that was exported and scored in batch, and a client of an application that serves it."""
    return _made(request.param, tmp_path_factory.mktemp(request.param.name))


@pytest.fixture(scope="session")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """The sample with texts and missing values."""
    return _made(PENGUINS, tmp_path_factory.mktemp("penguins"))


@pytest.fixture(scope="session")
def penguins_session(penguins: Scored) -> Session:
    """Its model, open in this process."""
    return open_session(SessionSpec(penguins.folder / "model.onnx"))


@pytest.fixture(scope="session")
def live(scored: Scored) -> Iterator[Server]:
    """A server of the sample in a process of its own."""
    with serving(scored.folder / "model.onnx", "--workers", "1") as server:
        yield server
