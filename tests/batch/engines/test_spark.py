"""NDJSON, Parquet, monitors and the output of a run on Spark."""

from __future__ import annotations

import gzip
import io
import json
import math
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlship.batch.engines import spark_folder
from mlship.files import locked
from tests.batch.conftest import Batch
from tests.batch.engines.conftest import OnBoth
from tests.batch.models import town_model

HEAD = "id,my age,income,city\n"
SPARK = ("--engine", "spark")


def test_ndjson_is_scored_as_by_the_local_engine(folder: Path, on_both: OnBoth) -> None:
    """Lines that are no objects, missing keys, kept values of any kind: the same rows and reasons."""
    lines = [
        '{"id":1,"my age":30,"income":2,"city":"Porto","more":{"a":[1,2.50]}}',
        '{"id":12345678901234567890,"my age":"30","income":null,"city":"Porto","more":"x"}',
        '{"id":null,"my age":3,"city":"Lisboa","more":null}',
        "",
        "[1]",
        '{"my age": 3',
        '{"id":1,"my age":1,"my age":2,"income":1.5,"city":"Porto","more":"é"}\r',
        '{"id":1,"my age":NaN,"income":1.5,"city":"Rome","more":1}',
    ]
    (folder / "in").mkdir()
    (folder / "in" / "a.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "in" / "b.ndjson").write_bytes(b"\xef\xbb\xbf" + lines[0].encode() + b'\n{"id":"\xff"}')
    both = on_both("in/", "--max-rejects", "100%")
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    assert both.same
    assert len(both.lines[0]) == 3
    for told in ("rows", "rejects", "inputs"):
        assert both.spark.data[told] == both.local.data[told]


def test_late_columns_of_ndjson_are_refused(folder: Path, on_both: OnBoth) -> None:
    """A key that no line of a file's beginning has is no column, and not lost in silence."""
    line = '{"my age":30,"income":2,"city":"Porto","pad":"%s"}\n' % ("x" * 1000)
    text = line * 9000 + '{"my age":30,"income":2,"city":"Porto","late":1}\n'
    (folder / "in.ndjson").write_text(text, encoding="utf-8")
    both = on_both("in.ndjson")
    assert (both.spark.code, both.spark.data["error"]["code"]) == (3, "late_column")
    assert both.local.data["error"]["code"] == "late_column"


def _typed(rows: int, first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id.x `y`": range(first, first + rows),
            "My Age": ["a"] * rows,
            "my age": [None if row % 10 == 3 else float(row % 90) for row in range(rows)],
            "income": pl.Series([None if row % 7 == 0 else row % 5 for row in range(rows)], dtype=pl.Int16),
            "city": ["Porto" if row % 3 else "Lisboa" for row in range(rows)],
            "when": [datetime.fromisoformat("2026-01-01T12:30:15.000250")] * rows,
            "price": pl.Series([Decimal("1.10")] * rows, dtype=pl.Decimal(12, 2)),
            "tags": [["a", "b"]] * rows,
        },
        schema_overrides={"city": pl.Categorical},
    )


def _sorted(place: Path, rename: dict[str, str] | None = None) -> pl.DataFrame:
    frame = pl.read_parquet(sorted(place.glob("part-*"))).with_columns(pl.col("city").cast(pl.String))
    return frame.rename(rename or {}).sort("id.x `y`")


def test_parquet_is_scored_as_by_the_local_engine(folder: Path, on_both: OnBoth) -> None:
    """Typed columns of odd names, nulls, decimals, times and lists: the same rows to the bit, and reasons."""
    (folder / "in").mkdir()
    _typed(1000).write_parquet(folder / "in" / "a.parquet", row_group_size=100)
    _typed(500, 1000).write_parquet(folder / "in" / "b.parquet")
    both = on_both("in/", "--max-rejects", "100%")
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    local, spark = _sorted(folder / "local0"), _sorted(folder / "spark0")
    assert spark.columns == local.columns
    assert spark.equals(local)
    assert both.rejects[0] == both.rejects[1]
    assert both.spark.data["inputs"] == both.local.data["inputs"]


def test_parquet_without_rows_gives_a_typed_output(folder: Path, on_both: OnBoth) -> None:
    """No rows are no reason for no columns."""
    _typed(0).write_parquet(folder / "in.parquet")
    both = on_both("in.parquet")
    assert both.spark.code == 0, both.spark.stderr
    assert _sorted(folder / "spark0").columns == _sorted(folder / "local0").columns


