"""What an export may replace, what it leaves when it cannot write, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.tree import DecisionTreeClassifier

from mlship.cli.main import run
from tests.export.grids import picked
from tests.export.judging import opened, save
from tests.export.tables import NUMBERS, kinds_of, table

ROWS = table(100, 1)


def model(depth: int = 2) -> DecisionTreeClassifier:
    """Fit a small tree."""
    return DecisionTreeClassifier(max_depth=depth, random_state=0).fit(ROWS[NUMBERS], kinds_of(ROWS))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a model in it."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path, model())
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was printed on standard error."""
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("saved", "made"),
    [
        ("model.pkl", "model.onnx"),
        ("churn.v2.pkl", "churn.v2.onnx"),
        ("churn.v2.joblib.gz", "churn.v2.onnx"),
        ("São é.PKL", "São é.onnx"),
        ("no_suffix", "no_suffix.onnx"),
        (".pkl", "pkl.onnx"),
    ],
)
def test_the_name_of_the_output(folder: Path, saved: str, made: str) -> None:
    """Without -o the artifact is in the current folder, named as the model's file less how it was saved."""
    (folder / "model.pkl").rename(folder / saved)

    assert run(["export", saved, "-q"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted([saved, made])


def test_ours_is_replaced(folder: Path) -> None:
    """An artifact that mlship wrote is replaced without asking."""
    assert run(["export", "model.pkl", "-q"]) == 0
    first = (folder / "model.onnx").read_bytes()
    save(folder, model(5))

    assert run(["export", "model.pkl", "-q"]) == 0
    assert (folder / "model.onnx").read_bytes() != first
    assert opened(folder).replay.agrees


@pytest.mark.parametrize(
    ("output", "message", "hint"),
    [
        ("none/here.onnx", "There is no folder 'none'.", "mkdir -p 'none'"),
        ("model.pkl", "'model.pkl' is the model file itself.", "Name another file with -o."),
        ("mine.onnx", "'mine.onnx' exists and was not written by mlship.", "--overwrite"),
        (".", "'.' is a folder.", "Name a file in it"),
    ],
)
def test_where_nothing_may_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str, message: str, hint: str
) -> None:
    """A missing folder, the model itself, a foreign file and a folder are no outputs: exit 2, all untouched."""
    (folder / "mine.onnx").write_text("mine")
    before = (folder / "model.pkl").read_bytes()

    assert run(["export", "model.pkl", "-o", output]) == 2
    error, way_out = lines(capsys)
    assert error == f"error: {message}"
    assert way_out.startswith("hint: ")
    assert hint in way_out
    assert (folder / "mine.onnx").read_text() == "mine"
    assert (folder / "model.pkl").read_bytes() == before


def unwritable(folder: Path) -> Path:
    """Return a folder in which nobody makes files: root may in any but the kernel's own."""
    if os.geteuid() == 0:
        return Path("/sys")
    (folder / "locked").mkdir(mode=0o555)
    return folder / "locked"


def test_a_folder_that_may_not_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the system refuses the file, the exit code is 6, which a scheduler retries, in one line."""
    output = unwritable(folder) / "model.onnx"

    assert run(["export", "model.pkl", "-o", str(output)]) == 6
    (error,) = lines(capsys)
    assert error.startswith(f"error: '{output}' could not be written: ")
    assert not output.exists()


def child(folder: Path, before: str) -> subprocess.CompletedProcess[str]:
    """Export the model in a process of its own that first runs some Python."""
    program = f"{before}\nimport sys\nfrom mlship.cli.main import run\nsys.exit(run(['export', 'model.pkl', '-q']))"
    return subprocess.run([sys.executable, "-c", program], check=False, cwd=folder, capture_output=True, text=True)


FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""


def test_a_full_disk_leaves_the_old_file(folder: Path) -> None:
    """When writing fails half way, exit is 6, the older artifact is whole, and no part of the new one lies about."""
    assert run(["export", "model.pkl", "-q"]) == 0
    older = (folder / "model.onnx").read_bytes()
    save(folder, model(5))
    done = child(folder, FULL_DISK)

    assert done.returncode == 6, done.stderr
    assert done.stderr.startswith("error: 'model.onnx' could not be written: ")
    assert (folder / "model.onnx").read_bytes() == older
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model.pkl"]


KILLS = {
    "before the proof": "import mlship.export.parity as m; m.prove = die",
    "before the file": "import mlship.files as m; m.tempfile.mkstemp = die",
    "half written": "import os; os.fsync = die",
    "before the rename": "import pathlib; pathlib.Path.replace = die",
}


@pytest.mark.parametrize("moment", picked(KILLS, 0, 3))
def test_kill_9_leaves_the_old_file(folder: Path, moment: str) -> None:
    """Killed at any moment, an export leaves the older artifact whole, and the next one replaces it."""
    assert run(["export", "model.pkl", "-q"]) == 0
    older = (folder / "model.onnx").read_bytes()
    save(folder, model(5))
    done = child(folder, f"def die(*_, **__): import os; os.kill(os.getpid(), 9)\n{KILLS[moment]}")

    # what proves is a process of its own, whose end this one tells
    assert done.returncode == (5 if moment == "before the proof" else -signal.SIGKILL)
    assert (folder / "model.onnx").read_bytes() == older
    assert opened(folder).replay.agrees
    assert run(["export", "model.pkl", "-q"]) == 0
    assert (folder / "model.onnx").read_bytes() != older


def failed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run an export with --json that fails; return what it reports, having seen that it is one object on one line."""
    code = run(["export", "model.pkl", "--json", *arguments])
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    report: dict[str, Any] = json.loads(line)
    assert (report["status"], report["exit_code"]) == ("failed", code)
    assert printed.err.splitlines()[0] == f"error: {report['error']['message']}"
    assert not Path("model.onnx").exists()
    return report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "team"], "The label 'team' is not of the form KEY=VALUE."),
        (["--label", "=risk"], "The label '=risk' is not of the form KEY=VALUE."),
        (["--columns", "a,b,c"], "The model was fitted on named columns, and --columns would rename them."),
        (["--tolerance", "nan"], "Invalid value for '--tolerance'"),
        (["--tolerance", "2"], "Invalid value for '--tolerance'"),
        (["--precision", "float16"], "Invalid value for '--precision'"),
        (["--memory-limit", "much"], "--memory-limit is 'much'; it takes a number of bytes such as 8MiB."),
    ],
)
def test_wrong_options(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """An option put wrongly ends with exit 2, what is wrong, and a way out."""
    report = failed(arguments, capsys)

    assert report["exit_code"] == 2
    assert report["error"]["message"].startswith(message)
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]
    assert report["error"]["hint"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("a,b", "The model takes 3 columns, and 2 names were given."),
        ("a,b,c,d", "The model takes 3 columns, and 4 names were given."),
        ("", "The model takes 3 columns, and 1 names were given."),
        ("a,b,a", "The column name 'a' occurs twice."),
    ],
)
def test_wrong_names(folder: Path, capsys: pytest.CaptureFixture[str], columns: str, message: str) -> None:
    """Names for a model without any must be as many as it has columns, and differ."""
    save(folder, model().__class__(max_depth=2).fit(ROWS[NUMBERS].to_numpy(), kinds_of(ROWS)))
    report = failed(["--columns", columns], capsys)

    assert (report["exit_code"], report["error"]["message"]) == (2, message)
    assert report["error"]["hint"].startswith("Give ")


def test_names_that_are_given(folder: Path) -> None:
    """Names given for a model without any, and labels, name and version, are the artifact's."""
    save(folder, model().__class__(max_depth=2).fit(ROWS[NUMBERS].to_numpy(), kinds_of(ROWS)))
    options = ["--columns", "my age,b,São é", "--name", "churn", "--model-version", "7", "--label", "team=risk=high"]

    assert run(["export", "model.pkl", "-q", *options, "--label", "empty=", "--null", "?"]) == 0
    card = opened(folder).card
    assert card.signature.names == ("my age", "b", "São é")
    assert (card.name, card.version, card.labels) == ("churn", "7", {"team": "risk=high", "empty": ""})
    assert "?" in card.signature.null_tokens
