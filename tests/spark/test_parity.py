"""What Spark scores is what one machine scores: the same bits, the same rejected rows, the same figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.spark.conftest import QUICK, WHOLE
from tests.spark.running import Ended, assert_same_figures, assert_same_rows, batch, reasons, rejected, scored
from tests.spark.servers import Spark

OPTIONS = ("-m", "boosted.onnx", "--max-rejects", "5%", "--compare", "linear.onnx", "--actual", "label")
Local = tuple[Path, Callable[[str], Ended]]


@pytest.fixture(scope="module")
def local(ground: Callable[[int], Path], here: Spark, whole: bool) -> Local:
    """A folder, and what has the local engine score there once by suffix: to `local.<suffix>`, with its rejects."""
    folder = ground(WHOLE if whole else QUICK)

    @cache
    def score(suffix: str) -> Ended:
        output = ("-o", f"local.{suffix}", "--rejects", f"local.{suffix}.ndjson")
        done = batch(folder, f"{suffix}/", *output, *OPTIONS, env=here.env)
        assert done.code == 0, done.stderr
        assert done.data["rows"]["rejected"] > 100
        return done

    return folder, score


@pytest.mark.timeout(900)
@pytest.mark.parametrize("suffix", ["csv", pytest.param("parquet", marks=pytest.mark.whole)])
@pytest.mark.parametrize(
    "place",
    [pytest.param("here", marks=pytest.mark.lowest), pytest.param("cluster", marks=pytest.mark.whole)],
    indirect=True,
)
def test_spark_scores_as_one_machine_does(local: Local, place: Spark, suffix: str) -> None:
    """Output after sorting, rejected rows as a set, counts and figures are those of the local engine."""
    folder, score = local
    expected = score(suffix)
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
    assert_same_figures(found.data, expected.data)
    assert (folder / output / "_SUCCESS").exists()
