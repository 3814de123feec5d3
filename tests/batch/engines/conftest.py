"""A session of Spark for the tests of a module, and the same command line on both engines."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.batch.conftest import Batch, Outcome
from tests.spark.servers import BRIEF


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that Spark knows as viewfs://c/d/ too, a file system that only Hadoop reaches."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def spark(store: Path) -> Iterator[Any]:
    """A session on two threads of this machine; the commands of the module's tests find it."""
    pytest.importorskip("pyspark", reason="needs pyspark and Java 17")
    if shutil.which("java") is None:
        pytest.skip("there is no java, which Spark runs on")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pyspark, about the libraries beside it
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.extraJavaOptions", BRIEF)
        builder = builder.config("spark.hadoop.fs.viewfs.mounttable.c.link./d", store.as_uri())
        for name in ("spark.driver.host", "spark.driver.bindAddress"):
            builder = builder.config(name, "127.0.0.1")
        session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
        yield session
        session.stop()


@dataclass
class Both:
    """One command line on both engines.

    Attributes:
        local: What came of it in this process.
        spark: What came of it on Spark.
        lines: By engine the lines of the output's parts, sorted, the heads of CSV first and once.
        rejects: By engine what is told of rejected rows, less where they are, sorted.
    """

    local: Outcome
    spark: Outcome
    lines: tuple[list[bytes], list[bytes]]
    rejects: tuple[list[Any], list[Any]]

    @property
    def same(self) -> bool:
        """Whether both gave the same rows, and rejected the same ones."""
        return self.lines[0] == self.lines[1] and self.rejects[0] == self.rejects[1]


OnBoth = Callable[..., Both]


@pytest.fixture
def on_both(folder: Path, batch: Batch, spark: Any) -> OnBoth:
    """Runs `mlship batch` on both engines and gathers what they wrote."""
    assert spark is not None
    runs = iter(range(1000))

    def call(*arguments: str) -> Both:
        here = f"{next(runs)}"
        one = batch(*arguments, "--json", "-o", f"local{here}/", "--rejects", f"local{here}.ndjson")
        two = batch(*arguments, "--json", "-o", f"spark{here}/", "--engine", "spark")
        return Both(
            one,
            two,
            (lines_of(folder / f"local{here}"), lines_of(folder / f"spark{here}")),
            (
                rejects_of([folder / f"local{here}.ndjson"]),
                rejects_of(sorted((folder / f"spark{here}.rejects").glob("part-*"))),
            ),
        )

    return call


def lines_of(output: Path) -> list[bytes]:
    """Return the lines of all parts, sorted; the first line of a CSV, which each part has, once and first."""
    heads: set[bytes] = set()
    lines: list[bytes] = []
    for part in sorted(output.glob("part-*")):
        data = gzip.decompress(part.read_bytes()) if part.suffix == ".gz" else part.read_bytes()
        found = data.split(b"\n")
        if ".ndjson" not in part.suffixes:
            heads.add(found.pop(0))
        lines += [line for line in found if line]
    return [*heads, *sorted(lines)]


def rejects_of(files: list[Path]) -> list[Any]:
    """Return what is told of rejected rows, less their row and byte, sorted."""
    found = [json.loads(line) for file in files if file.exists() for line in file.read_bytes().splitlines()]
    for one in found:
        assert list(one) == ["file", "row", "byte", "errors", "record"]
        del one["row"], one["byte"]
    return sorted(found, key=json.dumps)