def test_files_of_other_types_are_refused(folder: Path, on_both: OnBoth) -> None:
    """Spark would take a column that a file lacks for null."""
    _typed(5).write_parquet(folder / "a.parquet")
    _typed(5).drop("income").write_parquet(folder / "b.parquet")
    both = on_both("a.parquet", "b.parquet", "--keep", "none")
    assert (both.spark.code, both.spark.data["error"]["code"]) == (3, "other_columns")
    assert not list(folder.glob("spark0*"))


def _same(one: Any, other: Any) -> bool:
    """Whether two reports say the same, floats but for rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def test_monitors_find_the_same(folder: Path, on_both: OnBoth, spark: Any) -> None:
    """Predictions, drift, the comparison with another model and with what came true are those of the local engine."""
    (folder / "other.onnx").write_bytes(town_model("v2", weight=-1.5))
    rows = "".join(f"{row},{row % 90},{row % 41},Porto\n" if row % 50 else f"{row},x,1,Rome\n" for row in range(5000))
    (folder / "in.csv").write_text(HEAD.replace("id", "came") + rows, encoding="utf-8")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "20000")
    spark.conf.set("spark.sql.files.openCostInBytes", "1000")
    try:
        both = on_both(
            "in.csv", "-m", "town.onnx", "--max-rejects", "100%", "--compare", "other.onnx", "--actual", "came"
        )
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    assert both.same
    ours, theirs = both.spark.data, both.local.data
    assert theirs["compare"].pop("moved")
    assert ours["compare"].pop("moved") == []  # rows have no number here
    for name in ("predictions", "drift", "actual", "compare"):
        assert _same(ours[name], theirs[name]), name


def _put(folder: Path, bad: int = 0, rows: int = 100) -> None:
    text = "".join(f"{row},{'x' if row < bad else row},1,Porto\n" for row in range(rows))
    (folder / "in.csv").write_text(HEAD + text, encoding="utf-8")


def test_a_finished_job_is_not_done_again(folder: Path, batch: Batch, spark: Any) -> None:
    """The same command finds its output; another model replaces it; what others put there needs --overwrite."""
    assert spark is not None
    _put(folder, bad=1)
    command = ("in.csv", "-m", "town.onnx", "-o", "out/", *SPARK)
    assert batch(*command).code == 0
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    again = batch(*command)
    assert again.code == 0
    assert "was scored before and is unchanged" in again.stderr
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()} == before
    (folder / "other.onnx").write_bytes(town_model("v2"))
    assert "was scored before" not in batch("in.csv", "-m", "other.onnx", "-o", "out/", *SPARK).stderr
    (folder / "out" / "stranger").touch()
    refused = batch(*command, "--json")
    assert (refused.code, refused.data["error"]["code"]) == (2, "output_exists")
    assert batch(*command, "--overwrite").code == 0
    assert not (folder / "out" / "stranger").exists()


def test_past_the_limit_nothing_is_published(folder: Path, batch: Batch, spark: Any) -> None:
    """Exit code 3, rejected rows told, no output; with a higher limit it is there, and its rejects are private."""
    assert spark is not None
    _put(folder, bad=20)
    refused = batch("in.csv", "-o", "out/", *SPARK, "--json")
    assert (refused.code, refused.data["error"]["code"]) == (3, "too_many_rejects")
    assert refused.data["rows"] == {"in": 100, "out": 80, "rejected": 20}
    assert "is kept" not in refused.data["error"]["hint"]
    assert not (folder / "out").exists()
    assert len((folder / "out.rejects" / "part-00000-00000.ndjson").read_text().splitlines()) == 20
    assert batch("in.csv", "-o", "out/", *SPARK, "--max-rejects", "20").code == 0
    assert {path.stat().st_mode & 0o077 for path in (folder / "out.rejects").glob("part-*")} == {0}
    assert (folder / "out.rejects").stat().st_mode & 0o077 == 0
    assert not [path.name for path in (folder / ".out.mlship").iterdir() if path.name not in ("lock", "record.json")]


def test_a_model_that_workers_refuse(folder: Path, batch: Batch, spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden rows are replayed in the workers: what they refuse is told with the model's own exit code."""
    from mlship.batch.engines import spark_plan

    assert spark is not None
    _put(folder)
    (folder / "town.onnx").write_bytes(town_model("v3", golden_shift=1.0))
    monkeypatch.setenv("MLSHIP_GOLDEN", "warn")  # so that this process goes on
    monkeypatch.setattr(spark_plan, "golden_mode", lambda: "refuse")
    refused = batch("in.csv", "-o", "out/", *SPARK, "--json")
    assert (refused.code, refused.data["error"]["code"]) == (4, "golden_rows_differ"), refused.stderr
    assert not (folder / "out").exists()


