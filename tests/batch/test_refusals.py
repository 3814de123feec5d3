"""What cannot be done right is refused with its exit code, the cause and one thing to type; nothing is left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from tests.batch.conftest import Batch, Outcome
from tests.batch.models import put_town

GOOD = "my age,income,city\n1,2,Porto\n3,4,Lisboa\n"
KEYS = ["error", "exit_code", "model", "outputs", "rejects", "rejects_file", "rows", "seconds", "status"]


def names(folder: Path) -> set[str]:
    """Return what lies in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(b"", "empty_input", "'in.csv' is empty", id="empty"),
        pytest.param(GOOD.encode("utf-16")[:-1], "bad_encoding", "is not in utf-16", id="UTF-16 cut"),
        pytest.param(GOOD.encode("utf-16-le"), "not_utf8", "NUL bytes in its header", id="UTF-16 without mark"),
        pytest.param(GOOD.replace("\n", "\r").encode(), "carriage_returns", "carriage return", id="CR only"),
        pytest.param(GOOD.replace(",", ":").encode(), "missing_column", "lacks 3 columns", id="colons"),
        pytest.param(GOOD.replace(",", "^").encode(), "missing_column", "It has: 'my age^income^city'", id="carets"),
        pytest.param(b"city,my age,income,city\n", "duplicate_columns", "'city' more than once", id="name twice"),
        pytest.param(GOOD.encode() + b'1,"2,Porto\n', "unclosed_quote", "'in.csv', row 3", id="quote never closed"),
        pytest.param(b"my age,income,city\n\0\0\0\0\0", "too_many_rejects", "wrong_field_count", id="NUL run"),
    ],
)
def test_broken_inputs(batch: Batch, folder: Path, data: bytes, code: str, said: str) -> None:
    """A broken input is exit 3 with its cause, never fewer rows in silence."""
    (folder / "in.csv").write_bytes(data)
    outcome = batch("in.csv", "--json", "--max-rejects", "0")
    assert outcome.code == 3
    assert outcome.data["error"]["code"] == code
    assert said in outcome.data["error"]["message"]
    assert outcome.data["error"]["hint"]
    assert set(KEYS) <= set(outcome.data)
    assert "in.scored.csv" not in names(folder)


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        pytest.param("My Age;Income;City", "separated by semicolons: --delimiter ';'", id="semicolons"),
        pytest.param("My Age|Income|City", "separated by vertical bars: --delimiter '|'", id="bars"),
        pytest.param("My_Age,income,city", "Rename the column 'My_Age' to 'my age'", id="written otherwise"),
        pytest.param("my age , income,city", "Rename the column 'my age ' to 'my age'", id="spaces around"),
        pytest.param("a,b,c", "the one meant for this model", id="nothing alike"),
    ],
)
def test_missing_columns_get_a_hint(batch: Batch, folder: Path, header: str, hint: str) -> None:
    """The hint for missing columns names the likeliest cause."""
    (folder / "in.csv").write_text(header + "\n1,2,Porto\n")
    outcome = batch("in.csv")
    assert outcome.code == 3
    assert hint in outcome.stderr


