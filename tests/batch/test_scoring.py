"""Rows are scored with the right values, from and to every format, whatever the chunks."""

from __future__ import annotations

import csv
import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlship.files import file_digest
from mlship.model.session import SessionSpec, open_session
from tests.batch.conftest import Batch
from tests.batch.models import CITIES, echo_model, expected_label, expected_score, foreign_model

ROOT = Path(__file__).resolve().parents[2]
HEADER = "id,my age,income,city,note\n"


def town_rows(count: int) -> list[tuple[str, float, float | None, str, str]]:
    """Return rows that the town model accepts, some with a missing income."""
    cities = list(CITIES)
    return [
        (f"{row:05d}", row / 7, None if row % 5 == 0 else row * 1.25, cities[row % 2], f"n{row},x" if row % 3 else "")
        for row in range(count)
    ]


def put_csv(path: Path, rows: list[tuple[str, float, float | None, str, str]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        stream.write(HEADER)
        csv.writer(stream, lineterminator="\n").writerows(rows)
    return path


def put_parquet(path: Path, rows: list[tuple[str, float, float | None, str, str]]) -> Path:
    """Write rows as Parquet with types."""
    pl.DataFrame(rows, schema=HEADER.strip().split(","), orient="row").write_parquet(path)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read CSV as dictionaries of texts."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


PUT = {"csv": put_csv, "parquet": put_parquet}


@pytest.mark.lowest
@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_every_row_is_scored(batch: Batch, folder: Path, source: str, target: str) -> None:
    """Each row has the model's own answer, bit for bit, after its kept columns, in the input's order."""
    rows = town_rows(300)
    PUT[source](folder / f"in.{source}", rows)
    outcome = batch(f"in.{source}", "-o", f"out.{target}", "--keep", "note,id", "--chunk-size", "2000", "--json")
    assert outcome.code == 0, outcome.stderr
    if target == "csv":
        assert (folder / "out.csv").read_text().startswith("id,note,prediction,score\n")
        found: list[dict[str, Any]] = list(read_csv(folder / "out.csv"))
    else:
        found = pl.read_parquet(folder / "out.parquet").to_dicts()
        assert list(found[0]) == ["id", "note", "prediction", "score"]
    assert len(found) == 300
    for row, (id_, age, income, city, note) in zip(found, rows, strict=True):
        score = expected_score(age, math.nan if income is None else income, city)
        assert (row["id"], row["note"] or "", row["prediction"]) == (id_, note, expected_label(score))
        assert float(row["score"]).hex() == score.hex()
    told = ("predictions", "drift", "inputs", "stages", "peak_memory_bytes", "digests", "gates")
    assert {key: value for key, value in outcome.data.items() if key not in told} == {
        "status": "done",
        "exit_code": 0,
        "model": {"name": "town", "version": "v1", "digest": outcome.data["model"]["digest"]},
        "rows": {"in": 300, "out": 300, "rejected": 0},
        "rejects": {},
        "outputs": [f"out.{target}"],
        "rejects_file": None,
        "seconds": outcome.data["seconds"],
        "error": None,
    }
    assert set(told) < set(outcome.data)
    assert outcome.data["digests"] == {f"out.{target}": file_digest(folder / f"out.{target}")}


@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_bytes_do_not_depend_on_chunks(batch: Batch, folder: Path, source: str, target: str) -> None:
    """From one row a chunk to one chunk for all, output and rejects file are the same bytes."""
    rows = town_rows(120)
    rows[17] = ("00017", 1.0, 1.0, "Paris", 'say "hi"')
    rows[80] = ("00080", 1.0, 1.0, "Paris", "two\nlines")
    PUT[source](folder / f"in.{source}", rows)
    contents = set()
    for size in ("1", "77", "1KB", "3KiB", "1MiB"):
        assert batch(f"in.{source}", "--format", target, "--chunk-size", size, "-q").code == 0
        output = folder / f"in.scored.{target}"
        contents.add((output.read_bytes(), (folder / "in.scored.rejects.ndjson").read_bytes()))
    assert len(contents) == 1


def test_kept_texts_are_unchanged(batch: Batch, folder: Path) -> None:
    """From CSV to CSV kept texts stay as they are, quotes only where needed, NaN is written NaN, lines end in LF."""
    (folder / "in.csv").write_bytes(
        b'\xef\xbb\xbfid,my age,income,city,note\r\n007,1.50,,Porto,"plain"\r\n"a,b", 2 ,1e0,Lisboa,NA\r\n'
        b'\xc3\xa9,+3.0,NULL,"Porto","say ""hi"""'
    )
    assert batch("in.csv").code == 0
    assert (folder / "in.scored.csv").read_bytes().decode() == (
        "id,my age,income,city,note,prediction,score\n"
        "007,1.50,,Porto,plain,no,NaN\n"
        '"a,b", 2 ,1e0,Lisboa,NA,yes,2.5\n'
        'é,+3.0,NULL,Porto,"say ""hi""",no,NaN\n'
    )


def test_columns_are_found_by_name(batch: Batch, folder: Path) -> None:
    """The order of columns does not matter, and others are ignored by the model."""
    (folder / "in.csv").write_text("city,extra,income,my age\nPorto,x,1,2\n")
    assert batch("in.csv", "--keep", "none").code == 0
    assert (folder / "in.scored.csv").read_text() == "prediction,score\nyes,3.5\n"


def test_null_adds_a_text_that_means_null(batch: Batch, folder: Path) -> None:
    """With --null a text means null everywhere, also one that looks like a number."""
    (folder / "in.csv").write_text("my age,income,city\n1,-999,Porto\n2,missing,Porto\n3,-999.0,Porto\n")
    outcome = batch("in.csv", "--keep", "none", "--null", "-999", "--null", "missing")
    assert outcome.code == 0, outcome.stderr
    assert (folder / "in.scored.csv").read_text() == "prediction,score\nno,NaN\nno,NaN\nyes,1005.5\n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_a_header_alone_gives_a_typed_output(batch: Batch, folder: Path, suffix: str, target: str) -> None:
    """No rows are nothing to do: exit 0 and an output with all columns."""
    if suffix == "csv":
        put_csv(folder / "in.csv", [])
    else:
        pl.read_parquet(put_parquet(folder / "some.parquet", town_rows(1))).clear().write_parquet("in.parquet")
    outcome = batch(f"in.{suffix}", "--keep", "id", "--format", target, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.data["rows"] == {"in": 0, "out": 0, "rejected": 0}
    if target == "csv":
        assert (folder / "in.scored.csv").read_text() == "id,prediction,score\n"
    else:
        assert pl.read_parquet_schema(folder / "in.scored.parquet") == {
            "id": pl.String, "prediction": pl.String, "score": pl.Float64,
        }  # fmt: skip


def test_foreign_models_score_and_say_that_they_are_unproven(batch: Batch, folder: Path) -> None:
    """An ONNX file of others works, with all its outputs and one warning."""
    (folder / "town.onnx").unlink()
    (folder / "other.onnx").write_bytes(foreign_model())
    (folder / "in.csv").write_text("x_0,x_1\n1,2\n-1,0\n0.5,NA\n")
    outcome = batch("in.csv", "--keep", "none")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.count("warning") == 1
    assert "'other.onnx' carries no proof" in outcome.stderr
    assert (folder / "in.scored.csv").read_text() == "above,index,y\ntrue,1,2.0\nfalse,0,-1.0\nfalse,0,NaN\n"
    assert batch("in.csv", "--keep", "none", "-o", "o.parquet", "-q").stderr == ""
    assert pl.read_parquet_schema(folder / "o.parquet") == {"above": pl.Boolean, "index": pl.Int64, "y": pl.Float64}


def test_one_column_of_text(batch: Batch, folder: Path) -> None:
    """In a file of one column an empty line is a row, so that nothing shifts against the input."""
    (folder / "echo.onnx").write_bytes(echo_model())
    (folder / "in.csv").write_bytes(b'text\nfirst\n\n"two\nlines"\nNA\na\0b\n')
    outcome = batch("in.csv", "-m", "echo.onnx", "--keep", "none", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.data["rows"] == {"in": 5, "out": 4, "rejected": 1}
    assert (folder / "in.scored.csv").read_bytes() == b'prediction\nfirst\n""\n"two\nlines"\na\0b\n'


def test_batch_answers_as_the_session_does(batch: Batch, folder: Path) -> None:
    """What batch writes is what `predict` returns for the same columns, bit for bit."""
    rows = town_rows(1000)
    put_csv(folder / "in.csv", rows)
    assert batch("in.csv", "-o", "out.parquet", "--chunk-size", "3333", "--keep", "none").code == 0
    columns = {
        "my age": np.array([row[1] for row in rows]),
        "income": np.array([math.nan if row[2] is None else row[2] for row in rows]),
        "city": np.array([row[3] for row in rows], dtype=object),
    }
    answers = open_session(SessionSpec(folder / "town.onnx")).predict(columns)
    found = pl.read_parquet(folder / "out.parquet")
    assert found["score"].to_numpy().tobytes() == answers["score"].tobytes()
    assert found["prediction"].to_list() == answers["prediction"].tolist()


REJECTED = (
    "my age,income,city,id\n"
    "1,1,Porto,ok\n"
    "x1x,1,Porto,letters\n"
    ",1,Porto,null where none may be\n"
    "1,1,Paris,unknown\n"
    "inf,zwei,Lisboa,two reasons\n"
    "1,1,Porto\n"
    "1,1,Porto,a,b\n"
    "1,1,Porto,\xff\n"
    "2,,Lisboa,ok\n"
)


def test_rejected_rows_are_listed_with_their_reasons(batch: Batch, folder: Path) -> None:
    """Rows that cannot be scored are in the rejects file with row, byte, columns and codes, and nowhere else."""
    data = REJECTED.encode("latin-1")
    (folder / "in.csv").write_bytes(data)
    outcome = batch("in.csv", "--json", "--max-rejects", "7")
    assert outcome.code == 0, outcome.stderr
    assert outcome.data["rows"] == {"in": 9, "out": 2, "rejected": 7}
    assert outcome.data["rejects"] == {
        "bad_encoding": 1,
        "not_a_number": 2,
        "not_finite": 1,
        "null_not_allowed": 1,
        "unknown_category": 1,
        "wrong_field_count": 2,
    }
    assert outcome.data["rejects_file"] == "in.scored.rejects.ndjson"
    path = folder / "in.scored.rejects.ndjson"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == ord("\n"))]
    expected: dict[int, list[tuple[str | None, str]]] = {
        2: [("my age", "not_a_number")],
        3: [("my age", "null_not_allowed")],
        4: [("city", "unknown_category")],
        5: [("my age", "not_finite"), ("income", "not_a_number")],
        6: [(None, "wrong_field_count")],
        7: [(None, "wrong_field_count")],
        8: [(None, "bad_encoding")],
    }
    assert lines == [
        {"file": "in.csv", "row": row, "byte": starts[row], "errors": [{"column": c, "code": e} for c, e in errors]}
        for row, errors in expected.items()
    ]
    assert [row["id"] for row in read_csv(folder / "in.scored.csv")] == ["ok", "ok"]
    assert "x1x" not in path.read_text() + outcome.stderr
    assert "Paris" not in path.read_text() + outcome.stderr
    assert "7 rejected (1 bad_encoding, 2 not_a_number, 1 not_finite, " in outcome.stderr
    assert "see 'in.scored.rejects.ndjson'" in outcome.stderr


def test_rejected_rows_of_a_typed_table_have_no_byte(batch: Batch, folder: Path) -> None:
    """Rows of Parquet are named by their number alone."""
    frame = pl.DataFrame({"my age": [1.0, None, 2.0], "income": [1, 2, 3], "city": ["Porto", "Porto", "Paris"]})
    frame.write_parquet(folder / "in.parquet")
    outcome = batch("in.parquet")
    assert outcome.code == 0, outcome.stderr
    lines = (folder / "in.scored.rejects.ndjson").read_text().splitlines()
    assert [(json.loads(line)["row"], json.loads(line)["byte"]) for line in lines] == [(2, None), (3, None)]
    assert pl.read_parquet(folder / "in.scored.parquet")["score"].to_list() == [1.5]


@pytest.mark.parametrize("source", ["csv", pytest.param("parquet", marks=pytest.mark.whole)])
def test_a_hundred_thousand_columns(folder: Path, source: str) -> None:
    """A table so wide is scored with all columns kept, in time and memory that do not grow with their square."""
    columns = [f"c{place}" for place in range(100_000)]
    row = ["1", "2", "Porto", *(str(place) for place in range(len(columns)))]
    header = ["my age", "income", "city", *columns]
    (folder / "in.csv").write_text(",".join(header) + "\n" + 3 * (",".join(row) + "\n"))
    if source == "parquet":
        pl.read_csv(folder / "in.csv", infer_schema=False).write_parquet(folder / "in.parquet")
    command = [sys.executable, "-m", "mlship", "batch", f"in.{source}", "-o", "out.csv", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    limit = 30 if source == "csv" else 120  # seconds, ten times what it takes
    done = subprocess.run(command, cwd=folder, env=environment, check=True, timeout=limit, capture_output=True)
    with (folder / "out.csv").open() as stream:
        assert next(stream) == ",".join([*header, "prediction", "score"]) + "\n"
        assert all(line.startswith(",".join(row) + ",") for line in stream)
    assert json.loads(done.stdout)["peak_memory_bytes"] < 1_500_000_000
