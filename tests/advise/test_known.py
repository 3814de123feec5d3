"""The recommendation for real models that are fast, slow and very slow, measured on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier

from mlship.cli.main import run
from mlship.model.artifact import Card, Proof, sign
from mlship.model.signature import Column, Output, Signature, Tensor
from tests.benchmarks.rows import Files
from tests.export.judging import save
from tests.export.tables import NUMBERS, kinds_of, table

pytestmark = pytest.mark.whole
DAY = 86_400
PEAK, BUSY, WINDOW = 3, 0.5, DAY / 4
"""What is assumed: the busiest time, how busy workers are in it, and how long a nightly run may take."""


def slow_model(path: Path, turns: int) -> Path:
    """Write a model that works on 4,096 numbers so many times, for each row apart, and return its path."""
    size = 4_096
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Tanh", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.DOUBLE, [None, size]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.DOUBLE, [None, size]),
        ],
    )
    arrays = {
        "spread": np.ones((1, size)),
        "gather": np.ones((size, 1)),
        "turns": np.array(turns),
        "true": np.array(True),
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "spread"], ["first"]),
            helper.make_node("Loop", ["turns", "true", "first"], ["last"], body=body),
            helper.make_node("MatMul", ["last", "gather"], ["y"]),
        ],
        "slow",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    signature = Signature(
        inputs=(Column("x", "float64", "x", nullable=False, finite=True),),
        tensors=(Tensor("x", "float64"),),
        outputs=(Output("prediction", "float64", "value", "y"),),
    )
    proof = Proof({"synthetic": 1}, 1.0, 0.0, 1e-12, "float64", "exact")
    path.write_bytes(sign(model.SerializeToString(), Card("slow", "v1", {}, signature, parity=proof)))
    return path


def advised(model: Path, *needs: str) -> Mapping[str, Any]:
    """Ask for advice as a user does, and return what is told."""
    done = subprocess.run(
        [sys.executable, "-m", "mlship", "export", str(model), "--advise", "--json", *needs],
        cwd=model.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=1_200,
    )
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)["advice"]
    return found


def way_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the way that is recommended."""
    ways: dict[str, Mapping[str, Any]] = {way["name"]: way for way in found["ways"]}
    return ways[found["recommendation"]["way"]]


@pytest.mark.parametrize(
    ("needs", "way"),
    [
        (("--rate", str(10 * DAY), "--latency", "20"), "real time"),
        (("--rate", "2000000", "--freshness", "1d"), "batch"),
        (("--rate", str(10 * DAY), "--freshness", "10s"), "stream"),
    ],
)
def test_a_linear_model(needs: tuple[str, ...], way: str, tmp_path: Path) -> None:
    """Some microseconds a row: one idle worker answers who waits, a nightly job is batch, events are a stream."""
    found = advised(Files(tmp_path, 1_000).model("lr")[1], *needs)

    assert found["measured"]["one_row"]["p50"] < 2e-4
    assert found["recommendation"]["way"] == way
    assert way_of(found)["workers"] == 1


@pytest.mark.parametrize(
    ("needs", "way"), [(("--latency", "500"), "real time"), (("--latency", "500", "--freshness", "1d"), "both")]
)
def test_a_forest_that_is_asked_for_more_than_a_machine_has(needs: tuple[str, ...], way: str, tmp_path: Path) -> None:
    """So many rows a second that 500 cores had to work all day: as 10,000 of 50 ms, and a busiest time of three."""
    rows = table(2_000, 3)
    fitted = save(tmp_path, RandomForestClassifier(500, random_state=0).fit(rows[NUMBERS], kinds_of(rows)))
    model = tmp_path / "forest.onnx"
    assert run(["export", str(fitted), "-o", str(model), "--quiet"]) == 0
    served = advised(model, "--latency", "500")["measured"]["serve"]
    rate = 500 * served["rate"]
    found = advised(model, "--rate", str(rate * DAY), *needs)

    assert found["recommendation"]["way"] == way
    if way == "real time":
        assert way_of(found)["workers"] == pytest.approx(500 * PEAK / BUSY, rel=0.25)  # two measurements


def test_a_model_of_50_ms(tmp_path: Path) -> None:
    """10,000 rows a second of 50 ms: 500 cores all day, 3,000 workers half busy in the busiest time."""
    model = slow_model(tmp_path / "slow.onnx", 1_000)
    call = advised(model)["measured"]["one_row"]["p50"]
    slow_model(model, round(1_000 * 0.050 / call))
    found = advised(model, "--rate", str(10_000 * DAY), "--latency", "500")
    nightly = advised(model, "--rate", str(10_000 * DAY), "--freshness", "1d")

    assert found["measured"]["one_row"]["p50"] == pytest.approx(0.050, rel=0.25)
    assert found["recommendation"]["way"] == "real time"
    assert way_of(found)["workers"] == pytest.approx(3_000, rel=0.25)
    assert nightly["recommendation"]["way"] == "batch"
    row = 1 / nightly["measured"]["batch"]["core_rate"]
    assert way_of(nightly)["workers"] == pytest.approx(10_000 * DAY * row / WINDOW, rel=0.02)


@pytest.mark.timeout(1_800)
def test_a_model_of_half_a_minute(tmp_path: Path) -> None:
    """What takes longer than a server waits is measured all the same, and real time is never advised."""
    model = slow_model(tmp_path / "slow.onnx", 1_000)
    call = advised(model)["measured"]["one_row"]["p50"]
    slow_model(model, round(1_000 * 33 / call))
    found = advised(model, "--rate", "100", "--latency", "60000", "--freshness", "1d")

    assert found["measured"]["one_row"]["p50"] > 25
    assert found["recommendation"]["way"] == "batch"
    assert found["measured"]["serve"] is None
