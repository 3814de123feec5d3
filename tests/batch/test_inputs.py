"""Inputs are files, folders, trees and patterns; what mlship wrote itself is never one; several go in order."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from mlship.batch.inputs import find_inputs
from mlship.errors import InputRefused, UsageError
from tests.batch.conftest import Batch

HEADER = "my age,income,city\n"
ROW = HEADER + "1,2,Porto\n"


def put(*names: str, text: str = ROW) -> None:
    """Write files, folders included."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def found(*given: str) -> list[str]:
    """Return the names of the files that are found."""
    return [one.name for one in find_inputs(given, None)]


def rows(path: str) -> list[dict[str, str]]:
    """Read CSV as texts."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("given", "names"),
    [
        pytest.param(["b.csv", "a.csv"], ["b.csv", "a.csv"], id="files in the order of the arguments"),
        pytest.param(["a.csv", "./a.csv"], ["a.csv"], id="a file named twice"),
        pytest.param(["d"], ["d/1.csv", "d/2.parquet", "d/e/3.csv.gz"], id="a folder and what is below it"),
        pytest.param(["d/"], ["d/1.csv", "d/2.parquet", "d/e/3.csv.gz"], id="a folder with a slash"),
        pytest.param(["*.csv"], ["[a-z].csv", "a.csv", "b.csv"], id="a pattern"),
        pytest.param(["d/**/*.csv*"], ["d/1.csv", "d/e/3.csv.gz"], id="a pattern of folders"),
        pytest.param(["d/e*"], ["d/e/3.csv.gz"], id="a pattern that a folder matches"),
        pytest.param(["[a-z].csv"], ["[a-z].csv"], id="a name with brackets is a name first"),
        pytest.param(["[b-z].csv"], ["b.csv"], id="brackets that are no name are a pattern"),
        pytest.param(["b.csv", "*.csv"], ["b.csv", "[a-z].csv", "a.csv"], id="each file once"),
        pytest.param(["new\nline.tsv"], ["new\nline.tsv"], id="a name with a line feed"),
        pytest.param([".hidden.csv"], [".hidden.csv"], id="a hidden file that is named"),
    ],
)
def test_files_that_are_found(given: list[str], names: list[str]) -> None:
    """Files, folders and patterns give the files that are meant, in order."""
    put("a.csv", "b.csv", "[a-z].csv", "new\nline.tsv", ".hidden.csv", "d/1.csv", "d/2.parquet", "d/e/3.csv.gz")
    put("d/notes.txt", "d/.hidden.csv", "d/_SUCCESS", "d/_temporary/x.csv", "d/.git/x.csv")
    assert found(*given) == names


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param("absent.csv", "There is no input 'absent.csv'", id="absent"),
        pytest.param("*.absent", "No file to score matches '*.absent'", id="pattern"),
        pytest.param("empty", "The folder 'empty' has no file to score", id="empty folder"),
        pytest.param("x" * 300, "File name too long", id="too long"),
        pytest.param("year=1/year=2/*", "say the column 'year'", id="a column that two folders say"),
    ],
)
def test_nothing_to_score_is_said(folder: Path, given: str, said: str) -> None:
    """Where there is no file the name and the reason are told."""
    (folder / "empty").mkdir()
    put("year=1/year=2/a.csv")
    with pytest.raises(InputRefused) as caught:
        found(given if "year" not in given else "year*/**/*.csv")
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("how", ["file", "folder", "pattern"])
def test_a_name_that_is_no_utf8_is_refused_wherever_it_is_found(how: str) -> None:
    """A name in another encoding could be told nowhere, so that it is refused."""
    name = os.fsdecode(b"d/caf\xe9.csv")
    put(name)
    with pytest.raises(UsageError, match="not in UTF-8"):
        found({"file": name, "folder": "d", "pattern": "d/*.csv"}[how])


def test_what_mlship_wrote_is_no_input(batch: Batch) -> None:
    """Outputs of any kind, rejects and journals beside the inputs are passed over by the next run."""
    put("d/a.csv", "d/b.csv", text=ROW + "x,1,Porto\n")
    for options in (
        [],
        ["-o", "d/all.csv"],
        ["-o", "d/every.parquet"],
        ["-o", "d/parts/", "--rejects", "d/broken.ndjson"],
        ["--format", "ndjson", "--overwrite"],  # whose rejects go where those of the CSV were
    ):
        outcome = batch("d", *options, "--json")
        assert outcome.code == 0, outcome.stderr
        assert outcome.data["rows"] == {"in": 4, "out": 2, "rejected": 2}
        assert found("d") == ["d/a.csv", "d/b.csv"]
        assert found("d/*") == ["d/a.csv", "d/b.csv"]
        assert found("d/**/*.csv") == ["d/a.csv", "d/b.csv"]
        assert found("d/**/*") == ["d/a.csv", "d/b.csv"]


def test_outputs_beside_each_input(batch: Batch) -> None:
    """Without -o each input gets an output of its own kind beside it."""
    put("d/a.csv", "d/b.tsv", text=ROW)
    Path("d/b.tsv").write_text(ROW.replace(",", "\t"))
    Path("d/c.csv.gz").write_bytes(gzip.compress(ROW.encode()))
    Path("d/e.ndjson").write_text('{"my age": 1, "income": 2, "city": "Porto"}\n')
    frame = pl.DataFrame({"my age": [1.0], "income": [2.0], "city": ["Porto"]})
    frame.write_parquet("d/f.parquet")
    frame.write_ipc("d/g.arrow")
    outcome = batch("d", "--keep", "city", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.data["outputs"] == [
        "d/a.scored.csv",
        "d/b.scored.tsv",
        "d/c.scored.csv.gz",
        "d/e.scored.ndjson",
        "d/f.scored.parquet",
        "d/g.scored.arrow",
    ]
    text = "city,prediction,score\nPorto,yes,0.5\n"
    assert Path("d/a.scored.csv").read_text() == text
    assert Path("d/b.scored.tsv").read_text() == text.replace(",", "\t")
    assert gzip.decompress(Path("d/c.scored.csv.gz").read_bytes()).decode() == text
    assert json.loads(Path("d/e.scored.ndjson").read_text()) == {"city": "Porto", "prediction": "yes", "score": 0.5}
    expected = [{"city": "Porto", "prediction": "yes", "score": 0.5}]
    assert pl.read_parquet("d/f.scored.parquet").to_dicts() == expected
    assert pl.read_ipc("d/g.scored.arrow").to_dicts() == expected
    assert outcome.data["rows"] == {"in": 6, "out": 6, "rejected": 0}


def test_several_inputs_go_into_one_output_in_order(batch: Batch) -> None:
    """With -o inputs follow each other as they were named, whatever the order of their columns and their format."""
    put("b.csv", text="my age,income,city\n1,1,Porto\nx,1,Porto\n2,2,Porto\n")
    put("a.csv", text="city,my age,income\nLisboa,3,3\n")
    Path("c.ndjson").write_text('{"income": 4, "city": "Porto", "my age": 4}\n')
    outcome = batch("b.csv", "a.csv", "c.ndjson", "-o", "out.csv", "--row-numbers", "--chunk-size", "1", "--json")
    assert outcome.code == 0, outcome.stderr
    assert [(row["file"], row["row"], row["my age"], row["city"], row["income"]) for row in rows("out.csv")] == [
        ("b.csv", "1", "1", "Porto", "1"),
        ("b.csv", "3", "2", "Porto", "2"),
        ("a.csv", "1", "3", "Lisboa", "3"),
        ("c.ndjson", "1", "4", "Porto", "4"),
    ]
    (line,) = Path("out.rejects.ndjson").read_text().splitlines()
    assert (json.loads(line)["file"], json.loads(line)["row"]) == ("b.csv", 2)
    assert [(one["path"], one["rows"]) for one in outcome.data["inputs"]] == [
        ("b.csv", 3),
        ("a.csv", 1),
        ("c.ndjson", 1),
    ]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param("my age,income\n1,2\n", "lacks 'city'", id="a column less"),
        pytest.param("my age,income,city,id\n1,2,Porto,7\n", "has 'id' besides", id="a column more"),
    ],
)
def test_other_columns_are_refused_with_both_names(batch: Batch, other: str, said: str) -> None:
    """Inputs of one output have the same columns; the two files and the columns are told, and nothing is written."""
    put("a.csv")
    put("b.csv", text=other)
    outcome = batch("a.csv", "b.csv", "-o", "out.csv", "--json")
    assert outcome.code == 3
    assert outcome.data["error"]["code"] == "other_columns"
    assert "'b.csv' has other columns than 'a.csv', before it: it " + said in outcome.stderr
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("bad", [HEADER + 'a,"b\n', "", "age\n1\n", HEADER + "x,1,Porto\n" * 12])
def test_one_bad_file_among_several_harms_no_other(batch: Batch, bad: str) -> None:
    """Without -o the other files are scored; the bad one is told and makes the exit code."""
    put("a.csv", "c.csv", "d.csv")
    put("b.csv", text=bad)
    outcome = batch("a.csv", "b.csv", "c.csv", "--json")
    assert outcome.code == 3
    assert "'b.csv'" in outcome.data["error"]["message"]
    assert outcome.data["outputs"] == ["a.scored.csv", "c.scored.csv"]
    assert Path("a.scored.csv").exists()
    assert Path("c.scored.csv").exists()
    assert not Path("b.scored.csv").exists()
    put("b.csv")
    outcome = batch("a.csv", "b.csv", "c.csv")
    assert outcome.code == 0
    assert outcome.stderr.count("was scored before and is unchanged") == 2


def test_folders_that_say_columns(batch: Batch) -> None:
    """In a tree of folders such as city=Porto these are columns, for the model and to keep, also by a pattern."""
    text = "my age,income\n1,2\n"
    put("t/city=Porto/day=2026-01-02/a.csv", "t/city=Lisboa/day=__HIVE_DEFAULT_PARTITION__/b.csv", text=text)
    for given in ("t", "t/*/*/*.csv", "t/city=*"):
        outcome = batch(given, "-o", "out.csv", "--restart")
        assert outcome.code == 0, outcome.stderr
        assert rows("out.csv") == [
            {"my age": "1", "income": "2", "city": "Lisboa", "day": "", "prediction": "no", "score": "-0.5"},
            {"my age": "1", "income": "2", "city": "Porto", "day": "2026-01-02", "prediction": "yes", "score": "0.5"},
        ]


def test_a_name_that_begins_with_a_dash(batch: Batch) -> None:
    """After -- a name that looks like an option is a name."""
    put("-x.csv")
    outcome = batch("--json", "--", "-x.csv")
    assert outcome.code == 0, outcome.stderr
    assert outcome.data["outputs"] == ["-x.scored.csv"]