def test_missing_columns_are_all_named(batch: Batch, folder: Path) -> None:
    """All missing columns are named, and those that are there."""
    pl.DataFrame({"city": ["Porto"], "id": [1]}).write_parquet(folder / "in.parquet")
    outcome = batch("in.parquet", "--json")
    assert outcome.data["error"]["message"] == (
        "'in.parquet' lacks 2 columns that the model needs: 'my age', 'income'. It has: 'city', 'id'."
    )
    assert outcome.data["model"]["name"] == "town"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("absent.csv", "There is no input 'absent.csv'", id="absent"),
        pytest.param("folder.csv", "The folder 'folder.csv' has no file to score", id="folder"),
        pytest.param("in.txt", "should end in one of .csv, .tsv, .ndjson, .parquet, .arrow", id="unknown suffix"),
        pytest.param("*.none", "No file to score matches '*.none'", id="pattern"),
        pytest.param("x" * 300 + ".csv", "File name too long", id="name too long"),
        pytest.param("broken.parquet", "is no Parquet file", id="no Parquet"),
        pytest.param("/dev/null", "no regular file", id="device"),
    ],
)
def test_inputs_that_are_no_tables(batch: Batch, folder: Path, name: str, said: str) -> None:
    """An input that is absent or no table is exit 3, and no folder is made for it."""
    (folder / "folder.csv").mkdir()
    (folder / "in.txt").write_text(GOOD)
    (folder / "broken.parquet").write_text(GOOD)
    before = names(folder)
    outcome = batch(name)
    assert outcome.code == 3
    assert said in outcome.stderr
    assert "hint: " in outcome.stderr
    assert names(folder) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--max-rejects", "-3"], "no limit", id="limit"),
        pytest.param(["--max-rejects", "101%"], "no limit", id="percentage"),
        pytest.param(["--chunk-size", "8 apples"], "it takes a number of bytes", id="size"),
        pytest.param(["--chunk-size", "0"], "it takes a number of bytes", id="no bytes"),
        pytest.param(["--format", "xlsx"], "There is no format 'xlsx'", id="format"),
        pytest.param(["-o", "out.dat"], "cannot be told", id="output without format"),
        pytest.param(["-o", "out.csv", "--format", "parquet"], "--format says parquet", id="contradiction"),
        pytest.param(["--keep", "cty"], "Did you mean 'city'?", id="unknown column to keep"),
        pytest.param(["--keep", ""], "--keep expects", id="nothing to keep"),
        pytest.param(["--keep", "city,,income"], "--keep expects", id="empty name to keep"),
        pytest.param(["-m", "absent.onnx"], "no model file 'absent.onnx'", id="absent model"),
        pytest.param(["-o", "in.csv"], "is the input 'in.csv' itself", id="output is input"),
        pytest.param(["-o", "./"], "a folder without a name", id="output without a name"),
        pytest.param(["-o", "./x/../in.csv", "--overwrite"], "is the input", id="by another path"),
        pytest.param(["-o", "linked.csv", "--overwrite"], "is the input", id="by a symbolic link"),
        pytest.param(["-o", "hard.csv", "--overwrite"], "is the input", id="by a hard link"),
        pytest.param(["-o", "town.onnx", "--format", "csv", "--overwrite"], "is the model", id="output is model"),
        pytest.param(["-o", "x", "--format", "csv"], "is a folder", id="output is a folder"),
        pytest.param(["-o", "/dev/null", "--format", "csv", "--overwrite"], "no regular file", id="device"),
        pytest.param(["-"], "'-' is standard input, and stands alone", id="standard input among others"),
    ],
)
def test_wrong_usage(batch: Batch, folder: Path, arguments: list[str], said: str) -> None:
    """Wrong options are exit 2, and nothing is written."""
    (folder / "in.csv").write_text(GOOD)
    (folder / "x").mkdir()
    (folder / "linked.csv").symlink_to("in.csv")
    os.link(folder / "in.csv", folder / "hard.csv")
    before = names(folder)
    outcome = batch("in.csv", *arguments)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert "hint: " in outcome.stderr
    assert names(folder) == before
    assert (folder / "in.csv").read_text() == GOOD


@pytest.mark.parametrize("engine", ["local", "spark"])
def test_the_output_holds_no_input(batch: Batch, folder: Path, engine: str) -> None:
    """A folder is replaced as a whole, so that inputs in it would be gone, by whatever path they are named."""
    (folder / "x" / "y").mkdir(parents=True)
    (folder / "x" / "y" / "in.csv").write_text(GOOD)
    (folder / "linked").symlink_to("x")
    outcome = batch("linked/y/in.csv", "-o", "x/", "--overwrite", "--engine", engine)
    assert (outcome.code, "lies in the output" in outcome.stderr) == (2, True)
    assert (folder / "x" / "y" / "in.csv").read_text() == GOOD


