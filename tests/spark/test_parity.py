"""What Spark scores is what one machine scores: the same bits, the same rejected rows, the same figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.spark.conftest import QUICK, WHOLE
from tests.spark.running import Ended, assert_same_figures, assert_same_rows, batch, reasons, rejected, scored
from tests.spark.servers import Spark

SUFFIXES = ("csv", "parquet")
OPTIONS = ("-m", "boosted.onnx", "--max-rejects", "5%", "--compare", "linear.onnx", "--actual", "label")
Local = tuple[Path, dict[str, Ended]]


@pytest.fixture(scope="module")
def local(ground: Callable[[int], Path], here: Spark, whole: bool) -> Local:
    """A folder in which the local engine has scored all: `local.csv` and `local.parquet`, each with its rejects."""
    folder = ground(WHOLE if whole else QUICK)
    done = {}
    for suffix in SUFFIXES:
        output = ("-o", f"local.{suffix}", "--rejects", f"local.{suffix}.ndjson")
        done[suffix] = batch(folder, f"{suffix}/", *output, *OPTIONS, env=here.env)
        assert done[suffix].code == 0, done[suffix].stderr
        assert done[suffix].data["rows"]["rejected"] > 100
    return folder, done


@pytest.mark.timeout(900)
@pytest.mark.parametrize("suffix", ["csv", pytest.param("parquet", marks=pytest.mark.whole)])
@pytest.mark.parametrize(
    "place",
    [pytest.param("here", marks=pytest.mark.lowest), pytest.param("cluster", marks=pytest.mark.whole)],
    indirect=True,
)
def test_spark_scores_as_one_machine_does(local: Local, place: Spark, suffix: str) -> None:
    """Output after sorting, rejected rows as a set, counts and figures are those of the local engine."""
    folder, done = local
    output = f"{'cluster' if place.pids else 'here'}.{suffix}"
    engine = ("--engine", "spark", "--master", place.master)
    given = (f"{suffix}/", "-o", f"{output}/", "--format", suffix, *engine, *OPTIONS)
    found = batch(folder, *given, env=place.env, seconds=800)
    assert found.code == 0, found.stderr
    assert_same_rows(scored(folder / output), scored(folder / f"local.{suffix}"))
    ours, theirs = (
        reasons(rejected(path), folder) for path in (folder / f"{output}.rejects", folder / f"local.{suffix}.ndjson")
    )
    assert ours == theirs
    assert_same_figures(found.data, done[suffix].data)
    assert (folder / output / "_SUCCESS").exists()
