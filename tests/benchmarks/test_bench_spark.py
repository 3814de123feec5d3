"""The benchmark of Spark runs, so that its figures can be had anew at any time."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.benchmarks import bench_spark

pytest.importorskip("pyspark")
pytestmark = pytest.mark.whole


@pytest.mark.timeout(600)
def test_every_line_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few rows and one round each engine is measured, and ours on Spark is judged."""
    monkeypatch.setattr(bench_spark, "WARM_UP", 0)
    bench_spark.main(["--rows", "5000", "--rounds", "1", "--cache", str(tmp_path), "--only", "lr"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("5,000 rows of 20 float32")
    local, spark, plain = lines[2:]
    assert local.startswith("lr     local engine")
    assert spark.startswith("lr     Spark engine")
    assert "holds" in spark or "not reached" in spark
    assert plain.startswith("lr     plain Spark")


def test_the_peer_does_the_same_work(tmp_path: Path) -> None:
    """Plain Spark, without our contract, gives the labels that the local engine gives."""
    rows = bench_spark.put_rows(tmp_path / "rows", 800)
    model = bench_spark.put_model(tmp_path / "lr.onnx", bench_spark.MODELS["lr"])
    with bench_spark.session() as spark:
        for job in bench_spark.jobs_of(spark, model, rows, tmp_path).values():
            job()
    local, ours, plain = (
        pl.read_parquet(sorted((tmp_path / name).glob("part-*"))).sort("id") for name in ("local", "spark", "plain")
    )
    assert local.equals(ours)
    assert local.select("id", "prediction").equals(plain.select("id", "prediction"))
