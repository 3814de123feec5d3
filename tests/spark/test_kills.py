"""Processes that are killed in the middle of a job: it ends right or not at all, and the next run ends right."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import polars as pl
import pytest

from tests.spark.data import frame, put_slow_model
from tests.spark.processes import DRIVER_JVM, EXECUTOR, below, command, cpu_seconds, kill, python_workers, wait_until
from tests.spark.running import assert_same_rows, batch, begun, ended, scored
from tests.spark.servers import Spark

FILES = 12


@dataclass(frozen=True)
class Size:
    """How long a job lasts.

    Attributes:
        rows: How many there are.
        midway: Seconds of CPU that Python workers have taken when it is under way; all of it takes them about twice
            that and more, and their beginning less.
    """

    rows: int
    midway: float


QUICK, WHOLE = Size(30_000, 3.0), Size(60_000, 5.0)
PLACES = [pytest.param("here"), pytest.param("cluster", marks=pytest.mark.whole)]
EVERYWHERE = pytest.mark.parametrize("place", PLACES, indirect=True)
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Job:
    """A job that takes some time in each of a dozen tasks.

    Attributes:
        folder: Where it is done; its output is `out`.
        size: How long it lasts.
        expected: What the local engine writes.
        place: Where it is done on Spark.
    """

    folder: Path
    size: Size
    expected: pl.DataFrame
    place: Spark

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line."""
        settings = {
            # A task for each file: opening one counts as so many bytes, too.
            "spark.sql.files.maxPartitionBytes": "4194304",
            "spark.sql.files.openCostInBytes": "4194304",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.dir": f"file://{self.folder}/events",
        }
        given = [text for key, value in settings.items() for text in ("--conf", f"{key}={value}")]
        engine = ("--engine", "spark", "--master", self.place.master)
        return ("in/", "-m", "slow.onnx", "-o", "out/", "--format", "parquet", *engine, *given)

    @property
    def output(self) -> Path:
        """The output's final name."""
        return self.folder / "out"

    @contextmanager
    def midway(self) -> Iterator[Popen[str]]:
        """Hold a run that has scored some of the rows and not all."""
        with begun(self.folder, self.arguments, self.place.env) as process:
            wait_until(lambda: self.worked(process) > self.size.midway or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            assert not self.output.exists()
            yield process

    def workers(self, process: Popen[str]) -> list[int]:
        """List the Python workers that there are."""
        return [worker for owner in self.place.pids or (process.pid,) for worker in python_workers(owner)]

    def worked(self, process: Popen[str]) -> float:
        """Tell how many seconds of CPU they have taken."""
        return sum(map(cpu_seconds, self.workers(process)))

    def events(self, name: str) -> list[dict[str, Any]]:
        """List what Spark told of a kind of event in all jobs that ended."""
        lines = [line for log in (self.folder / "events").iterdir() for line in log.read_text("utf-8").splitlines()]
        return [event for event in map(json.loads, lines) if event["Event"] == f"SparkListener{name}"]

    def failed_tasks(self) -> int:
        """Count the tasks that Spark had to do again."""
        return sum(event["Task End Reason"]["Reason"] != "Success" for event in self.events("TaskEnd"))

    def is_right(self) -> None:
        """Hold the output against that of the local engine: each row once, with the same bits."""
        assert_same_rows(scored(self.output), self.expected)
        assert not list(self.folder.rglob("_temporary"))

    def ends_right(self) -> None:
        """Run the same command again, to a right end."""
        again = batch(self.folder, *self.arguments, env=self.place.env)
        assert again.code == 0, again.stderr
        assert again.data["rows"] == {"in": self.size.rows, "out": self.size.rows, "rejected": 0}
        self.is_right()


@pytest.fixture(scope="module")
def size(whole: bool) -> Size:
    """How long jobs last."""
    return WHOLE if whole else QUICK


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, here: Spark, size: Size) -> Path:
    """A folder with a slow model, rows for it in a dozen files, and what the local engine makes of them."""
    count = size.rows
    folder = tmp_path_factory.mktemp("slow")
    put_slow_model(folder / "slow.onnx")
    (folder / "in").mkdir()
    rows = frame(count).select("id", "age", "visits")
    for number in range(FILES):
        rows[number * count // FILES :][: count // FILES].write_parquet(folder / "in" / f"part{number:02}.parquet")
    assert batch(folder, "in/", "-m", "slow.onnx", "-o", "expected.parquet", env=here.env).code == 0
    return folder


@pytest.fixture
def job(slow: Path, tmp_path: Path, place: Spark, size: Size) -> Job:
    """The job in a folder of its own."""
    folder = tmp_path / "job"
    shutil.copytree(slow, folder)
    (folder / "events").mkdir()
    return Job(folder, size, scored(folder / "expected.parquet"), place)


@EVERYWHERE
def test_python_workers_are_killed(job: Job) -> None:
    """Spark does their tasks again, and each row is there once."""
    with job.midway() as process:
        for worker in job.workers(process):
            kill(worker)
        done = ended(process)
    assert done.code == 0, done.stderr
    assert job.failed_tasks() > 0
    assert done.data["rows"] == {"in": job.size.rows, "out": job.size.rows, "rejected": 0}
    job.is_right()


@pytest.mark.whole
@pytest.mark.parametrize("place", ["cluster"], indirect=True)
def test_an_executor_is_killed(job: Job) -> None:
    """The cluster starts another one, and each row is there once."""
    with job.midway() as process:
        executors = [executor for owner in job.place.pids for executor in below(owner, EXECUTOR)]
        assert len(executors) == 2
        kill(executors[0])
        done = ended(process)
    assert done.code == 0, done.stderr
    assert job.events("ExecutorRemoved")
    assert done.data["rows"] == {"in": job.size.rows, "out": job.size.rows, "rejected": 0}
    job.is_right()


def kill_python(process: Popen[str]) -> None:
    """Kill mlship's own process."""
    process.kill()


def kill_java(process: Popen[str]) -> None:
    """Kill the part of Spark that plans the job."""
    (java,) = below(process.pid, DRIVER_JVM)
    kill(java)


@EVERYWHERE
@pytest.mark.whole
@pytest.mark.parametrize(
    ("kill_driver", "code"),
    [pytest.param(kill_python, -signal.SIGKILL, id="python"), pytest.param(kill_java, 6, id="java")],
)
def test_the_driver_is_killed(job: Job, kill_driver: Callable[[Popen[str]], None], code: int) -> None:
    """Nothing has the final name, and the same command then ends right."""
    with job.midway() as process:
        driver = below(process.pid, DRIVER_JVM)
        kill_driver(process)
        done = ended(process)
        wait_until(lambda: not any(DRIVER_JVM in command(pid) for pid in driver))  # it ends by itself
    assert done.code == code, done.stderr
    assert "/mlship/batch/" not in done.stderr  # of a traceback; pyspark itself may print one when its Java has gone
    assert not job.output.exists()
    job.ends_right()


@EVERYWHERE
@pytest.mark.whole
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_job(job: Job, signum: signal.Signals, code: int) -> None:
    """SIGTERM and SIGINT end the run soon and cleanly with the shell's exit codes, and the same command ends right."""
    with job.midway() as process:
        driver = below(process.pid, DRIVER_JVM)
        began = time.monotonic()
        process.send_signal(signum)
        done = ended(process, 60)
        assert time.monotonic() - began < 30
        wait_until(lambda: not any(DRIVER_JVM in command(pid) for pid in driver), seconds=20)
    assert done.code == code, done.stderr
    assert (done.data["status"], done.data["error"]["code"], done.data["outputs"]) == ("stopped", "stopped", [])
    assert "Traceback" not in done.stderr
    assert not job.output.exists()
    job.ends_right()


@pytest.mark.whole
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("place", ["here"], indirect=True)
def test_the_driver_is_killed_at_any_time(job: Job) -> None:
    """Whenever it is killed, the output is not there or all there, and the same command then ends right."""
    began = time.monotonic()
    job.ends_right()
    lasts = time.monotonic() - began
    dice = random.Random(5)  # noqa: S311 - the same every time
    for turn in range(8):
        shutil.rmtree(job.output, ignore_errors=True)
        for work in job.folder.glob(".out.mlship"):
            shutil.rmtree(work)
        # half of the kills come at the very end, where the output gets its name
        moment = dice.random() * lasts if turn % 2 else lasts * (0.8 + 0.25 * dice.random())
        with begun(job.folder, job.arguments, job.place.env) as process:
            time.sleep(moment)
            process.kill()
            process.communicate()
        if job.output.exists():
            job.is_right()
        job.ends_right()
