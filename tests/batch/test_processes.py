"""Runs that are killed, stopped, run twice or run out of disk: nothing partial ever has a final name."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.conftest import Batch

ROOT = Path(__file__).resolve().parents[2]
ROWS = 600


@pytest.fixture
def slow(folder: Path) -> Path:
    """A file that takes a second or two in chunks of one row; its name is in.csv."""
    path = folder / "in.csv"
    path.write_text(rows(ROWS))
    return path


def rows(count: int) -> str:
    """Return rows for the town model."""
    return "my age,income,city\n" + "".join(f"{row},{row * 3},Porto\n" for row in range(count))


def start(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start `mlship batch` in a process of its own."""
    command = [sys.executable, "-m", "mlship", "batch", "in.csv", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=pipe, stderr=pipe, **options)


def wait_for(there: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def partial(folder: Path, suffix: str) -> Callable[[], bool]:
    """Return a function that tells whether the journal knows some chunks of the partial output."""
    journal = folder / f".in.scored{suffix}.mlship" / "journal"
    return lambda: journal.exists() and journal.read_bytes().count(b"\n") > 3


@contextlib.contextmanager
def running(folder: Path, suffix: str = ".csv", **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Hold a slow run that has already scored some rows, and end it at last."""
    process = start(folder, "--chunk-size", "1", "--format", suffix[1:], "--json", **options)
    try:
        wait_for(lambda: partial(folder, suffix)() or process.poll() is not None)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("suffix", [pytest.param(".csv", marks=pytest.mark.whole), ".parquet"])
def test_kill_leaves_no_output_and_the_next_run_goes_on(batch: Batch, slow: Path, suffix: str) -> None:
    """After kill -9 at random moments nothing has the final name, and the next run gives the undisturbed bytes."""
    dice = random.Random(3)  # noqa: S311 - the same every time
    folder = slow.parent
    output = folder / f"in.scored{suffix}"
    for _ in range(2):
        with running(folder, suffix) as process:
            time.sleep(dice.random() * 0.1)
            process.kill()
            process.wait()
            assert not output.exists()
            assert partial(folder, suffix)()
    outcome = batch("in.csv", "--format", suffix[1:], "--chunk-size", "1")
    assert outcome.code == 0
    assert "Going on after" in outcome.stderr
    disturbed = output.read_bytes()
    assert {path.name for path in (folder / f".in.scored{suffix}.mlship").iterdir()} == {"lock", "record.json"}
    assert batch("in.csv", "-o", f"undisturbed{suffix}", "--chunk-size", "1").code == 0
    assert disturbed == (folder / f"undisturbed{suffix}").read_bytes()


def test_kill_leaves_the_output_of_an_earlier_run(batch: Batch, slow: Path) -> None:
    """A killed run leaves the finished output of the one before, which the next run still knows as ours."""
    folder = slow.parent
    slow.write_text(slow.read_text() + "1,1,Porto\n")
    assert batch("in.csv").code == 0
    before = (folder / "in.scored.csv").read_bytes()
    slow.write_text(slow.read_text() + "2,2,Porto\n")
    with running(folder) as process:
        process.kill()
        process.wait()
    assert (folder / "in.scored.csv").read_bytes() == before
    assert batch("in.csv").code == 0
    assert (folder / "in.scored.csv").read_bytes().count(b"\n") == ROWS + 3


def test_a_second_run_is_turned_away_at_once(batch: Batch, slow: Path) -> None:
    """While one run holds the output another one exits 7 in under a second, and does the first no harm."""
    folder = slow.parent
    slow.write_text(rows(1000))  # the first run has to last while others are turned away
    assert batch("in.csv", "-o", "other.csv").code == 0  # so that nothing is imported while the time is taken
    with running(folder) as process:
        took = []
        for _ in range(3):  # the best of three, for machines that are busy otherwise
            began = time.monotonic()
            outcome = batch("in.csv", "--chunk-size", "1", "--json")
            took.append(time.monotonic() - began)
            assert outcome.code == 7
            assert outcome.data["error"]["code"] == "locked"
            assert "Another run of mlship is writing 'in.scored.csv'" in outcome.stderr
            if took[-1] < 1:
                break
        assert min(took) < 1
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        assert json.loads(stdout)["rows"] == {"in": 1000, "out": 1000, "rejected": 0}
    assert (folder / "in.scored.csv").read_bytes() == (folder / "other.csv").read_bytes()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_the_next_chunk(batch: Batch, slow: Path, signum: signal.Signals, code: int) -> None:
    """SIGINT and SIGTERM end the run cleanly with the shell's exit codes, and nothing is left under the final name."""
    folder = slow.parent
    with running(folder) as process:
        process.send_signal(signum)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == code, stderr
    data = json.loads(stdout)
    assert (data["status"], data["exit_code"], data["error"]["code"]) == ("stopped", code, "stopped")
    assert data["outputs"] == []
    assert 0 < data["rows"]["in"] < ROWS
    assert f"Stopped by {signum.name}; no output was written." in stderr
    assert "Traceback" not in stderr
    assert not (folder / "in.scored.csv").exists()
    left = {path.name for path in (folder / ".in.scored.csv.mlship").iterdir()}
    assert left == {"lock", "journal", "output.csv", "rejects.ndjson"}
    again = batch("in.csv", "--chunk-size", "1", "--json")
    assert again.code == 0, again.stderr
    assert f"Going on after {data['rows']['in']:,} rows" in again.stderr
    assert again.data["rows"] == {"in": ROWS, "out": ROWS, "rejected": 0}


@pytest.mark.parametrize(
    ("room", "suffix"),
    [
        (0, ".csv"),
        (5000, ".parquet"),
        (60_000, ".csv"),
        pytest.param(0, ".parquet", marks=pytest.mark.whole),
        pytest.param(5000, ".csv", marks=pytest.mark.whole),
        pytest.param(60_000, ".parquet", marks=pytest.mark.whole),
    ],
)
def test_a_full_disk_is_exit_6(batch: Batch, folder: Path, suffix: str, room: int) -> None:
    """Where the system takes no more bytes the run ends with exit 6 and no output; given room, it goes on."""
    rows = "".join(f"{row}.{row:09d},{row * 7919},Porto\n" for row in range(8_000))
    (folder / "in.csv").write_text("my age,income,city\n" + rows)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    options = ("--format", suffix[1:], "--chunk-size", "4KiB")
    process = start(folder, *options, "--json", preexec_fn=no_room)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 6, stderr
    data = json.loads(stdout)
    assert data["error"]["code"] == "output_failed"
    assert f"'in.scored{suffix}' could not be written" in data["error"]["message"]
    assert "Traceback" not in stderr
    output = folder / f"in.scored{suffix}"
    assert not output.exists()
    assert batch("in.csv", *options).code == 0
    assert batch("in.csv", *options, "-o", f"undisturbed{suffix}").code == 0
    assert output.read_bytes() == (folder / f"undisturbed{suffix}").read_bytes()
    assert {path.name for path in (folder / f".{output.name}.mlship").iterdir()} == {"lock", "record.json"}


def append(path: Path) -> None:
    """Write more to a file."""
    with path.open("a") as stream:
        stream.write("1,1,Porto\n")


def replace(path: Path) -> None:
    """Put another file of the same size and time in a file's place."""
    found = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


def shorten(path: Path) -> None:
    """Cut a file."""
    os.truncate(path, path.stat().st_size // 2)


def touch(path: Path) -> None:
    """Give a file another time."""
    path.touch()


@pytest.mark.parametrize(
    "change",
    [
        append,
        replace,
        Path.unlink,
        pytest.param(shorten, marks=pytest.mark.whole),
        pytest.param(touch, marks=pytest.mark.whole),
    ],
)
def test_an_input_that_changes_meanwhile_is_noticed(slow: Path, change: Callable[[Path], None]) -> None:
    """An input written to, replaced, cut or removed during the run is exit 3, and nothing is published."""
    folder = slow.parent
    with running(folder) as process:
        change(slow)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 3, stderr
    data = json.loads(stdout)
    assert data["error"]["code"] == "input_changed"
    assert "'in.csv' changed while it was read" in data["error"]["message"]
    assert not (folder / "in.scored.csv").exists()


def test_an_output_that_appears_meanwhile_is_not_replaced(slow: Path) -> None:
    """A file that someone puts in the output's place during the run stays."""
    folder = slow.parent
    with running(folder) as process:
        (folder / "in.scored.csv").write_text("precious")
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 7, stderr
    assert "'in.scored.csv' was written by something else meanwhile" in stderr
    assert (folder / "in.scored.csv").read_text() == "precious"
