"""Typed columns of Parquet as others write them, kept and scored by Spark as by the local engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlship.cli.main import run
from tests.batch.models import put_town
from tests.spark.running import assert_same_figures, reasons, rejected

ROWS = 30
MOMENT = datetime(2024, 3, 31, 1, 30, 0, 123456)  # noqa: DTZ001 - of no zone


def column(value: Callable[[int], Any], kind: pa.DataType) -> pa.Array:
    """A column of which every seventh value is null."""
    return pa.array([None if row % 7 == 3 else value(row) for row in range(ROWS)], kind)


KEPT: dict[str, pa.Array] = {
    "int8": column(lambda row: row - 128, pa.int8()),
    "int64": column(lambda row: 2**63 - 1 - row, pa.int64()),
    "uint32": column(lambda row: 2**32 - 1 - row, pa.uint32()),
    "uint64": column(lambda row: 2**64 - 1 - row, pa.uint64()),
    "duration": column(lambda row: row, pa.duration("ms")),
    "date64": column(lambda row: 86_400_000 * row, pa.date64()),
    "float32": column(lambda row: row / 3, pa.float32()),
    "not a number": column(lambda row: float("nan") if row % 2 else -0.0, pa.float64()),
    "text": column(lambda row: "ab\0ç✓"[row % 5 :], pa.string()),
    "large text": column(str, pa.large_string()),
    "dictionary": column(lambda row: "abc"[row % 3], pa.string()).dictionary_encode(),
    "bytes": column(lambda row: bytes([row, 255]), pa.binary()),
    "bool": column(lambda row: row % 2 == 0, pa.bool_()),
    "date": column(lambda row: date(1600 + 40 * row, 2, 28), pa.date32()),
    "moment": column(lambda row: MOMENT.replace(year=1700 + 20 * row), pa.timestamp("us")),
    "instant": column(
        lambda row: MOMENT.replace(year=1700 + 20 * row, tzinfo=UTC), pa.timestamp("us", "Europe/Berlin")
    ),
    "millis": column(lambda row: row * 86_399_999, pa.timestamp("ms")),
    "decimal": column(lambda row: Decimal(row) / 8, pa.decimal128(38, 10)),
    "list": column(lambda row: list(range(row % 3)), pa.list_(pa.int32())),
    "struct": column(lambda row: {"a": row, "b": None}, pa.struct([("a", pa.int64()), ("b", pa.string())])),
    "dot.ted `and` quoted": column(str, pa.string()),
}
AGES: dict[str, pa.Array] = {
    "uint8": column(lambda row: row, pa.uint8()),
    "int64": column(lambda row: 2**53 + row, pa.int64()),
    "uint64": column(lambda row: row, pa.uint64()),
    "float32": column(lambda row: row / 3, pa.float32()),
    "decimal": column(lambda row: Decimal(row) / 32, pa.decimal128(38, 20)),
    "text": column(str, pa.string()),
    "infinite": column(lambda row: float("inf") if row % 2 else float("nan"), pa.float64()),
    "bool": column(lambda row: row % 2 == 0, pa.bool_()),
    "duration": column(lambda row: row, pa.duration("us")),
}
SAMPLE = ("uint64", "instant")


def scored(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any], str]:
    """Score `in.parquet` and return the exit code, what was printed and what was told."""
    given = ["in.parquet", "-m", "town.onnx", "--max-rejects", "100%", "--json"]
    assert folder == Path.cwd()
    code = run(["batch", *given, *options])
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


def both(folder: Path, capsys: pytest.CaptureFixture[str], table: pa.Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score a table with both engines, compare all but their outputs, and return those in the order of `id`."""
    put_town(folder)
    pq.write_table(table, folder / "in.parquet", row_group_size=10)
    code, local, told = scored(folder, capsys, "-o", "local.parquet", "--rejects", "local.rejects")
    assert code == 0, told
    code, spark, told = scored(folder, capsys, "-o", "spark/", "--format", "parquet", "--engine", "spark")
    assert code == 0, told
    assert_same_figures(spark, local)
    ours, theirs = (rejected(folder / f"{name}.rejects") for name in ("spark", "local"))
    assert reasons(ours, folder) == reasons(theirs, folder)
    found = pl.concat([pl.read_parquet(part) for part in sorted((folder / "spark").glob("part-*"))])
    return found.sort("id"), pl.read_parquet(folder / "local.parquet").sort("id")


def table(age: pa.Array, **more: pa.Array) -> pa.Table:
    """Rows for the town model."""
    cities = pa.array(["Porto", "Lisboa", "Faro"] * (ROWS // 3))
    return pa.table({"id": range(ROWS), "my age": age, "income": column(float, pa.float64()), "city": cities, **more})


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in SAMPLE else pytest.mark.whole) for kind in KEPT]
)
def test_kept_columns(
    kind: str, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column of any dtype is carried along with its values and its dtype."""
    assert session is not None
    monkeypatch.chdir(tmp_path)
    found, expected = both(tmp_path, capsys, table(column(float, pa.float64()), **{kind: KEPT[kind]}))
    assert found.columns == expected.columns
    assert found.equals(expected)
    assert found.schema == expected.schema


@pytest.mark.whole
@pytest.mark.parametrize("kind", AGES)
def test_scored_columns(
    kind: str, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number of any dtype is accepted or rejected as by the local engine, and gives the same answer."""
    assert session is not None
    monkeypatch.chdir(tmp_path)
    found, expected = both(tmp_path, capsys, table(AGES[kind]))
    assert found.select("id", "prediction", "score").equals(expected.select("id", "prediction", "score"))
