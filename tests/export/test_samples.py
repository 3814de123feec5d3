"""The three sample models, exported with and without their data as a sample."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from mlship.cli.main import run
from mlship.export.probe import FLOAT32_LIMIT
from mlship.model.artifact import Artifact, Card, read_artifact
from mlship.model.session import SessionSpec, open_session
from tests.export.grids import picked

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
FILES = {"penguins": "model.pkl", "diabetes": "model.joblib", "breast_cancer": "model.joblib"}
KEYS = {
    "format",
    "name",
    "version",
    "labels",
    "signature",
    "rows",
    "golden",
    "baseline",
    "parity",
    "provenance",
    "digest",
}


@dataclass(frozen=True)
class Made:
    """One export of a sample model.

    Attributes:
        name: The sample.
        sampled: Whether its data was given with --sample.
        artifact: What was written.
        stdout: What was printed on standard output.
    """

    name: str
    sampled: bool
    artifact: Artifact
    stdout: str

    @property
    def card(self) -> Card:
        """The artifact's metadata."""
        assert self.artifact.card is not None
        return self.artifact.card


def command(name: str, output: Path, *, sampled: bool) -> list[str]:
    """Return the arguments of an export."""
    sample = ["--sample", str(SAMPLES / name / "input.csv")] if sampled else []
    return ["export", str(SAMPLES / name / FILES[name]), "-o", str(output), "--json", *sample]


@pytest.fixture(
    scope="module",
    params=picked([((sampled, name),) for sampled in (False, True) for name in FILES], 1, 3, 5),
    ids=lambda way: f"{'with sample' if way[0] else 'alone'}-{way[1]}",
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Export one sample model, with its data or without, in a process of its own."""
    sampled, name = request.param
    output = tmp_path_factory.mktemp("made") / "model.onnx"
    arguments = [sys.executable, "-m", "mlship", *command(name, output, sampled=sampled)]
    hashes = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, env=hashes)
    return Made(name, sampled, read_artifact(output), done.stdout)


def test_the_proof_is_exact(made: Made) -> None:
    """All labels agree and numbers differ by no more than 1e-12, on thousands of rows of every kind."""
    proof = made.card.parity
    assert proof is not None
    assert (proof.rung, proof.labels_agree, proof.precision) == ("exact", 1.0, "float64")
    assert proof.largest <= 1e-12
    assert proof.tolerance == 1e-12
    assert proof.rows["typical"] >= 2048
    assert ("sample" in proof.rows) == made.sampled
    if made.sampled:
        assert proof.rows["sample"] == len(pd.read_csv(SAMPLES / made.name / "input.csv"))


def test_json_is_one_object(made: Made) -> None:
    """--json prints one object on one line, which tells what was written."""
    (line,) = made.stdout.splitlines()
    report = json.loads(line)

    assert (report["status"], report["exit_code"], report["error"]) == ("done", 0, None)
    assert report["model"]["digest"] == made.artifact.digest
    assert report["parity"]["rung"] == "exact"
    assert report["baseline"] == made.sampled
    assert report["bytes"] == len(made.artifact.data)


@pytest.mark.usefixtures("made_here")
def test_the_same_bytes_each_time(made: Made, tmp_path: Path) -> None:
    """Another process, with another order of its hashes, and this one write the same file, byte for byte."""
    assert run(command(made.name, tmp_path / "here.onnx", sampled=made.sampled)) == 0
    assert (tmp_path / "here.onnx").read_bytes() == made.artifact.data


def test_metadata_holds_every_key(made: Made) -> None:
    """The file's metadata properties are those of the design, each JSON, and nothing else."""
    properties = {item.key: json.loads(item.value) for item in onnx.load_from_string(made.artifact.data).metadata_props}

    assert properties.keys() == {f"mlship.{key}" for key in KEYS}
    assert properties["mlship.format"] == 2
    assert properties["mlship.name"] == "model"
    assert len(properties["mlship.version"]) == 12
    assert properties["mlship.provenance"]["versions"].keys() >= {"python", "scikit-learn", "onnxruntime", "mlship"}


def test_the_baseline_is_of_the_sample(made: Made) -> None:
    """Without a sample there is no baseline; with one it has shares or deciles of every column."""
    baseline = made.card.baseline
    if not made.sampled:
        assert baseline is None
        return
    assert baseline is not None
    frame = pd.read_csv(SAMPLES / made.name / "input.csv")
    assert baseline["rows"] == len(frame)
    for column in made.card.signature.inputs:
        told: dict[str, Any] = baseline["columns"][column.name]
        assert told["missing"] == pytest.approx(frame[column.name].isna().mean())
        if column.dtype == "category":
            shares = frame[column.name].value_counts() / len(frame)
            assert told["shares"] == pytest.approx(shares[shares * len(frame) >= 10].to_dict())
        else:
            assert sum(told["bins"]) + told["missing"] == pytest.approx(1)
            assert told["deciles"] == pytest.approx(frame[column.name].quantile(np.linspace(0, 1, 11)).tolist())


def test_no_row_of_the_sample_is_in_the_file(made: Made) -> None:
    """Neither a line of the data, nor its numbers side by side, nor a golden row that is one of its rows."""
    lines = (SAMPLES / made.name / "input.csv").read_bytes().splitlines()[1:]
    assert not any(line in made.artifact.data for line in lines)

    golden = made.card.golden
    assert golden is not None
    assert golden.rows == 64
    frame = pd.read_csv(SAMPLES / made.name / "input.csv")
    numbers = [column.name for column in made.card.signature.inputs if column.dtype == "float64"]
    table = frame[numbers].to_numpy(np.float64)
    assert not any(row.tobytes() in made.artifact.data for row in table[~np.isnan(table).any(axis=1)])
    kept = np.column_stack([golden.inputs[name] for name in numbers])
    told = table[~np.isnan(table).all(axis=1)]  # two penguins have no number at all
    assert not {row.tobytes() for row in kept} & {row.tobytes() for row in told}


def test_the_signature_tells_what_the_model_takes(made: Made) -> None:
    """Dtypes, null, limits and categories are those of the model."""
    inputs = made.card.signature.inputs
    match made.name:
        case "penguins":
            texts = {column.name: column for column in inputs if column.dtype == "category"}
            assert {name: column.categories for name, column in texts.items()} == {
                "island": ("Biscoe", "Dream", "Torgersen"),
                "sex": ("female", "male"),
            }
            assert all(column.unknown for column in texts.values())
            assert all(column.nullable for column in inputs)
            assert [column.finite for column in inputs] == [False, True, True, True, True, False]
            assert made.card.signature.outputs[0].dtype == "string"
        case "diabetes":
            assert {(column.dtype, column.nullable, column.limit) for column in inputs} == {
                ("float64", False, FLOAT32_LIMIT)
            }
            assert [output.name for output in made.card.signature.outputs] == ["prediction"]
        case _:
            assert {(column.dtype, column.nullable, column.limit) for column in inputs} == {
                ("float64", True, FLOAT32_LIMIT)
            }
            assert len(inputs) == 30


def test_it_opens_and_replays_its_golden_rows(made: Made) -> None:
    """The artifact opens as batch and serve open it, and its golden rows agree."""
    session = open_session(SessionSpec(made.artifact.data))

    assert session.proven
    assert (session.replay.rows, session.replay.agrees) == (64, True)
