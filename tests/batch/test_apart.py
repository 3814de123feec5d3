"""Nothing that a command writes is written over by something else that it writes, or by another command."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import polars as pl
import pytest

from mlship.batch.stop import Stop
from mlship.errors import Stopped
from tests.batch.conftest import Batch

HEAD = "my age,income,city\n"
GOOD, BAD = HEAD + "1,2,Porto\n", HEAD + "1,2,Porto\nx,2,Porto\n"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-o", "w.json", "--format", "ndjson", "--report", "w.json"), id="output and report"),
        pytest.param(("-o", "q.csv", "--rejects", "q.json", "--report", "q.json"), id="rejects and report"),
        pytest.param(("-o", "q.csv", "--rejects", "q.csv"), id="output and rejects"),
    ],
)
def test_two_files_of_one_name_are_refused(batch: Batch, folder: Path, options: tuple[str, ...]) -> None:
    """Output, rejects file and report have names of their own: else exit 2, and nothing is written."""
    (folder / "in.csv").write_text(BAD)
    outcome = batch("in.csv", *options, "--json")
    assert (outcome.code, outcome.data["error"]["code"]) == (2, "same_file")
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "town.onnx"]


@pytest.mark.parametrize("form", [("--format", "csv"), ()], ids=["outputs", "rejects"])
def test_inputs_that_would_share_an_output_or_its_rejects_are_refused(
    batch: Batch, folder: Path, form: tuple[str, ...]
) -> None:
    """Two inputs of one stem, each with an output of its own, would lose one's rows or rejects: exit 2 names both."""
    (folder / "f").mkdir()
    (folder / "f" / "x.csv").write_text(GOOD)
    (folder / "f" / "x.ndjson").write_text('{"my age":1,"income":2,"city":"Porto"}\n')
    outcome = batch("f", *form, "--json")
    assert (outcome.code, outcome.data["error"]["code"]) == (2, "same_file")
    assert "'f/x.csv' and 'f/x.ndjson'" in outcome.data["error"]["message"]


def test_the_rejects_of_another_output_are_kept(batch: Batch, folder: Path) -> None:
    """A rejects file is replaced by the next run of its own output only; another is told to take another name."""
    (folder / "in.csv").write_text(BAD)
    (folder / "good.csv").write_text(GOOD)
    assert batch("in.csv", "-o", "out.csv").code == 0
    before = (folder / "out.rejects.ndjson").read_bytes()
    other = batch("good.csv", "-o", "out.parquet", "--json")
    assert (other.code, "--rejects" in other.data["error"]["hint"]) == (2, True)
    assert (folder / "out.rejects.ndjson").read_bytes() == before
    assert batch("good.csv", "-o", "out.csv").code == 0
    assert not (folder / "out.rejects.ndjson").exists()
    assert batch("good.csv", "-o", "out.parquet").code == 0


def test_one_output_of_others_does_not_stop_the_rest(batch: Batch, folder: Path) -> None:
    """Of several inputs each with an output of its own, one that may not be replaced is told, the others are scored."""
    for name in "xyz":
        (folder / f"{name}.csv").write_text(GOOD)
    (folder / "y.scored.csv").write_text("mine\n")
    outcome = batch("x.csv", "y.csv", "z.csv", "--json")
    assert outcome.code == 2
    assert outcome.data["outputs"] == ["x.scored.csv", "z.scored.csv"]
    assert outcome.data["rows"]["out"] == 2
    assert (folder / "y.scored.csv").read_text() == "mine\n"


def test_columns_that_nobody_asks_for_may_differ(batch: Batch, folder: Path) -> None:
    """Of inputs put one after the other, only the columns that are used have to be there in all."""
    (folder / "x.csv").write_text(GOOD)
    (folder / "y.csv").write_text("more,my age,income,city\n9,1,2,Porto\n")
    assert batch("x.csv", "y.csv", "-o", "out.csv").code == 3
    assert batch("x.csv", "y.csv", "-o", "out.csv", "--keep", "city", "--json").data["rows"]["out"] == 2


