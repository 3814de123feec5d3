"""The options of reading and writing do what they say; those that contradict each other are refused."""

from __future__ import annotations

import fcntl
import io
import json
import os
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.batch.conftest import Batch, Outcome
from tests.batch.models import echo_model

ROOT = Path(__file__).resolve().parents[2]
HEADER = "my age,income,city\n"
GOOD = HEADER + "1,2,Porto\n3,4,Lisboa\n"
SCORED = "prediction,score\nyes,0.5\nyes,1.5\n"


def put(text: str | bytes, name: str = "in.csv") -> None:
    """Write a file."""
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param(GOOD.replace("income", "salary"), ["--rename", "income=salary"], id="rename"),
        pytest.param(
            "age,salary,my age\n1,2,Porto\n3,4,Lisboa\n",
            ["--rename", "income=salary", "--rename", "my age=age", "--rename", "city=my age"],
            id="names that go round",
        ),
        pytest.param(GOOD.replace("income", "a=b"), ["--rename", "income=a=b"], id="an equals sign in a name"),
        pytest.param(GOOD.replace(",", ";"), [], id="semicolons found"),
        pytest.param(GOOD.replace(",", "\t"), [], id="tabs found"),
        pytest.param(GOOD.replace(",", "|"), [], id="bars found"),
        pytest.param(GOOD.replace(",", ":"), ["--delimiter", ":"], id="delimiter told"),
        pytest.param(GOOD.replace(",", "\t"), ["--delimiter", "tab"], id="tab told"),
        pytest.param(GOOD.replace("Porto", "'Porto'"), ["--quote", "'"], id="quote told"),
        pytest.param("my age;income;city\n1,0;2,0;Porto\n3,0;4,0;Lisboa\n", [], id="decimal commas found"),
        pytest.param(
            'my age,income,city\n"1,0",2,Porto\n3,"4,0",Lisboa\n', ["--decimal-comma"], id="decimal commas told"
        ),
        pytest.param(GOOD.encode("utf-16"), [], id="UTF-16 found"),
        pytest.param(GOOD.encode("utf-16-le"), ["--encoding", "utf-16-le"], id="UTF-16 told"),
        pytest.param(GOOD.removeprefix(HEADER), ["--no-header"], id="no header"),
        pytest.param(GOOD.removeprefix(HEADER).replace(",", ";"), ["--no-header"], id="no header and semicolons"),
        pytest.param(GOOD.replace("\n", "\r\n"), [], id="CRLF"),
    ],
)
def test_what_is_said_or_found_of_a_file(batch: Batch, text: str | bytes, options: list[str]) -> None:
    """However the file is written, its rows get the same scores."""
    put(text)
    outcome = batch("in.csv", "--keep", "none", "--max-rejects", "0", *options)
    assert outcome.code == 0, outcome.stderr
    assert Path("in.scored.csv").read_text() == SCORED


def test_thousands_are_not_taken_for_decimals(batch: Batch) -> None:
    """Where all commas may stand between thousands their meaning is not guessed: such rows are refused until told."""
    put("my age;income;city\n1;1,500;Porto\n3;12,000;Lisboa\n")
    outcome = batch("in.csv", "--max-rejects", "0")
    assert outcome.code == 3
    assert "column 'income': not_a_number" in outcome.stderr
    assert batch("in.csv", "--max-rejects", "0", "--decimal-comma").code == 0


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252"])
def test_texts_in_other_encodings_come_out_in_utf8(batch: Batch, encoding: str) -> None:
    """Kept texts are the same texts, in UTF-8; without the option such a file's rows are refused."""
    put((HEADER.strip() + ",note\n1,2,Porto,São\n").encode(encoding))
    assert batch("in.csv", "--max-rejects", "0").code == 3
    outcome = batch("in.csv", "--encoding", encoding, "--keep", "note")
    assert outcome.code == 0, outcome.stderr
    assert Path("in.scored.csv").read_text(encoding="utf-8") == "note,prediction,score\nSão,yes,0.5\n"


def test_quotes_can_be_texts(batch: Batch, folder: Path) -> None:
    """With --quote none a quote is a text like any other."""
    (folder / "echo.onnx").write_bytes(echo_model())
    put('id,text\n1,"a\n2,5" pipe\n')
    outcome = batch("in.csv", "-m", "echo.onnx", "--quote", "none", "--keep", "id", "--format", "ndjson")
    assert outcome.code == 0, outcome.stderr
    lines = [json.loads(line) for line in Path("in.scored.ndjson").read_text().splitlines()]
    assert [line["prediction"] for line in lines] == ['"a', '5" pipe']