@pytest.mark.parametrize("packed", [False, True], ids=["texts", "packed"])
def test_a_part_that_is_lost_is_seen(
    folder: Path, batch: Batch, spark: Any, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    """What is on the disk is counted again before it gets its name: parts may lie on another machine's."""
    assert spark is not None
    _put(folder)
    if packed:
        (folder / "in.csv.gz").write_bytes(gzip.compress((folder / "in.csv").read_bytes()))
    real = spark_folder.DiskFolder._named

    def lossy(self: Any, place: Path, suffix: str) -> list[Path]:
        parts = real(self, place, suffix)
        parts.pop().unlink()
        return parts

    monkeypatch.setattr(spark_folder.DiskFolder, "_named", lossy)
    refused = batch("in.csv.gz" if packed else "in.csv", "-o", "out/", *SPARK, "--json")
    assert (refused.code, refused.data["error"]["code"]) == (6, "rows_lost")
    assert not (folder / "out").exists()


def test_an_output_of_shards(folder: Path, batch: Batch, spark: Any) -> None:
    """A run on Spark takes the place of shards that are done, and waits for those that are at work."""
    assert spark is not None
    _put(folder)
    for shard in ("0/2", "1/2"):
        assert batch("in.csv", "-o", "out/", "--shard", shard, "--chunk-size", "500").code == 0
    command = ("in.csv", "-o", "out/", *SPARK)
    lock = folder / ".out.mlship" / "shard-1-of-2" / "lock"
    with locked(lock, "out"):
        assert batch(*command).code == 7
    assert lock.exists()
    done = batch(*command)
    assert done.code == 0, done.stderr
    assert not list((folder / "out").glob("_shard-*"))


@pytest.mark.parametrize("kind", [pytest.param("csv", marks=pytest.mark.whole), "csv.gz", "parquet"])
def test_uris_of_the_cluster(folder: Path, batch: Batch, spark: Any, store: Path, kind: str) -> None:
    """What only Spark reaches is listed, read, written and renamed through it, and a finished job known again."""
    assert spark is not None
    place = store / kind / "in" / "city=Porto"
    place.mkdir(parents=True)
    rows = pl.DataFrame({"id": range(40), "my age": [None, *map(float, range(39))], "income": [1.5] * 40})
    for name, table in (("a b%20", rows), ("b", rows.with_columns(pl.col("id") + 40))):
        data = io.BytesIO()
        getattr(table, f"write_{kind.removesuffix('.gz')}")(data)
        packed = gzip.compress(data.getvalue()) if kind.endswith(".gz") else data.getvalue()
        (place / f"{name}.{kind}").write_bytes(packed)
    command = (f"viewfs://c/d/{kind}/in/", "-o", f"viewfs://c/d/{kind}/out/", *SPARK, "--json")
    done = batch(*command)
    assert (done.code, done.data["rows"]) == (0, {"in": 80, "out": 78, "rejected": 2}), done.stderr
    read: Any = getattr(pl, f"read_{kind.removesuffix('.gz')}")
    found = pl.concat([read(part) for part in sorted((store / kind / "out").glob(f"part-*.{kind}"))])
    assert sorted(found.get_column("id").to_list()) == [*range(1, 40), *range(41, 80)]
    assert found.columns == ["id", "my age", "income", "city", "prediction", "score"]
    assert (store / kind / "out" / "_SUCCESS").exists()
    assert len(list((store / kind / "out.rejects").glob("part-*.ndjson"))) == 1
    assert "was scored before" in batch(*command).stderr
    assert not (folder / "out").exists()
    stranger = store / kind / "out.rejects" / "stranger"
    stranger.touch()
    refused = batch(*command, "--restart")
    assert (refused.code, "holds no rejected rows of mlship" in refused.stderr, stranger.exists()) == (2, True, True)


def test_the_report_is_written(folder: Path, batch: Batch, spark: Any) -> None:
    """--report tells of a run on Spark what it tells of any."""
    assert spark is not None
    _put(folder)
    assert batch("in.csv", "-o", "out/", *SPARK, "--report", "report.json").code == 0
    found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (found["status"], found["rows"]["out"], found["inputs"][0]["rows"]) == ("done", 100, 100)
