"""A broker for the tests of a run, and a model."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from mlship.cli.main import run
from mlship.model.artifact import read_artifact, sign
from tests.serve.server import environment
from tests.stream import broker as real
from tests.stream.topics import Topics

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
Refused = Callable[..., tuple[int, dict[str, Any], str]]


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


@pytest.fixture(scope="session")
def second(model: Path) -> bytes:
    """The same model as version 2."""
    card = read_artifact(model).card
    assert card is not None
    bare = onnx.load(str(model))
    kept = [entry for entry in bare.metadata_props if not entry.key.startswith("mlship.")]
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    return sign(bare.SerializeToString(), replace(card, version="2"))


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command line that is refused before it starts anything, in this process, which saves its imports."""

    def call(*arguments: str) -> tuple[int, dict[str, Any], str]:
        capfd.readouterr()
        code = run(["serve", *arguments, "--json"])
        printed = capfd.readouterr()
        return code, json.loads(printed.out.splitlines()[-1]), printed.err

    return call


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    """The rows of the sample model's file, as JSON values."""
    with (SAMPLES / "breast_cancer" / "input.csv").open(encoding="utf-8", newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


@pytest.fixture(scope="session")
def batch(tmp_path_factory: pytest.TempPathFactory, model: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `mlship batch` answers for the rows."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "mlship", "batch", "in.ndjson", "-m", str(model), "-o", "out.ndjson", "--keep"]
    subprocess.run([*command, "none", "-q"], cwd=folder, check=True, env=environment(), timeout=120)
    return [json.loads(line) for line in (folder / "out.ndjson").read_text(encoding="utf-8").splitlines()]
