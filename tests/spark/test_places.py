"""Where a job can be done: a session that is there, under spark-submit, on a server of Spark Connect."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.spark import servers
from tests.spark.running import assert_same_figures, assert_same_rows, batch, reasons, rejected, scored
from tests.spark.servers import Spark

ROWS = 3000
OPTIONS = ("-m", "boosted.onnx", "--max-rejects", "5%", "--compare", "linear.onnx")
OUTPUT = ("-o", "out/", "--format", "parquet", "--json")
SPARK = ("--engine", "spark")
SCRIPT = """
from mlship.cli.main import main
main()
"""
IN_A_SESSION = """
import sys
from pyspark.sql import SparkSession
from mlship.cli.main import run
session = SparkSession.builder.master("local[1]").appName("the one that is there").getOrCreate()
code = run(sys.argv[1:])
assert session.range(7).count() == 7, "it was stopped"
sys.exit(code)
"""


@pytest.fixture
def folder(ground: Callable[[int], Path], here: Spark) -> Path:
    """A folder with rows, and what the local engine makes of them: `expected.parquet`."""
    folder = ground(ROWS)
    expected = ("-o", "expected.parquet", "--rejects", "expected.ndjson")
    done = batch(folder, "parquet/", *expected, *OPTIONS, env=here.env)
    assert done.code == 0, done.stderr
    (folder / "expected.json").write_text(done.stdout, encoding="utf-8")
    return folder


def assert_right(folder: Path, printed: str) -> None:
    """Compare rows, rejected rows and figures with those of the local engine."""
    assert_same_rows(scored(folder / "out"), scored(folder / "expected.parquet"))
    ours, theirs = rejected(folder / "out.rejects"), rejected(folder / "expected.ndjson")
    assert reasons(ours, folder) == reasons(theirs, folder)
    assert_same_figures(json.loads(printed), json.loads((folder / "expected.json").read_text(encoding="utf-8")))


def program(folder: Path, env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program that is given a job for Spark."""
    arguments = [*command, "batch", "parquet/", *OUTPUT, *SPARK, *OPTIONS]
    return subprocess.run(arguments, cwd=folder, env=env, text=True, capture_output=True, check=False, timeout=240)


def applications(events: Path) -> list[tuple[str, str]]:
    """List name and master of the applications that Spark told of."""
    first = [json.loads(line) for log in events.iterdir() for line in log.read_text(encoding="utf-8").splitlines()]
    settings = [event["Spark Properties"] for event in first if event["Event"] == "SparkListenerEnvironmentUpdate"]
    return [(found["spark.app.name"], found["spark.master"]) for found in settings]


def logged(events: Path) -> dict[str, str]:
    """Make a folder for Spark's events and return the settings that lead to it."""
    events.mkdir()
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.dir": f"file://{events}",
    }


@pytest.mark.whole
def test_a_session_that_is_there_is_used(folder: Path, here: Spark, tmp_path: Path) -> None:
    """Without --master the job is done in the session of the process, which can be used afterwards."""
    settings = [text for key, value in logged(tmp_path / "events").items() for text in ("--conf", f"{key}={value}")]
    submitted = " ".join([*settings, "pyspark-shell"])
    env = {**here.env, "PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": submitted}
    done = program(folder, env, sys.executable, "-c", IN_A_SESSION)
    assert done.returncode == 0, done.stderr
    assert_right(folder, done.stdout)
    assert applications(tmp_path / "events") == [("the one that is there", "local[1]")]


@pytest.mark.whole
@pytest.mark.parametrize("place", ["here", "cluster"], indirect=True)
def test_spark_submit(folder: Path, place: Spark, tmp_path: Path) -> None:
    """Under spark-submit the job is done in the session that spark-submit was told of."""
    script = tmp_path / "score.py"
    script.write_text(SCRIPT, encoding="utf-8")
    settings = [text for key, value in logged(tmp_path / "events").items() for text in ("--conf", f"{key}={value}")]
    submit = str(servers.spark_home() / "bin" / "spark-submit")
    env = {**place.env, "PYSPARK_PYTHON": sys.executable}
    done = program(folder, env, submit, "--master", place.master, "--name", "nightly", *settings, str(script))
    assert done.returncode == 0, done.stdout + done.stderr
    (printed,) = [line for line in done.stdout.splitlines() if line.startswith("{")]  # it joins stdout and stderr
    assert_right(folder, printed)
    assert applications(tmp_path / "events") == [("nightly", place.master)]


@pytest.mark.whole
def test_spark_connect(folder: Path, connect: Spark) -> None:
    """A server of Spark Connect gives the same, though it lends no context."""
    done = batch(folder, "parquet/", *OUTPUT, *SPARK, "--master", connect.master, *OPTIONS, env=connect.env)
    assert done.code == 0, done.stderr
    assert_right(folder, done.stdout)


@pytest.mark.whole
def test_spark_connect_by_the_environment(folder: Path, connect: Spark) -> None:
    """SPARK_REMOTE names the server, as for other programs."""
    env = {**connect.env, "SPARK_REMOTE": connect.master}
    done = batch(folder, "parquet/", *OUTPUT, *SPARK, *OPTIONS, env=env)
    assert done.code == 0, done.stderr
    assert_right(folder, done.stdout)