def test_kept_columns(batch: Batch) -> None:
    """--keep takes columns in the input's order, also those with a comma in their names."""
    put('my age,"a,b",income,city\n1,x,2,Porto\n')
    for keep, header in (
        ("all", 'my age,"a,b",income,city,prediction,score'),
        ("none", "prediction,score"),
        ('city,"a,b"', '"a,b",city,prediction,score'),
    ):
        assert batch("in.csv", "--keep", keep).code == 0
        assert Path("in.scored.csv").read_text().splitlines()[0] == header


def test_kept_columns_have_the_names_of_the_input(batch: Batch) -> None:
    """A renamed column is kept by the name that the input has for it."""
    put(GOOD.replace("income", "salary"))
    assert batch("in.csv", "--rename", "income=salary", "--keep", "salary").code == 0
    assert Path("in.scored.csv").read_text().startswith("salary,prediction,score\n2,yes,0.5\n")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("workers", ["1", "3"])
def test_row_numbers_are_those_of_the_file(batch: Batch, suffix: str, workers: str) -> None:
    """Rows keep their numbers where some are rejected, whatever the chunks, and in the rejects file too."""
    put(HEADER + "".join(f"{'x' if row % 4 == 2 else row},1,Porto\n" for row in range(20)))
    outcome = batch(
        "in.csv", "--row-numbers", "--keep", "my age", "--chunk-size", "30", "--workers", workers, "--format", suffix
    )
    assert outcome.code == 0, outcome.stderr
    path = Path(f"in.scored.{suffix}")
    found = pl.read_csv(path) if suffix == "csv" else pl.read_parquet(path)
    assert found.columns[:2] == ["my age", "row"] or found.columns[:2] == ["row", "my age"]
    assert found["row"].to_list() == [row + 1 for row in range(20) if row % 4 != 2]
    listed = [json.loads(line)["row"] for line in Path("in.scored.rejects.ndjson").read_text().splitlines()]
    assert listed == [row + 1 for row in range(20) if row % 4 == 2]


def test_null_may_look_like_a_number(batch: Batch) -> None:
    """A text told to mean null is null as it is written, and as no other text of the same number."""
    put(HEADER + "1,-999,Porto\n2,-999.0,Porto\n")
    assert batch("in.csv", "--null", "-999", "--keep", "none").code == 0
    assert Path("in.scored.csv").read_text() == "prediction,score\nno,NaN\nyes,1003.5\n"


@pytest.mark.parametrize(
    ("output", "options", "format"),
    [
        ("out.tsv", [], "tsv"),
        ("out.csv.gz", [], "csv.gz"),
        ("out.csv.zst", [], "csv.zst"),
        ("out.dat", ["--format", "ndjson"], "ndjson"),
        ("out.arrow", [], "ipc"),
        ("out.ndjson.gz", [], "ndjson.gz"),
        ("out.parquet", ["--format", "parquet"], "parquet"),
    ],
)
def test_the_outputs_format(batch: Batch, output: str, options: list[str], format: str) -> None:  # noqa: A002
    """--format says it, else the output's name does."""
    put(GOOD)
    outcome = batch("in.csv", "-o", output, "--keep", "none", *options)
    assert outcome.code == 0, outcome.stderr
    data = Path(output).read_bytes()
    starts = {
        "tsv": b"prediction\tscore\n",
        "csv.gz": b"\x1f\x8b",
        "ndjson.gz": b"\x1f\x8b",
        "csv.zst": b"\x28\xb5\x2f\xfd",
        "ndjson": b'{"prediction":"yes","score":0.5}\n',
        "ipc": b"ARROW1",
        "parquet": b"PAR1",
    }
    assert data.startswith(starts[format])


BROKEN = HEADER + '1,2,Porto\nx,2,Porto\n3,4\n"5",6,"Pa""ris"\n'


