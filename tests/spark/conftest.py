"""Places to score on, and files for them; each is made once and held to the end."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.spark import servers
from tests.spark.data import put_models, put_rows
from tests.spark.servers import Spark

QUICK, WHOLE = 12_000, 1_000_000
"""How many rows are compared."""


@pytest.fixture(scope="session", autouse=True)
def _spark_is_there() -> None:
    """Skip what has nothing to run on."""
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no java, which Spark runs on")


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Spark:
    """Spark inside the process that asks, on two cores."""
    return Spark("local[2]", servers.environment(tmp_path_factory.mktemp("here")))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """A standalone cluster."""
    with servers.cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="session")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """A server of Spark Connect."""
    with servers.connect_server(tmp_path_factory.mktemp("connect")) as found:
        yield found


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Spark:
    """The place that a test's parameter names."""
    found: Spark = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two models."""
    folder = tmp_path_factory.mktemp("models")
    put_models(folder)
    return folder


@pytest.fixture(scope="session")
def ground(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Makes a folder with the models and so many rows."""

    def make(rows: int) -> Path:
        folder = tmp_path_factory.mktemp("ground")
        for model in models.glob("*.onnx"):
            shutil.copy(model, folder)
        put_rows(folder, rows)
        return folder

    return make


@pytest.fixture(scope="module")
def session(here: Spark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session in this process, in which jobs take a second."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("SPARK_CONF_DIR", "SPARK_LOCAL_DIRS", "SPARK_LOCAL_IP"):
            patched.setenv(name, here.env[name])
        patched.setenv("PYSPARK_PYTHON", sys.executable)
        warehouse = str(tmp_path_factory.mktemp("warehouse"))
        made = SparkSession.builder.master("local[2,4]").config("spark.sql.warehouse.dir", warehouse).getOrCreate()
        try:
            yield made
        finally:
            made.stop()
