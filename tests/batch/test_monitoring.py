"""What a run finds: drift from the sample, another model's answers, what came true; and the gates made of it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, root_mean_squared_error

from mlship.cli.main import run
from tests.batch.conftest import Batch

ROWS = 3000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A folder with rows that have a label and a number that came true; two classifiers and a regressor beside them."""
    folder = tmp_path_factory.mktemp("monitored")
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)})
    frame["label"] = np.where(frame["a"] + frame["b"] + rng.normal(size=ROWS) > 0, "yes", "no")
    frame["number"] = 3 * frame["a"] - frame["b"] + rng.normal(size=ROWS)
    frame.to_csv(folder / "in.csv", index=False)
    inputs = frame[["a", "b"]]
    models = {
        "label": LogisticRegression().fit(inputs, frame["label"]),
        "other": LogisticRegression(C=1e-4).fit(inputs[:50], frame["label"][:50]),
        "number": LinearRegression().fit(inputs, frame["number"]),
    }
    for name, model in models.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
        paths = [str(folder / file) for file in (f"{name}.pkl", "in.csv", f"{name}.onnx")]
        assert run(["export", paths[0], "--sample", paths[1], "-o", paths[2], "-q"]) == 0
    return folder, frame


@pytest.fixture
def data(made: tuple[Path, pd.DataFrame], folder: Path) -> pd.DataFrame:
    """The same rows and models in the current directory."""
    for name in ("in.csv", "label.onnx", "other.onnx", "number.onnx"):
        shutil.copy(made[0] / name, folder / name)
    return made[1]


def test_what_came_true_is_judged_as_scikit_learn_does(batch: Batch, folder: Path, data: pd.DataFrame) -> None:
    """Accuracy, log loss, AUC within its bound, and the error of a regressor are scikit-learn's of the output."""
    found = batch("in.csv", "-m", "label.onnx", "-o", "out.csv", "--actual", "label", "--json").data["actual"]
    scored = pd.read_csv(folder / "out.csv")
    sure = scored["probability_yes"]
    assert found["accuracy"] == pytest.approx(accuracy_score(data["label"], scored["prediction"]))
    assert found["log_loss"] == pytest.approx(log_loss(data["label"] == "yes", sure), rel=1e-9)
    assert abs(found["auc"] - roc_auc_score(data["label"] == "yes", sure)) <= found["auc_error"]

    found = batch("in.csv", "-m", "number.onnx", "-o", "numbers.csv", "--actual", "number", "--json").data["actual"]
    scored = pd.read_csv(folder / "numbers.csv")
    assert found["rmse"] == pytest.approx(root_mean_squared_error(data["number"], scored["prediction"]))


def test_another_model_is_compared_row_by_row(batch: Batch, folder: Path, data: pd.DataFrame) -> None:
    """Flips are those of the two outputs, in whatever chunks, and past --max-changed the exit code is 9."""
    arguments = ["in.csv", "-m", "label.onnx", "--compare", "other.onnx", "--json"]
    found = batch(*arguments, "-o", "one.csv", "--chunk-size", "20kB").data
    batch("in.csv", "-m", "other.onnx", "-o", "other.csv", "-q")
    ours, theirs = pd.read_csv(folder / "one.csv"), pd.read_csv(folder / "other.csv")
    flips = int((ours["prediction"] != theirs["prediction"]).sum())
    assert 0 < flips < len(data)
    told = json.dumps(found["compare"])
    assert found["compare"]["rows"] == len(data)
    assert str(flips) in told
    moved = found["compare"]["moved"][0]
    apart = (ours["probability_yes"] - theirs["probability_yes"]).abs()
    assert moved["row"] == int(apart.argmax()) + 1
    assert (
        found["compare"] == batch(*arguments, "-o", "two.csv", "--workers", "1", "--chunk-size", "20kB").data["compare"]
    )

    passed = batch(*arguments, "-o", "gate.csv", "--max-changed", f"{100 * flips / len(data) + 1:.2f}%")
    assert passed.code == 0
    stopped = batch(*arguments, "-o", "gate.csv", "--max-changed", f"{100 * flips / len(data) - 1:.2f}%")
    assert stopped.code == 9
    assert stopped.data["error"]["code"] == "gate_exceeded"
    assert stopped.data["outputs"] == ["gate.csv"]
    assert (folder / "gate.csv").exists()


