"""`mlship export --advise` from end to end: what it prints, keeps and refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlship.advise.advice import Advice
from mlship.advise.figures import Assumed, Needs
from mlship.advise.rules import judged
from mlship.advise.summary import chart
from mlship.cli.main import run
from tests.advise.known import LINEAR
from tests.batch.models import town_model

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
ROOT = SAMPLES.parent
NEEDS = ["--rate", "864000", "--latency", "5000", "--freshness", "1d", "--cpu-hour", "0.04"]
OPTIONS = ["--advise", "--json", "--report", "r.html", *NEEDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the penguins' files."""
    folder = tmp_path_factory.mktemp("advise")
    for file in ("model.pkl", "input.csv"):
        shutil.copy(SAMPLES / "penguins" / file, folder / file)
    return folder


@pytest.fixture(scope="module")
def advised(folder: Path) -> Mapping[str, Any]:
    """What one run told: exported with its sample, then measured, with a report."""
    done = subprocess.run(
        [sys.executable, "-m", "mlship", "export", "model.pkl", "--sample", "input.csv", *OPTIONS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MLSHIP_SERVE_HOST": "nowhere", "MLSHIP_BATCH_KEEP": "nothing"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_object_is_whole(advised: Mapping[str, Any]) -> None:
    """It is that of an export, with the advice beside: figures and assumptions apart."""
    assert advised["status"] == "done"
    assert advised["outputs"] == ["model.onnx"]
    assert advised["parity"]["labels_agree"] == 1.0
    advice = advised["advice"]
    assert set(advice) == {"recommendation", "ways", "considerations", "needs", "measured", "assumed"}
    assert advice["needs"] == {"rate": 864_000.0, "latency": 5.0, "freshness": 86_400.0, "cpu_hour": 0.04}
    assert (advice["recommendation"]["way"], advice["recommendation"]["rule"]) == ("real time", "answered_in_time")
    assert [way["name"] for way in advice["ways"]] == ["batch", "real time", "stream", "both"]


def test_the_figures_fit_together(advised: Mapping[str, Any]) -> None:
    """No absolute time is known, but what must be less than what is."""
    found = advised["advice"]["measured"]
    rates = [point["rows_per_second"] for point in found["curve"]]
    assert [point["rows"] for point in found["curve"]][:4] == [1, 3, 10, 30]
    assert max(rates) > 10 * rates[0]
    assert found["together"]["gain"] == pytest.approx(max(rates) / rates[0])
    assert found["one_row"]["p50"] < found["serve"]["p50"] <= found["serve"]["p99"]
    assert found["serve"]["rate"] < rates[0]
    assert found["serve"]["rate"] < found["serve"]["rows_rate"] < found["batch"]["core_rate"] < max(rates)
    assert found["rows_a_day"]["batch_core"] == pytest.approx(86_400 * found["batch"]["core_rate"])
    assert found["cold_start"] < 60
    assert found["memory"]["batch_two_workers"] > found["memory"]["serve_worker"] / 2 > 50 << 20


def test_the_report_tells_the_same(advised: Mapping[str, Any], folder: Path) -> None:
    """The page opens with the recommendation, draws the curve, and holds the proof too."""
    page = (folder / "r.html").read_text(encoding="utf-8")

    reason = advised["advice"]["recommendation"]["reason"]
    assert page.index(reason) < page.index("<svg") < page.index("compared with the original")
    assert page.count('role="img"') == 6  # two of advice, four of the export
    for point in advised["advice"]["measured"]["curve"]:
        assert re.search(rf">{point['rows']:,}</t[dh]>", page)


@pytest.mark.whole
def test_a_terminal(tmp_path: Path) -> None:
    """An artifact is measured without being written again; what is told fits into a window, without colours too."""
    model = tmp_path / "model.onnx"
    model.write_bytes(town_model("v1", 0.0))
    done = subprocess.run(
        [sys.executable, "-m", "mlship", "export", "model.onnx", "--advise", "--report", "r.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "50", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    drawn = [line for line in done.stderr.splitlines() if " #" in line or "\u2502" in line]
    assert len(drawn) > 20
    assert max(map(len, drawn)) <= 50
    assert "Give --latency" in done.stderr
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert told["outputs"] == []
    assert told["advice"]["recommendation"]["way"] is None
    assert model.read_bytes() == town_model("v1", 0.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "r.json"]


@pytest.mark.parametrize("width", [20, 50, 80, 300])
def test_the_chart_fits(width: int) -> None:
    """Each size has a line with its figure, the best one the longest, within windows that have room for figures."""
    needs = Needs(1e6, None, 86_400.0)
    advice = Advice({}, LINEAR, needs, Assumed(), judged(LINEAR, needs, Assumed()))

    title, *lines = chart(advice, width)

    assert "Rows a second" in title
    assert [line.split()[0] for line in lines] == ["1", "10", "100", "1,000", "10,000"]
    assert all(line.isascii() for line in lines)
    assert max(map(len, lines)) <= max(width, 35)
    marks = [line.count("#") for line in lines]
    assert marks == sorted(marks)
    assert 1 <= marks[0] < marks[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "10"], "--rate does nothing without --advise"),
        (["--latency", "10"], "--latency does nothing without --advise"),
        (["--freshness", "1d"], "--freshness does nothing without --advise"),
        (["--cpu-hour", "0"], "--cpu-hour does nothing without --advise"),
        (["--advise", "--freshness", "often"], "--freshness is 'often'; it takes a time such as"),
        (["--advise", "--freshness", "0s"], "--freshness is '0s'"),
        (["--advise", "--rate", "0"], "--rate"),
        (["--advise", "--latency", "-1"], "--latency"),
        (["--advise", "--target", "docker"], "--advise and --target are two things"),
        (["--advise", "--report", "r.pdf"], "has to end in .html or .json"),
        (["--advise", "--name", "other"], "for which --name does nothing"),
        (["--advise", "-o", "other.onnx"], "for which --output does nothing"),
        (["--advise", "--overwrite"], "for which --overwrite does nothing"),
    ],
)
def test_what_does_not_go_together(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that do nothing or cannot be read are exit code 2, before anything is measured."""
    model = tmp_path / "model.onnx"
    model.write_bytes(town_model("v1", 0.0))

    assert run(["export", str(model), *options]) == 2
    assert message in capsys.readouterr().err


def test_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not there, or no model, is told as by every command, and as the object of --json."""
    (tmp_path / "odd.onnx").write_bytes(b"no model")

    assert run(["export", str(tmp_path / "absent.onnx"), "--advise"]) == 2
    assert "There is no model file" in capsys.readouterr().err
    assert run(["export", str(tmp_path / "odd.onnx"), "--advise", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_onnx"


def test_golden_rows_that_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that no longer answers as its original is not measured."""
    monkeypatch.delenv("MLSHIP_GOLDEN", raising=False)
    (tmp_path / "model.onnx").write_bytes(town_model("v1", 1.0))

    assert run(["export", str(tmp_path / "model.onnx"), "--advise", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "golden_rows_differ"
