"""The samples, exported and scored in batch: what every protocol has to answer, to the bit."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sample], Scored]:
    """Makes a sample's model and scores, once: a fixture with parameters is made anew in each module."""
    return functools.cache(lambda sample: _made(sample, tmp_path_factory.mktemp(sample.name)))


@pytest.fixture(scope="session", params=ALL, ids=lambda sample: sample.name)
def scored(request: pytest.FixtureRequest, made: Callable[[Sample], Scored]) -> Scored:
    """A sample that was exported and scored in batch, and a client of an application that serves it."""
    return made(request.param)


@pytest.fixture(scope="session")
def penguins(made: Callable[[Sample], Scored]) -> Scored:
    """The sample with texts and missing values."""
    return made(PENGUINS)


@pytest.fixture(scope="session")
def penguins_session(penguins: Scored) -> Session:
    """Its model, open in this process."""
    return open_session(SessionSpec(penguins.folder / "model.onnx"))


@pytest.fixture(scope="session")
def live(scored: Scored) -> Iterator[Server]:
    """A server of the sample in a process of its own."""
    with serving(scored.folder / "model.onnx", "--workers", "1") as server:
        yield server
