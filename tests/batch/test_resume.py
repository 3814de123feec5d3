"""An unfinished run goes on where it stood, to the same bytes; nothing damaged or of another job gets in."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlship.batch.inputs import find_inputs
from mlship.batch.job import BatchJob, BatchReport
from mlship.batch.limit import parse_limit
from mlship.batch.prepare import prepare
from mlship.batch.run import run
from mlship.errors import Stopped
from mlship.model.session import Session, SessionSpec, open_session
from tests.batch.conftest import Batch
from tests.batch.models import town_model

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = ("out.csv", "out.csv.gz", "out.parquet", "out.ndjson", "out/")
SAMPLE = (("out.csv", 1), ("out.csv", 4), ("out.csv.gz", 2), ("out.parquet", 4), ("out.ndjson", 2), ("out/", 4))
Put = Callable[[Path, str], list[str]]
HEADER = "my age,income,city\n"


def town_csv(rows: int, bad_every: int = 7) -> str:
    """Return rows for the town model, every so many of which it refuses."""
    lines = (f"{row}.5,{row * 3},{'Paris' if row % bad_every == 3 else 'Porto'}\n" for row in range(rows))
    return HEADER + "".join(lines)


def content(output: Path) -> dict[str, bytes]:
    """Return the bytes of an output, file by file, and of its rejects."""
    files = [output] if output.is_file() else sorted(output.iterdir())
    rejects = output.with_name("out.rejects.ndjson")
    return {path.name: path.read_bytes() for path in (*files, rejects)}


def scored(folder: Path) -> tuple[bytes, bytes]:
    """Return the bytes of what was scored beside in.csv, and of its rejects."""
    return (folder / "in.scored.csv").read_bytes(), (folder / "in.scored.rejects.ndjson").read_bytes()


def remove(output: str) -> None:
    """Remove an output, a file or a folder."""
    (shutil.rmtree if Path(output).is_dir() else os.unlink)(output)


@dataclass
class Counted:
    """Counts the chunks scored by this process, and stops a run after some.

    Attributes:
        most: How many chunks may be scored.
        chunks: How many were.
        said: What the user was told.
    """

    most: int = 10**9
    chunks: int = 0
    said: list[str] = field(default_factory=list)

    def advance(self, *_: int) -> None:
        """Count a chunk."""
        self.chunks += 1

    def check(self) -> None:
        """Stop when enough were scored."""
        if self.chunks >= self.most:
            raise Stopped(signal.SIGTERM, "Stopped by SIGTERM; no output was written.")


@dataclass(frozen=True)
class Town:
    """A folder with rows for the town model, which is open."""

    folder: Path
    session: Session

    def run(self, output: str, counted: Counted, workers: int = 1, inputs: Sequence[str] = ("in.csv",)) -> BatchReport:
        """Score files in chunks of a few rows."""
        job = BatchJob(
            tuple(find_inputs(inputs, None)), output, chunk_size=64, workers=workers, limit=parse_limit("100%"),
            row_numbers=inputs != ("in.csv",),
        )  # fmt: skip
        setting = prepare(job, Path("town.onnx"), self.session, counted.said.append)
        return run(setting, counted.advance, (counted,))


@pytest.fixture
def town(folder: Path) -> Town:
    """Eighty rows, every seventh of which is refused."""
    (folder / "in.csv").write_text(town_csv(80))
    return Town(folder, open_session(SessionSpec(folder / "town.onnx", "bulk")))


@pytest.mark.parametrize(
    ("output", "workers"),
    [
        pytest.param(output, workers, marks=() if (output, workers) in SAMPLE else pytest.mark.whole)
        for output in OUTPUTS
        for workers in (1, 2, 4)
    ],
)
def test_a_stopped_run_goes_on_after_its_chunks(town: Town, output: str, workers: int) -> None:
    """Stopped after any number of chunks, a run scores only the others, to the bytes of an undisturbed one."""
    undisturbed = Counted()
    Path("undisturbed").mkdir()
    report = town.run(f"undisturbed/{output}", undisturbed)
    expected = content(Path("undisturbed") / output)
    total = undisturbed.chunks
    assert total > 10
    assert (report.tally.read, report.tally.rejected) == (80, 11)
    for most in (0, 1, total // 2, total - 1):
        stopped, rest = Counted(most), Counted()
        with pytest.raises(Stopped):
            town.run(output, stopped, workers)
        assert not Path(output).exists()
        went_on = town.run(output, rest, workers)
        assert stopped.chunks == most
        assert rest.chunks == total - most
        assert bool([text for text in rest.said if text.startswith("Going on after")]) is (most > 0)
        assert (went_on.tally, went_on.more["predictions"]) == (report.tally, report.more["predictions"])
        assert content(Path(output)) == expected
        remove(output)
        shutil.rmtree(f".{Path(output).name}.mlship")


def put_utf16(folder: Path, text: str) -> list[str]:
    """Write CSV in UTF-16, whose positions are not those of the text that is read."""
    (folder / "in16.csv").write_bytes(text.encode("utf-16"))
    return ["in16.csv"]


def put_packed(folder: Path, text: str) -> list[str]:
    """Write packed CSV."""
    (folder / "in.csv.gz").write_bytes(gzip.compress(text.encode()))
    return ["in.csv.gz"]


def put_lines(folder: Path, text: str) -> list[str]:
    """Write NDJSON."""
    pl.read_csv(io.StringIO(text)).write_ndjson(folder / "in.ndjson")
    return ["in.ndjson"]


def put_parquet(folder: Path, text: str) -> list[str]:
    """Write Parquet in row groups of ten."""
    pl.read_csv(io.StringIO(text)).write_parquet(folder / "in.parquet", row_group_size=10)
    return ["in.parquet"]


def put_tree(folder: Path, text: str) -> list[str]:
    """Write two files, the second one with its columns in another order, in folders that say a column."""
    for year, columns in ((2025, ["my age", "income", "city"]), (2026, ["city", "income", "my age"])):
        (folder / f"tree/year={year}").mkdir(parents=True)
        pl.read_csv(io.StringIO(text)).select(columns).write_csv(folder / f"tree/year={year}/in.csv")
    return ["tree"]


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.whole), 3])
@pytest.mark.parametrize("put", [put_utf16, put_packed, put_lines, put_parquet, put_tree])
def test_a_run_goes_on_in_inputs_of_every_kind(town: Town, put: Put, workers: int) -> None:
    """Wherever a run was stopped, the rest of its input is found again, and rows keep their numbers."""
    inputs = put(town.folder, town_csv(80))
    undisturbed = Counted()
    town.run("other.csv", undisturbed, inputs=inputs)
    for most in (1, undisturbed.chunks // 2, undisturbed.chunks - 1):
        with pytest.raises(Stopped):
            town.run("out.csv", Counted(most), workers, inputs)
        rest = Counted()
        town.run("out.csv", rest, workers, inputs)
        assert rest.chunks == undisturbed.chunks - most
        assert Path("out.csv").read_bytes() == Path("other.csv").read_bytes()
        assert Path("out.rejects.ndjson").read_bytes() == Path("other.rejects.ndjson").read_bytes()
        remove("out.csv")


def pieces_of(work: Path) -> list[Path]:
    """Return the files of a work folder that hold finished chunks."""
    return sorted(path for path in work.rglob("*") if path.is_file() and path.name != "lock" and path.stat().st_size)


@pytest.mark.parametrize("output", OUTPUTS)
def test_flipped_bits_in_finished_chunks_are_found(town: Town, output: str, whole: bool) -> None:
    """Whatever bit of the unfinished work changes, the output has the bytes of an undisturbed run."""
    dice = random.Random(output)  # noqa: S311 - the same every time
    town.run(output, Counted())
    expected = content(Path(output))
    remove(output)
    work = Path(f".{Path(output).name}.mlship")
    shutil.rmtree(work)
    with pytest.raises(Stopped):
        town.run(output, Counted(14))
    shutil.copytree(work, "kept")
    names = [path.relative_to("kept") for path in pieces_of(Path("kept"))]
    kinds = {name.suffix or name.name: name for name in names}
    if not whole:  # one of the parts will do
        names = list(kinds.values())
    for turn in range(40 if whole else 4):
        shutil.rmtree(work)
        shutil.copytree("kept", work)
        victim = work / names[turn % len(names)]
        data = bytearray(victim.read_bytes())
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        victim.write_bytes(data)
        rest = Counted()
        town.run(output, rest)
        assert content(Path(output)) == expected, victim
        assert rest.chunks > 0
        remove(output)


def test_bits_flipped_while_a_run_works_are_found_before_it_publishes(town: Town) -> None:
    """A chunk that changes on the disk after it was written fails the run, and the next one scores it again."""
    town.run("other.csv", Counted())
    part = Path(".out.csv.mlship/output.csv")

    class Spoils(Counted):
        def check(self) -> None:
            if self.chunks == 9:
                data = bytearray(part.read_bytes())
                data[len(data) // 2] ^= 4
                part.write_bytes(data)

    with pytest.raises(Exception, match=r"Chunk \d of 'out.csv' is not on the disk as it was written") as caught:
        town.run("out.csv", Spoils())
    assert getattr(caught.value, "exit_code", None) == 6
    assert not Path("out.csv").exists()
    rest = Counted()
    town.run("out.csv", rest)
    assert rest.chunks > 0
    assert Path("out.csv").read_bytes() == Path("other.csv").read_bytes()


def known(journal: Path) -> int:
    """Return how many chunks a journal tells of."""
    try:
        return max(0, journal.read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


# Rows, a chunk each, of runs that another process gets hold of: they have to last beyond a busy machine's pauses.
LASTING = 600
KILLED = [("out/", 4)]
KILLED_WHOLE = [
    ("out.csv.gz", 2),
    ("out.csv", 1),
    ("out.csv", 2),
    ("out.csv", 4),
    ("out.parquet", 4),
    ("out.ndjson", 2),
]


@pytest.mark.parametrize(
    ("output", "workers"), [*KILLED, *(pytest.param(*one, marks=pytest.mark.whole) for one in KILLED_WHOLE)]
)
def test_kill_at_any_moment_changes_no_byte(batch: Batch, folder: Path, output: str, workers: int) -> None:
    """After kill -9 at random moments the same command scores what is missing, and gives the undisturbed bytes."""
    dice = random.Random(f"{output}{workers}")  # noqa: S311 - the same every time
    (folder / "in.csv").write_text(town_csv(LASTING))
    options = ("in.csv", "--chunk-size", "1", "--max-rejects", "100%", "--workers", str(workers))
    journal = folder / f".{Path(output).name}.mlship" / "journal"
    done = 0
    for _ in range(2):
        command = [sys.executable, "-m", "mlship", "batch", *options, "-o", output]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL) as child:
            end = time.monotonic() + 60
            while known(journal) <= done + 5 and child.poll() is None and time.monotonic() < end:
                time.sleep(0.002)
            time.sleep(dice.random() * 0.05)
            child.kill()
        assert not Path(output).exists()
        assert known(journal) > done
        done = known(journal)
    outcome = batch(*options, "-o", output, "--json")
    assert outcome.code == 0, outcome.stderr
    assert f"Going on after {done:,} rows that an earlier run scored." in outcome.stderr
    assert outcome.data["rows"] == {"in": LASTING, "out": 514, "rejected": 86}
    Path("undisturbed").mkdir()
    assert batch(*options, "-o", f"undisturbed/{output}").code == 0
    assert content(Path(output)) == content(Path("undisturbed") / output)


@pytest.fixture
def unfinished(batch: Batch, folder: Path) -> Path:
    """A run that went past its limit of rejects in the middle; its scored chunks are kept."""
    path = folder / "in.csv"
    path.write_text(town_csv(40, bad_every=30))
    (folder / "other").mkdir()
    outcome = batch("in.csv", "--chunk-size", "40", "--max-rejects", "0", "--keep", "none")
    assert outcome.code == 3
    assert known(folder / ".in.scored.csv.mlship/journal") > 0
    return path


def another_model(path: Path) -> list[str]:
    """Give the model another version."""
    path.with_name("town.onnx").write_bytes(town_model("v2"))
    return ["another model"]


def another_input(path: Path) -> list[str]:
    """Write more rows."""
    with path.open("a") as stream:
        stream.write("1,1,Porto\n")
    return ["another input"]


def another_null(_path: Path) -> list[str]:
    """Take more texts for null."""
    return ["another options", "--null", "-"]


def another_chunk_size(_path: Path) -> list[str]:
    """Cut chunks otherwise."""
    return ["another options", "--chunk-size", "80"]


def the_same_size(path: Path) -> list[str]:
    """Change a digit of the first row."""
    path.write_text(path.read_text().replace("\n0.5", "\n9.5"))
    return ["an input changed since"]


def columns_swapped(path: Path) -> list[str]:
    """Change the header only, to the same length."""
    path.write_text(path.read_text().replace("my age,income", "income,my age"))
    return ["an input changed since"]


def told_to(_path: Path) -> list[str]:
    """Ask for a restart."""
    return ["it was told to", "--restart"]


@pytest.mark.parametrize(
    "change",
    [another_model, another_input, another_null, another_chunk_size, the_same_size, columns_swapped, told_to],
)
def test_another_job_drops_the_journal_and_says_so(batch: Batch, unfinished: Path, change: Any) -> None:
    """With another model, input or options nothing of the unfinished run gets into the output."""
    why, *options = change(unfinished)
    options = ["--chunk-size", "40", "--keep", "none", *options]
    outcome = batch("in.csv", *options)
    assert outcome.code == 0, outcome.stderr
    assert f"An unfinished run for 'in.scored.csv' was dropped: it was of {why}. Starting over." in outcome.stderr or (
        f"An unfinished run for 'in.scored.csv' was dropped: {why}. Starting over." in outcome.stderr
    )
    assert "Going on" not in outcome.stderr
    shutil.copy("in.csv", "other/in.csv")
    assert batch("other/in.csv", *options).code == 0
    assert Path("in.scored.csv").read_bytes() == Path("other/in.scored.csv").read_bytes()


def test_an_input_that_was_only_touched_goes_on(batch: Batch, unfinished: Path) -> None:
    """Another time of the same bytes drops nothing."""
    os.utime(unfinished, ns=(1, 1))
    outcome = batch("in.csv", "--chunk-size", "40", "--keep", "none")
    assert outcome.code == 0, outcome.stderr
    assert "Going on after" in outcome.stderr


def test_raising_the_limit_only_publishes(batch: Batch, folder: Path) -> None:
    """Past a percentage all chunks are scored and kept: with a higher limit they get their name, scored once."""
    (folder / "in.csv").write_text(town_csv(40))
    options = ("in.csv", "--chunk-size", "40", "--json")
    outcome = batch(*options, "--max-rejects", "1%")
    assert outcome.code == 3
    assert outcome.data["rows"] == {"in": 40, "out": 34, "rejected": 6}
    assert outcome.data["rejects_file"] == "in.scored.rejects.ndjson"
    assert not Path("in.scored.csv").exists()
    again = batch(*options, "--max-rejects", "5")
    assert again.code == 3
    outcome = batch(*options, "--max-rejects", "6")
    assert outcome.code == 0, outcome.stderr
    assert "Going on after 40 rows that an earlier run scored." in outcome.stderr
    assert outcome.data["stages"] == {}
    assert outcome.data["rows"] == {"in": 40, "out": 34, "rejected": 6}


def test_past_a_number_the_same_command_reads_nothing_more(batch: Batch, unfinished: Path) -> None:
    """A run past a limit given as a number does not creep on by a chunk each time it is started."""
    journal = unfinished.with_name(".in.scored.csv.mlship") / "journal"
    before = known(journal)
    outcome = batch("in.csv", "--chunk-size", "40", "--max-rejects", "0", "--keep", "none", "--json")
    assert outcome.code == 3
    assert outcome.data["rows"]["rejected"] == 1
    assert known(journal) == before


def test_a_finished_run_is_done_once(batch: Batch, folder: Path) -> None:
    """The same command again does nothing and says so, with the same facts; --restart does it again."""
    (folder / "in.csv").write_text(town_csv(40))
    first = batch("in.csv", "--json").data
    output = folder / "in.scored.csv"
    state = output.stat()
    outcome = batch("in.csv", "--json")
    assert outcome.code == 0
    assert "was scored before and is unchanged" in outcome.stderr
    changing = ("seconds", "peak_memory_bytes", "stages", "digests")
    assert {key: value for key, value in outcome.data.items() if key not in changing} == {
        key: value for key, value in first.items() if key not in changing
    }
    assert output.stat() == state
    assert batch("in.csv", "--restart").code == 0
    assert output.stat().st_mtime_ns != state.st_mtime_ns


@pytest.mark.parametrize("gone", ["in.scored.csv", "in.scored.rejects.ndjson"])
def test_what_is_gone_is_made_again(batch: Batch, folder: Path, gone: str) -> None:
    """A finished run whose output or rejects file was removed is done again."""
    (folder / "in.csv").write_text(town_csv(40))
    assert batch("in.csv").code == 0
    before = Path(gone).read_bytes()
    Path(gone).unlink()
    outcome = batch("in.csv")
    assert outcome.code == 0
    assert "was scored before" not in outcome.stderr
    assert Path(gone).read_bytes() == before


def test_a_finished_run_is_judged_by_the_limit_of_today(batch: Batch, folder: Path) -> None:
    """What was within the limit then and is past the one given now is exit 3; the output stays."""
    (folder / "in.csv").write_text(town_csv(40))
    assert batch("in.csv").code == 0
    before = scored(folder)
    outcome = batch("in.csv", "--max-rejects", "5", "--json")
    assert outcome.code == 3
    assert outcome.data["error"]["code"] == "too_many_rejects"
    assert "6 of the 40 rows read were rejected, more than the 5 allowed" in outcome.stderr
    assert scored(folder) == before
    assert batch("in.csv").code == 0


@pytest.mark.whole
def test_two_runs_at_once(folder: Path, batch: Batch) -> None:
    """The second of two runs for one folder of parts ends at once with 7; the first is none the worse."""
    (folder / "in.csv").write_text(town_csv(LASTING))
    options = ("in.csv", "--chunk-size", "1", "--max-rejects", "100%", "-o", "out/")
    assert batch("in.csv", "--max-rejects", "100%", "-o", "warm.csv").code == 0
    command = [sys.executable, "-m", "mlship", "batch", *options, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        end = time.monotonic() + 60
        while known(folder / ".out.mlship/journal") < 5 and child.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        began = time.monotonic()
        outcome = batch(*options, "--json")
        took = time.monotonic() - began
        stdout, stderr = child.communicate(timeout=120)
    assert outcome.code == 7, outcome.stderr
    assert outcome.data["error"]["code"] == "locked"
    assert took < 1
    assert child.returncode == 0, stderr
    assert json.loads(stdout)["rows"] == {"in": LASTING, "out": 514, "rejected": 86}
