"""A broker for the tests of a run, and a model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stream import broker as real
from tests.stream.topics import Topics

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Broker]:
    """A broker of Apache Kafka."""
    why = real.missing()
    if why is not None:
        pytest.skip(f"no broker: {why}")
    node = real.Broker(tmp_path_factory.mktemp("kafka"))
    node.format()
    node.start()
    yield node
    node.stop()


@pytest.fixture
def topics(broker: real.Broker) -> Topics:
    """Three new topics, and a file that names the broker."""
    return Topics.new(broker)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of the sample model of tumours, which takes 30 numbers."""
    path = tmp_path_factory.mktemp("model") / "tumours.onnx"
    source = SAMPLES / "breast_cancer" / "model.joblib"
    command = [sys.executable, "-m", "mlship", "export", str(source), "-o", str(path), "-q"]
    subprocess.run(command, check=True, timeout=120)
    return path
