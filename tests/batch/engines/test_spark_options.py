"""Which options go with which engine, and what has to be there for Spark."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.batch.conftest import Batch

SPARK = ("-o", "out/", "--engine", "spark")

FOREIGN = {
    "--row-numbers": ("--row-numbers",),
    "--chunk-size": ("--chunk-size", "8MiB"),
    "--workers": ("--workers", "2"),
    "--rejects": ("--rejects", "bad.ndjson"),
    "--shard": ("--shard", "0/2"),
    "--schedule": ("--schedule", "0 2 * * *"),
    "--stop-at": ("--stop-at", "05:00"),
}


@pytest.fixture(autouse=True)
def _rows(folder: Path) -> None:
    (folder / "in.csv").write_text("my age,income,city\n1,2,Porto\n")


@pytest.mark.parametrize("option", FOREIGN)
def test_options_of_the_local_engine_are_refused(batch: Batch, option: str) -> None:
    """An option that Spark has no use for is never passed over, not even with its default."""
    refused = batch("in.csv", *SPARK, *FOREIGN[option], "--json")
    assert refused.code == 2
    assert option in refused.data["error"]["message"]


@pytest.mark.parametrize("options", [("--master", "local[2]"), ("--conf", "a=b"), ("--ship-deps",)])
def test_options_of_spark_are_refused_without_it(batch: Batch, options: tuple[str, ...]) -> None:
    """The local engine passes over no option either."""
    refused = batch("in.csv", *options, "--json")
    assert refused.code == 2
    assert options[0] in refused.data["error"]["message"]


def test_options_of_the_environment_count(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is foreign to an engine is so in the environment too."""
    monkeypatch.setenv("MLSHIP_BATCH_ENGINE", "spark")
    monkeypatch.setenv("MLSHIP_BATCH_WORKERS", "2")
    refused = batch("in.csv", "-o", "out/", "--json")
    assert refused.code == 2
    assert "--workers" in refused.data["error"]["message"]


WRONG = {
    "no such engine": (("-o", "out/", "--engine", "flink"), "engine"),
    "no output": (("--engine", "spark"), "folder of parts"),
    "a file": (("-o", "out.csv", "--engine", "spark"), "folder of parts"),
    "standard output": (("-o", "-", "--engine", "spark"), "standard output"),
    "no setting": ((*SPARK, "--conf", "a"), "K=V"),
    "commits twice": (
        (*SPARK, "--conf", "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version=2"),
        "has to be 1",
    ),
    "libraries for this Python": ((*SPARK, "--master", "local[2]", "--ship-deps"), "--ship-deps"),
    "a format that Spark has not": ((*SPARK, "--format", "ipc"), "ipc"),
}


@pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_spark_cannot_do_is_refused(batch: Batch, options: tuple[str, ...], words: str) -> None:
    """With exit code 2, before anything is started."""
    refused = batch("in.csv", *options, "--json")
    assert refused.code == 2, refused.stderr
    assert words in refused.data["error"]["message"]


def test_one_file_by_two_names_is_refused(folder: Path, batch: Batch) -> None:
    """Spark could not tell whose its rows are."""
    refused = batch("in.csv", str(folder / "in.csv"), *SPARK, "--json")
    assert (refused.code, "in two ways" in refused.data["error"]["message"]) == (2, True)


@pytest.mark.parametrize("library", ["pyspark", "pyarrow"])
def test_the_extra_is_named_where_it_is_absent(batch: Batch, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Exit code 8, and what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    refused = batch("in.csv", *SPARK, "--json")
    assert refused.code == 8
    assert "mlship[spark]" in refused.data["error"]["hint"]


def test_java_is_named_where_it_is_absent(folder: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 8, and nothing is left behind."""
    pytest.importorskip("pyspark", reason="needs pyspark")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    refused = batch("in.csv", *SPARK, "--json")
    assert (refused.code, "Java 17" in refused.data["error"]["message"]) == (8, True)
    assert not (folder / "out").exists()
