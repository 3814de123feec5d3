"""Executors whose Python has no library at all: refused in words, and served by --ship-deps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.spark import servers
from tests.spark.running import assert_same_rows, batch, scored
from tests.spark.servers import Spark

ROWS = 3000
OPTIONS = ("-m", "boosted.onnx", "--max-rejects", "5%", "-o", "out/", "--format", "parquet", "--engine", "spark")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has nothing: what it knows of Spark comes from Spark itself."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    absent = "import importlib.util as u; assert not any(map(u.find_spec, ['numpy', 'pyarrow', 'mlship', 'pyspark']))"
    subprocess.run([python, "-I", "-c", absent], check=True)
    return python


@pytest.fixture(scope="module")
def far(bare: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """A cluster whose executors have that Python, and no path to ours."""
    with servers.cluster(tmp_path_factory.mktemp("far"), bare, PYTHONPATH="") as found:
        yield found


@pytest.fixture
def folder(ground: Callable[[int], Path]) -> Path:
    """A folder with rows."""
    return ground(ROWS)


@pytest.mark.whole
def test_the_libraries_are_shipped(folder: Path, here: Spark, far: Spark) -> None:
    """With --ship-deps the job is right, its libraries coming with it."""
    local = batch(folder, "parquet/", *OPTIONS[:4], "-o", "expected.parquet", env=here.env)
    assert local.code == 0, local.stderr
    done = batch(folder, "parquet/", *OPTIONS, "--master", far.master, "--ship-deps", env=far.env)
    assert done.code == 0, done.stderr
    assert_same_rows(scored(folder / "out"), scored(folder / "expected.parquet"))


@pytest.mark.parametrize("place", ["here", pytest.param("far", marks=pytest.mark.whole)], indirect=True)
def test_without_them_it_says_what_to_type(folder: Path, bare: str, place: Spark) -> None:
    """Without --ship-deps the run is exit 8, naming what is absent there and the option, and nothing is published."""
    env = {**place.env, "PYSPARK_PYTHON": bare, "PYSPARK_DRIVER_PYTHON": sys.executable}
    done = batch(folder, "parquet/", *OPTIONS, "--master", place.master, env=env)
    assert done.code == 8, done.stderr
    assert done.data["error"]["code"] == "dependency_missing"
    assert "--ship-deps" in done.data["error"]["hint"]
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()