def test_null_is_foreign_to_typed_tables(batch: Batch, folder: Path) -> None:
    """An option that would do nothing is refused."""
    pl.DataFrame({"my age": [1.0], "income": [1.0], "city": ["Porto"]}).write_parquet(folder / "in.parquet")
    outcome = batch("in.parquet", "--null", "x")
    assert outcome.code == 2
    assert "--null tells how CSV is written, but 'in.parquet' is parquet" in outcome.stderr


def test_a_kept_column_named_like_an_output(batch: Batch, folder: Path) -> None:
    """A name that occurs in input and output is refused with the --keep that leaves it out."""
    (folder / "in.csv").write_text("my age,score,income,city\n1,x,2,Porto\n")
    outcome = batch("in.csv")
    assert outcome.code == 2
    assert "The input has the column 'score', and so has the output." in outcome.stderr
    assert "hint: Leave it out: --keep my age,income,city" in outcome.stderr
    assert batch("in.csv", "--keep", "my age,income,city").code == 0


def test_a_kept_column_that_csv_cannot_hold(batch: Batch, folder: Path) -> None:
    """Lists cannot go to CSV; --keep leaves them out."""
    frame = pl.DataFrame({"my age": [1.0], "income": [1.0], "city": ["Porto"], "tags": [["a"]]})
    frame.write_parquet(folder / "in.parquet")
    outcome = batch("in.parquet", "--format", "csv")
    assert outcome.code == 2
    assert "The column 'tags' holds List(String)" in outcome.stderr
    assert "in.scored.csv" not in names(folder)
    assert batch("in.parquet", "--format", "csv", "--keep", "city").code == 0
    assert batch("in.parquet").code == 0


def test_no_model_says_the_way_out(batch: Batch, folder: Path) -> None:
    """Without a model to be found: exit 2, and what to do."""
    (folder / "town.onnx").unlink()
    (folder / "in.csv").write_text(GOOD)
    outcome = batch("in.csv", "--json")
    assert outcome.code == 2
    assert outcome.data["error"]["code"] == "no_model"
    assert outcome.data["model"] is None
    assert "mlship export MODEL" in outcome.stderr
    put_town(folder, "a.onnx")
    put_town(folder, "b.onnx")
    assert "has 2: 'a.onnx', 'b.onnx'" in batch("in.csv").stderr