def test_drift_is_measured_against_the_sample(batch: Batch, folder: Path, data: pd.DataFrame) -> None:
    """Without a change nothing drifts; a column that moved comes first, and --max-drift makes a gate of it."""
    same = batch("in.csv", "-m", "label.onnx", "-o", "same.csv", "--max-drift", "0.01", "--json")
    assert same.code == 0
    assert max(column["psi"] for column in same.data["drift"]["columns"]) < 0.01
    data.assign(b=data["b"] + 1).to_csv(folder / "moved.csv", index=False)
    moved = batch("moved.csv", "-m", "label.onnx", "-o", "moved-out.csv", "--max-drift", "0.2", "--json")
    assert moved.code == 9
    assert moved.data["drift"]["columns"][0]["column"] == "b"
    assert moved.data["drift"]["columns"][0]["psi"] > 0.2
    assert (folder / "moved-out.csv").exists()


def test_a_gate_needs_something_to_measure(batch: Batch, folder: Path, data: pd.DataFrame) -> None:
    """--max-drift without a baseline, --max-changed without another model, and an unknown column are exit 2."""
    assert len(data) == ROWS
    (folder / "in2.csv").write_text("my age,income,city\n1,2,Porto\n")
    without = batch("in2.csv", "-m", "town.onnx", "--max-drift", "0.2", "--json")
    assert (without.code, "--sample" in without.data["error"]["hint"]) == (2, True)
    assert batch("in.csv", "-m", "label.onnx", "--max-changed", "1%").code == 2
    unknown = batch("in.csv", "-m", "label.onnx", "--actual", "labels", "--json")
    assert (unknown.code, unknown.data["error"]["hint"]) == (2, "Did you mean 'label'?")


@pytest.mark.parametrize("ending", ["json", "html"])
def test_the_report_holds_what_was_found(batch: Batch, folder: Path, data: pd.DataFrame, ending: str) -> None:
    """The file has the figures of --json, also when nothing was left to do; other endings are exit 2."""
    assert len(data) == ROWS
    arguments = ["in.csv", "-m", "label.onnx", "-o", "out.csv", "--actual", "label", "--report", f"r.{ending}"]
    facts = batch(*arguments, "--json").data
    text = (folder / f"r.{ending}").read_text()
    assert f"{facts['actual']['accuracy']:.4f}"[:6] in text.replace("accuracy", "")
    assert facts["digests"]["out.csv"] in text
    (folder / f"r.{ending}").unlink()
    assert batch(*arguments).code == 0
    assert (folder / f"r.{ending}").exists()
    assert batch("in.csv", "-m", "label.onnx", "--report", "r.pdf").code == 2


@pytest.mark.parametrize("ending", ["json", "html"])
def test_a_run_past_its_limit_is_reported(batch: Batch, folder: Path, ending: str) -> None:
    """Past the reject limit the report tells what was found and why nothing was published, a second time too."""
    (folder / "bad.csv").write_text("my age,income,city\n1,2,Porto\nold,2,Porto\n3,2,Porto\n")
    arguments = ["bad.csv", "-m", "town.onnx", "-o", "out.csv", "--max-rejects", "0", "--report", f"r.{ending}"]
    for _ in range(2):
        assert batch(*arguments).code == 3
        text = (folder / f"r.{ending}").read_text()
        assert "not_a_number" in text
        assert "were rejected, more than the 0 allowed" in text
        (folder / f"r.{ending}").unlink()
    assert batch(*arguments[:-3], "5", *arguments[-2:]).code == 0
    assert batch(*arguments).code == 3
    if ending == "json":
        told = json.loads((folder / "r.json").read_text())
        assert (told["status"], told["exit_code"], told["error"]["code"]) == ("failed", 3, "too_many_rejects")
        assert told["rows"] == {"in": 3, "out": 2, "rejected": 1}
        assert told["inputs"][0]["rows"] == 3
