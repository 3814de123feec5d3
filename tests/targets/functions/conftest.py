"""A model and its rows as `mlship batch` scores them, and functions that run it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.parity.road import PENGUINS, SAMPLES, environment
from tests.targets.functions.runtime import Emulated, Own, emulator

# What a function does without: each is absent where it runs.
ABSENT = (
    "gunicorn", "joblib", "obstore", "onnx", "pandas", "polars", "prometheus_client", "pyarrow", "rich", "sklearn",
    "typer", "uvloop",
)  # fmt: skip
HANDLER = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
from pathlib import Path
from mlship.targets.aws_lambda.adapter import make_handler
handler = make_handler(Path(__file__).with_name("model.onnx"))
"""


@dataclass(frozen=True)
class Scored:
    """A model and rows.

    Attributes:
        model: The artifact.
        records: The rows.
        outputs: What `mlship batch` gave for each.
    """

    model: Path
    records: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Export the penguins and score their rows, with the commands as a user types them."""
    folder = tmp_path_factory.mktemp("penguins")
    shutil.copy(SAMPLES / PENGUINS.name / PENGUINS.model, folder)
    frame = pd.read_csv(SAMPLES / PENGUINS.name / "input.csv").astype(object)
    records: list[dict[str, Any]] = frame.where(frame.notna(), None).to_dict("records")
    rows = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "rows.ndjson").write_text(rows, encoding="utf-8")
    for command in (["export", PENGUINS.model], ["batch", "rows.ndjson", "--keep", "none", "-o", "scored.ndjson"]):
        subprocess.run(
            [sys.executable, "-m", "mlship", *command],
            cwd=folder,
            env=environment(),
            check=True,
            capture_output=True,
            timeout=120,
        )
    outputs = [json.loads(line) for line in (folder / "scored.ndjson").read_text().splitlines()]
    assert len(outputs) == len(records) > 300
    return Scored(folder / "model.onnx", records, outputs)


@pytest.fixture(scope="session")
def function_folder(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a function of that model."""
    folder = tmp_path_factory.mktemp("function")
    shutil.copy(scored.model, folder / "model.onnx")
    (folder / "handler.py").write_text(HANDLER, encoding="utf-8")
    return folder


Start = Callable[[Mapping[str, str]], "Emulated | Own"]


@pytest.fixture(scope="module")
def start(function_folder: Path) -> Iterator[Start]:
    """Start functions with an environment, under Amazon's emulator where there is Go to build it."""
    program = emulator()
    started: list[Emulated | Own] = []

    def begin(environment: Mapping[str, str]) -> Emulated | Own:
        one = Own(function_folder, environment) if program is None else Emulated(program, function_folder, environment)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.close()


def same(found: Any, expected: Any) -> bool:
    """Tell whether values are the same to the bit: as JSON, which has the shortest text that tells a double."""
    return json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)