def test_integers_wider_than_64_bits_are_numbers(batch: Batch, folder: Path) -> None:
    """A column of 128-bit integers is read by its values."""
    frame = pl.DataFrame({"my age": [1, 2], "income": [2, 3], "city": ["Porto", "Lisboa"]})
    frame.cast({"income": pl.Int128}).write_parquet(folder / "wide.parquet")
    frame.write_parquet(folder / "plain.parquet")
    for name in ("wide", "plain"):
        assert batch(f"{name}.parquet", "-o", f"{name}.csv", "--keep", "none").code == 0
    assert (folder / "wide.csv").read_bytes() == (folder / "plain.csv").read_bytes()


def test_an_output_whose_name_is_no_text_is_refused_before_any_work(batch: Batch, folder: Path) -> None:
    """A name that is not UTF-8 is exit 2, and nothing is left behind."""
    (folder / "in.csv").write_text(GOOD)
    outcome = batch("in.csv", "-o", os.fsdecode(b"z\xff.csv"), "--json")
    assert (outcome.code, outcome.data["error"]["code"]) == (2, "bad_name")
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "town.onnx"]


@pytest.mark.parametrize("report", ["r.json", "r.html"])
def test_a_report_tells_of_inputs_that_failed_and_of_those_that_did_not(
    batch: Batch, folder: Path, report: str
) -> None:
    """Where one of several inputs fails, the others' rows and outputs stay in what is told, by --json and --report."""
    (folder / "a.csv").write_text("my age,income\n1,2\n")
    (folder / "b.csv").write_text(GOOD)
    outcome = batch("a.csv", "b.csv", "--report", report, "--json")
    assert (outcome.code, outcome.data["error"]["code"]) == (3, "missing_column")
    assert outcome.data["outputs"] == ["b.scored.csv"]
    assert outcome.data["rows"] == {"in": 1, "out": 1, "rejected": 0}
    assert [run["inputs"][0]["path"] for run in outcome.data["runs"]] == ["a.csv", "b.csv"]
    text = (folder / report).read_text()
    assert "b.scored.csv" in text
    assert "lacks" in text


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("data.json", "--report", "data.json"), id="input"),
        pytest.param(("lacking.csv", "good.json", "--report", "good.json"), id="other input"),
        pytest.param(("lacking.csv", "-o", "old.json", "--format", "ndjson", "--report", "old.json"), id="output"),
        pytest.param(("lacking.csv", "--rejects", "old.json", "--report", "old.json"), id="rejects"),
        pytest.param(("good.json", "lacking.csv", "-m", "absent.onnx", "--report", "old.json"), id="no model"),
    ],
)
def test_the_report_of_a_run_that_fails_replaces_nothing_else(
    batch: Batch, folder: Path, options: tuple[str, ...]
) -> None:
    """However early a run fails, its report is written over no input and over nothing else that it may write."""
    (folder / "data.json").write_text('{"my age":1}\n')
    (folder / "good.json").write_text('{"my age":1,"income":2,"city":"Porto"}\n')
    (folder / "lacking.csv").write_text("my age,income\n1,2\n")
    (folder / "old.json").write_text("kept")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert batch(*options).code in (2, 3)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {name: after.get(name) for name in before} == before


def test_inputs_that_were_done_are_told_when_the_next_is_stopped(
    batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of several inputs that is stopped in the second tells the first one's output."""
    (folder / "a.csv").write_text(GOOD)
    (folder / "b.csv").write_text(GOOD * 2)
    seen = 0

    def check(_stop: Stop) -> None:
        nonlocal seen
        seen += (folder / "a.scored.csv").exists()
        if seen:
            raise Stopped(signal.SIGTERM, "Stopped by SIGTERM.")

    monkeypatch.setattr(Stop, "check", check)
    outcome = batch("a.csv", "b.csv", "--report", "r.json", "--json")
    assert (outcome.code, outcome.data["status"]) == (143, "stopped")
    assert outcome.data["outputs"] == ["a.scored.csv"]
    told = json.loads((folder / "r.json").read_text())
    assert (told["status"], told["outputs"], told["exit_code"]) == ("stopped", ["a.scored.csv"], 143)