def test_rejects_with_records(batch: Batch) -> None:
    """--rejects FILE tells each refused row as it stands in the file, for its owner's eyes; else no value is told."""
    put(BROKEN)
    outcome = batch("in.csv", "--rejects", "bad.ndjson", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.data["rejects_file"] == "bad.ndjson"
    lines = [json.loads(line) for line in Path("bad.ndjson").read_text().splitlines()]
    assert [line["record"] for line in lines] == ["x,2,Porto", "3,4", '"5",6,"Pa""ris"']
    assert [line["row"] for line in lines] == [2, 3, 4]
    assert stat.S_IMODE(Path("bad.ndjson").stat().st_mode) == 0o600
    assert not Path("in.scored.rejects.ndjson").exists()
    assert batch("in.csv").code == 0
    assert "record" not in json.loads(Path("in.scored.rejects.ndjson").read_text().splitlines()[0])


def test_records_of_typed_rows(batch: Batch) -> None:
    """Rows of Parquet are told as JSON objects of their values."""
    frame = pl.DataFrame({"my age": [1.0, None], "income": [2.0, 3.0], "city": ["Porto", "Porto"]})
    frame.write_parquet("in.parquet")
    assert batch("in.parquet", "--rejects", "bad.ndjson").code == 0
    (line,) = Path("bad.ndjson").read_text().splitlines()
    assert json.loads(line)["record"] == {"my age": None, "income": 3.0, "city": "Porto"}


Piped = Callable[..., Outcome]


@pytest.fixture
def piped(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Piped:
    """Runs `mlship batch` with a text on standard input."""

    def call(data: str, *arguments: str) -> Outcome:
        with io.TextIOWrapper(io.BytesIO(data.encode())) as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            return batch(*arguments)

    return call


def test_what_came_by_a_pipe_is_scored_each_time(piped: Piped) -> None:
    """Nobody can tell whether a pipe gives what it gave before, so that nothing is taken for done or gone on with."""
    assert piped(GOOD, "-", "-o", "out.csv", "--keep", "none").code == 0
    assert Path("out.csv").read_text() == SCORED
    outcome = piped(GOOD + "5,6,Porto\n", "-", "-o", "out.csv", "--keep", "none")
    assert outcome.code == 0, outcome.stderr
    assert Path("out.csv").read_text() == SCORED + "yes,4.5\n"


def test_an_unfinished_run_of_a_pipe_begins_anew(piped: Piped) -> None:
    """What a pipe gave before it was stopped is not taken up, since it cannot be passed over in the next one."""
    bad = HEADER + "1,2,Porto\n" * 3 + "x,2,Porto\n" + "3,4,Porto\n" * 3
    options = ("-", "-o", "out.csv", "--keep", "none", "--chunk-size", "10")
    assert piped(bad, *options, "--max-rejects", "0").code == 3
    outcome = piped(GOOD, *options)
    assert outcome.code == 0, outcome.stderr
    assert Path("out.csv").read_text() == SCORED


def test_ndjson_by_a_pipe(piped: Piped) -> None:
    """With --format ndjson standard input is NDJSON, and so is the output unless its name tells otherwise."""
    line = '{"my age": 1, "income": 2, "city": "Porto"}\n'
    outcome = piped(line, "-", "-o", "out.ndjson", "--format", "ndjson", "--keep", "none")
    assert outcome.code == 0, outcome.stderr
    assert Path("out.ndjson").read_text() == '{"prediction":"yes","score":0.5}\n'


def pipe(data: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own between two pipes."""
    command = [sys.executable, "-m", "mlship", "batch", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, input=data, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.usefixtures("folder")
def test_from_pipe_to_pipe() -> None:
    """`mlship batch - -o -` writes nothing but the scored rows to standard output, and leaves no file."""
    before = set(Path().iterdir())
    done = pipe(GOOD, "-", "-o", "-", "--keep", "none")
    assert (done.returncode, done.stdout) == (0, SCORED), done.stderr
    assert set(Path().iterdir()) == before


def unread(pipe: int) -> int:
    """Return how many bytes wait in a pipe."""
    count = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


@pytest.mark.parametrize("format", ["csv", "ndjson"])
@pytest.mark.usefixtures("folder")
def test_a_pipe_that_does_not_wait(format: str) -> None:  # noqa: A002
    """A pipe that was told not to wait for its writer, as Node.js leaves them, ends only where its writer ends it."""
    row = '{"my age": 1, "income": 2, "city": "Porto"}\n' if format == "ndjson" else "1,2,Porto\n"
    first = ("" if format == "ndjson" else HEADER) + row
    command = [sys.executable, "-m", "mlship", "batch", "-", "-o", f"out.{format}", "--format", format, "--json"]
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(
        command, stdin=reading, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True
    ) as process:
        os.write(writing, first.encode())
        while unread(reading) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.2)  # in which it would take the silence for the end
        os.close(reading)
        with os.fdopen(writing, "w") as stream:
            stream.write(3 * row)
        told = json.loads(process.communicate(timeout=60)[0])
    assert (process.returncode, told["rows"]["in"], told["rows"]["out"]) == (0, 4, 4)


@pytest.mark.parametrize(
    ("options", "code", "rejects"),
    [
        pytest.param([], 3, False, id="a rejected row would be told nowhere"),
        pytest.param(["--max-rejects", "5"], 0, False, id="a limit"),
        pytest.param(["--rejects", "bad.ndjson"], 0, True, id="a file for them"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_rejects_of_a_pipe(options: list[str], code: int, rejects: bool) -> None:
    """Without a place for rejected rows or a limit none is allowed on standard output."""
    done = pipe(BROKEN, "-", "-o", "-", "--keep", "none", *options)
    assert done.returncode == code, done.stderr
    assert Path("bad.ndjson").exists() is rejects
    assert "3 rejected" in done.stderr or "3 of the 4 rows read were rejected" in done.stderr
    if code == 0:
        assert done.stdout == "prediction,score\nyes,0.5\n"


CONTRADICTIONS: list[Any] = [
    pytest.param(["-", "in.csv"], "stands alone", id="standard input among others"),
    pytest.param(["-"], "so that the output needs a name", id="standard input without an output"),
    pytest.param(["-", "-o", "o.csv", "--format", "ipc"], "Standard input cannot be ipc", id="Arrow by a pipe"),
    pytest.param(["in.csv", "-o", "-", "--format", "parquet"], "Standard output cannot be parquet", id="Parquet out"),
    pytest.param(["in.csv", "-o", "-", "--json"], "both write to standard output", id="two things on standard output"),
    pytest.param(["-", "-o", "o.csv", "--schedule", "0 2 * * *"], "can be read once", id="a pipe on schedule"),
    pytest.param(["in.csv", "a.csv", "--rejects", "r.ndjson"], "--rejects is one file", id="rejects of several"),
    pytest.param(["in.csv", "--rejects", "in.csv", "--overwrite"], "is the input", id="rejects over the input"),
    pytest.param(["in.csv", "--rejects", "town.onnx", "--overwrite"], "is the model", id="rejects over the model"),
    pytest.param(["in.csv", "-o", "o.csv", "--rejects", "./o.csv"], "are both", id="rejects over the output"),
    pytest.param([""], "name is empty", id="a variable that is not set"),
    pytest.param(["in.csv", "--rename", "x"], "MODEL_COLUMN=INPUT_COLUMN was expected", id="rename without a sign"),
    pytest.param(["in.csv", "--rename", "incme=x"], "--rename 'income=x'", id="rename of no column"),
    pytest.param(["in.csv", "--rename", "income=city"], "Two columns of the model", id="two columns from one"),
    pytest.param(["in.csv", "--rename", "city=a", "--rename", "city=b"], "twice", id="one column from two"),
    pytest.param(["in.csv", "--delimiter", ";;"], "one ASCII character", id="a delimiter of two"),
    pytest.param(["in.csv", "--delimiter", "é"], "one ASCII character", id="a delimiter past ASCII"),
    pytest.param(["in.csv", "--quote", "\n"], "one ASCII character", id="a line feed for a quote"),
    pytest.param(["in.csv", "--delimiter", '"'], "are both", id="delimiter and quote alike"),
    pytest.param(["in.csv", "--delimiter", ";", "--quote", ";"], "are both", id="delimiter and quote told alike"),
    pytest.param(["in.csv", "--encoding", "utf-9"], "There is no encoding 'utf-9'", id="no encoding"),
    pytest.param(["in.csv", "--encoding", "base64"], "There is no encoding 'base64'", id="no encoding of texts"),
    pytest.param(["in.parquet", "--delimiter", ";"], "--delimiter tells how CSV is written", id="delimiter of Parquet"),
    pytest.param(["in.parquet", "--no-header"], "--no-header tells how CSV is written", id="header of Parquet"),
    pytest.param(["in.parquet", "--encoding", "latin-1"], "--encoding tells", id="encoding of Parquet"),
    pytest.param(["in.csv", "--max-changed", "1%"], "--compare OTHER.onnx", id="changed without another model"),
    pytest.param(["in.csv", "--timezone", "UTC"], "--timezone belongs to", id="timezone of nothing"),
    pytest.param(["in.csv", "--shard", "0/2"], "shards write parts of a folder", id="shard into a file"),
    pytest.param(["in.csv", "--shard", "2/2", "-o", "o/"], "I from 0 to N-1", id="shard past the last"),
    pytest.param(["in.csv", "--row-numbers", "--rename", "income=row", "--keep", "row"], "column 'row'", id="row"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), CONTRADICTIONS)
def test_contradictions_are_refused(piped: Piped, folder: Path, arguments: list[str], said: str) -> None:
    """What cannot be meant is exit 2 with one thing to type, and nothing is written."""
    put(GOOD.replace("income", "row") if arguments[-1] == "row" else GOOD)
    put(GOOD, "a.csv")
    pl.DataFrame({"my age": [1.0], "income": [2.0], "city": ["Porto"]}).write_parquet("in.parquet")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    outcome = piped(GOOD, *arguments)
    assert outcome.code == 2, outcome.stderr
    assert said in outcome.stderr
    assert "hint: " in outcome.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