def test_the_only_model_is_named_with_its_digest(batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model taken without being named is shown; one named, or told by MLSHIP_MODEL, is not."""
    (folder / "in.csv").write_text(GOOD)
    digest = batch("in.csv", "--json", "-q").data["model"]["digest"]
    assert f"The model is 'town.onnx', the only one here (digest {digest[:12]})." in batch("in.csv").stderr
    assert "The model is" not in batch("in.csv", "-m", "town.onnx").stderr
    monkeypatch.setenv("MLSHIP_MODEL", str(folder / "town.onnx"))
    put_town(folder, "second.onnx")
    outcome = batch("in.csv")
    assert outcome.code == 0
    assert "The model is" not in outcome.stderr


def test_a_model_with_a_flipped_byte_is_refused(batch: Batch, folder: Path) -> None:
    """One changed byte in the model is exit 4, before anything is read."""
    data = bytearray((folder / "town.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "town.onnx").write_bytes(data)
    (folder / "in.csv").write_text(GOOD)
    assert batch("in.csv").code == 4


@pytest.mark.parametrize(
    ("bad", "rows", "options", "code"),
    [
        pytest.param(10, 20, [], 0, id="default, ten rows"),
        pytest.param(11, 20, [], 3, id="default, eleven rows"),
        pytest.param(20, 2000, [], 0, id="default, one percent"),
        pytest.param(21, 2000, [], 3, id="default, past one percent"),
        pytest.param(3, 20, ["--max-rejects", "3"], 0, id="number, at"),
        pytest.param(4, 20, ["--max-rejects", "3"], 3, id="number, past"),
        pytest.param(1, 20, ["--max-rejects", "0"], 3, id="none allowed"),
        pytest.param(2, 20, ["--max-rejects", "10%"], 0, id="percentage, at"),
        pytest.param(3, 20, ["--max-rejects", "10%"], 3, id="percentage, past"),
        pytest.param(20, 20, ["--max-rejects", "100%"], 0, id="all"),
    ],
)
def test_reject_limits(batch: Batch, folder: Path, bad: int, rows: int, options: list[str], code: int) -> None:
    """At the limit the output is there, past it nothing new is, and the rejects file tells why in both cases."""
    lines = ["x,1,Porto" if row < bad else "1,1,Porto" for row in range(rows)]
    (folder / "in.csv").write_text("\n".join(["my age,income,city", *lines]))
    for size in ("40", "1000", "1MiB"):
        outcome = batch("in.csv", "--json", "--restart", "--chunk-size", size, *options)
        assert_limit_kept(outcome, folder, bad, code)
        if code == 0 or not options or options[1].endswith("%"):  # otherwise it stops at the chunk that goes past
            assert outcome.data["rows"]["in"] == rows


def assert_limit_kept(outcome: Outcome, folder: Path, bad: int, code: int) -> None:
    """Look at what one run left."""
    assert outcome.code == code
    assert ("in.scored.csv" in names(folder)) is (code == 0)
    assert outcome.data["outputs"] == (["in.scored.csv"] if code == 0 else [])
    assert outcome.data["rejects_file"] == "in.scored.rejects.ndjson"
    listed = [json.loads(line)["row"] for line in (folder / "in.scored.rejects.ndjson").read_text().splitlines()]
    assert listed == list(range(1, bad + 1))
    counts = outcome.data["rows"]
    assert counts["rejected"] == bad
    assert counts["in"] == counts["out"] + bad
    if code == 3:
        assert (
            "First: 'in.csv', row 1, column 'my age': not_a_number, not a number (text, 1 character found)"
            in outcome.stderr
        )
        assert "'in.scored.rejects.ndjson' lists them all" in outcome.stderr


def test_a_number_of_rejects_stops_at_once(batch: Batch, folder: Path) -> None:
    """Past a limit given as a number the rest of the file is not read."""
    (folder / "in.csv").write_text("my age,income,city\n" + "x,1,Porto\n" * 3 + "1,1,Porto\n" * 1000)
    outcome = batch("in.csv", "--json", "--max-rejects", "2", "--chunk-size", "1")
    assert outcome.code == 3
    assert outcome.data["rows"] == {"in": 3, "out": 0, "rejected": 3}


def test_a_key_that_comes_late_is_not_passed_over(batch: Batch, folder: Path) -> None:
    """Where all is carried along, a key first seen past 8 MiB stops the run, naming it; with --keep it is left out."""
    line = '{"my age":1,"income":2,"city":"Porto","note":"%s"}\n'
    early = line % ("x" * 1000) * 8500
    (folder / "in.ndjson").write_text(early + line.replace("note", "late") % "SECRET")
    refused = batch("in.ndjson", "-m", "town.onnx", "--json")
    assert (refused.code, refused.data["error"]["code"]) == (3, "late_column")
    assert f"the line that begins at byte {len(early)} has the key 'late'" in refused.stderr
    assert "SECRET" not in refused.stderr
    assert not (folder / "in.scored.ndjson").exists()
    assert batch("in.ndjson", "-m", "town.onnx", "--keep", "note").code == 0
    assert (folder / "in.scored.ndjson").read_text().count("\n") == 8501


@pytest.mark.parametrize("arguments", [("--no-such-option",), ("in.csv", "--keep", "x", "-m", "absent.onnx"), ()])
def test_json_has_the_same_keys_however_early_it_fails(batch: Batch, arguments: tuple[str, ...]) -> None:
    """A command line that is refused before any work tells with --json what every other run tells."""
    told = batch(*arguments, "--json")
    assert told.code == 2
    assert sorted(told.data) == KEYS
