"""Parquet files are read with all their types and written with them, or refused as damaged."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet
import pytest

from mlship.errors import InputRefused
from mlship.model.signature import Column, Dtype, Output, Signature, Tensor
from mlship.model.values.codes import Coerced
from mlship.tables.contract import Chunk
from mlship.tables.parquet import ParquetSink, ParquetSource

NOON = dt.datetime(2020, 1, 31, 12, 30, 15, 250_000)  # noqa: DTZ001 - most tables have times without zone
BERLIN = pl.Datetime("ms", "Europe/Berlin")
OUTPUTS = (
    Output("p", "string", "label", "p"),
    Output("s", "float64", "score", "s"),
    Output("n", "int64", "raw", "n"),
    Output("b", "bool", "raw", "b"),
)


def read_column(folder: Path, series: pl.Series, column: Column, chunk_size: int = 1 << 20) -> Coerced:
    """Write a column to a file and read it back as a column of a model; all of it must make one chunk."""
    path = folder / "input.parquet"
    series.rename(column.name).to_frame().write_parquet(path)
    tensor = {"float32": "float32", "string": "string", "category": "string", "int64": "int64"}
    signature = Signature((column,), (Tensor("t", tensor.get(column.dtype, "float64")),), ())
    source = ParquetSource(path, chunk_size)
    (chunk,) = source.plan()
    return source.read(chunk, (column.name,)).coerced(signature, ())


@pytest.mark.parametrize(
    ("series", "dtype", "expected"),
    [
        *(
            pytest.param(pl.Series([1, None, 7], dtype=kind), wanted, [1.0, None, 7.0], id=f"{kind} as {wanted}")
            for kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
            for wanted in ("int64", "float64", "float32")
        ),
        pytest.param(pl.Series([1.5, None], dtype=pl.Float32), "float64", [1.5, None], id="float32"),
        pytest.param(pl.Series([1.5, float("nan")]), "float64", [1.5, None], id="NaN is null"),
        pytest.param(pl.Series([Decimal("0.10"), None, Decimal("-7.25")]), "float64", [0.1, None, -7.25], id="decimal"),
        pytest.param(
            pl.Series([Decimal("12345678901234567890.123456789")], dtype=pl.Decimal(38, 9)),
            "float64",
            [12345678901234567890.123456789],
            id="long decimal to the nearest double",
        ),
        pytest.param(pl.Series([True, None, False]), "bool", [1.0, None, 0.0], id="bool"),
        pytest.param(pl.Series(["a", None, "", "NA"]), "string", ["a", None, "", "NA"], id="text, no null tokens"),
        pytest.param(pl.Series(["a", None], dtype=pl.Categorical), "category", ["a", None], id="dictionary"),
        pytest.param(pl.Series(["b", None], dtype=pl.Enum(["a", "b"])), "category", ["b", None], id="enum"),
        pytest.param(pl.Series([NOON, None]), "datetime", [NOON, None], id="time"),
        pytest.param(pl.Series([NOON], dtype=pl.Datetime("ns")), "datetime", [NOON], id="time in nanoseconds"),
        pytest.param(
            pl.Series([NOON]).dt.replace_time_zone("UTC").cast(BERLIN), "datetime", [NOON], id="zoned time as UTC"
        ),
        pytest.param(pl.Series([NOON.date(), None]), "date", [NOON.date(), None], id="date"),
        pytest.param(pl.Series([NOON.date()]), "datetime", [dt.datetime(2020, 1, 31)], id="date as time"),  # noqa: DTZ001
        pytest.param(pl.Series([None, None], dtype=pl.Null), "float64", [None, None], id="nulls only"),
        pytest.param(pl.Series([None], dtype=pl.Null), "string", [None], id="nulls only as text"),
    ],
)
def test_types_are_accepted(tmp_path: Path, series: pl.Series, dtype: Dtype, expected: list[Any]) -> None:
    """Each type of a Parquet column that can say the value says it, null included."""
    found = read_column(tmp_path, series, Column("c", dtype, "t"))
    assert found.errors == []
    values = [
        None if isinstance(value, float) and math.isnan(value) else value for value in found.columns["c"].tolist()
    ]
    assert values == expected


@pytest.mark.parametrize(
    ("series", "dtype", "code"),
    [
        pytest.param(pl.Series(["1"]), "float64", "not_a_number", id="text"),
        pytest.param(pl.Series([True]), "float64", "not_a_number", id="bool"),
        pytest.param(pl.Series([[1.0]]), "float64", "not_a_number", id="list"),
        pytest.param(pl.Series([[1.0]], dtype=pl.Array(pl.Float64, 1)), "float64", "not_a_number", id="array"),
        pytest.param(pl.Series([{"a": 1.0}]), "float64", "not_a_number", id="structure"),
        pytest.param(pl.Series([["a"]]), "string", "not_a_string", id="list of texts"),
        pytest.param(pl.Series([{"a": "b"}]), "string", "not_a_string", id="structure of texts"),
        pytest.param(pl.Series([b"a"]), "string", "not_a_string", id="bytes"),
        pytest.param(pl.Series([1]), "string", "not_a_string", id="number"),
        pytest.param(pl.Series([1.5]), "int64", "not_an_integer", id="fraction"),
        pytest.param(pl.Series([2**63], dtype=pl.UInt64), "int64", "out_of_range", id="too large"),
        pytest.param(pl.Series([dt.timedelta(1)]), "float64", "not_a_number", id="duration"),
        pytest.param(pl.Series([dt.time(1)]), "datetime", "not_a_date", id="time of day"),
        pytest.param(pl.Series([NOON]), "date", "not_a_date", id="time for a date"),
        pytest.param(pl.Series([None], dtype=pl.List(pl.Int8)), "float64", "null_not_allowed", id="null list"),
    ],
)
def test_types_that_cannot_say_the_value_are_refused(
    tmp_path: Path, series: pl.Series, dtype: Dtype, code: str
) -> None:
    """A column of another kind is refused value by value, with the reason."""
    found = read_column(tmp_path, series, Column("c", dtype, "t", nullable=False))
    assert [(error.row, error.column, error.code) for error in found.errors] == [(0, "c", code)]


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize("chunk_size", [1, 500, 1 << 20])
@pytest.mark.parametrize("group", [7, 1000])
def test_chunks_cover_every_row_once(tmp_path: Path, rows: int, chunk_size: int, group: int) -> None:
    """Slices lie side by side, whatever the row groups, and hold about the chunk size."""
    path = tmp_path / "input.parquet"
    frame = pl.DataFrame({"n": np.arange(rows), "*": np.arange(rows) / 7, "^s$": [f"row {row}" for row in range(rows)]})
    frame.write_parquet(path, row_group_size=group)
    source = ParquetSource(path, chunk_size)
    chunks = list(source.plan())
    assert chunks == list(source.plan())
    assert source.columns == ("n", "*", "^s$")
    assert (chunks[-1].stop if chunks else 0) == source.total == rows
    read = [source.read(chunk, ("^s$", "n")) for chunk in chunks]
    kept = [part.kept(("n", "^s$"), np.ones(part.count, dtype=np.bool_)) for part in read]
    if rows:
        assert pl.concat(kept).equals(frame[["n", "^s$"]])
    assert [part.count for part in read] == [chunk.stop - chunk.start for chunk in chunks]
    if rows == 1000:
        widest = {1: 1, 500: 32, 1 << 20: 1000}[chunk_size]
        assert widest // 4 < chunks[0].stop <= widest


def test_fewer_rows_than_planned_are_refused(tmp_path: Path) -> None:
    """A slice that holds fewer rows than it should is noticed."""
    path = tmp_path / "input.parquet"
    pl.DataFrame({"a": [1, 2, 3]}).write_parquet(path)
    with pytest.raises(InputRefused, match="1 rows were found from row 3 on where 5 should be"):
        ParquetSource(path, 1000).read(Chunk(0, 2, 7), ("a",))


def test_row_groups_have_a_bounded_number_of_rows(tmp_path: Path) -> None:
    """A large file has several row groups, so that whoever reads it needs little memory."""
    rows = (1 << 17) + 5
    sink = ParquetSink(tmp_path / "out.parquet", pl.DataFrame(), OUTPUTS[2:3])
    sink.write(pl.DataFrame(), {"n": np.arange(rows)})
    sink.finish()
    found = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet").metadata
    assert [found.row_group(place).num_rows for place in range(found.num_row_groups)] == [1 << 17, 5]


def test_rows_that_grow_are_seen_when_the_chunk_size_is_shared_out(tmp_path: Path) -> None:
    """Chunks are small enough for the widest rows found, not only for the first ones."""
    path = tmp_path / "input.parquet"
    pl.DataFrame({"s": ["x"] * 10_000 + ["y" * 10_000] * 10_000}).write_parquet(path)
    source = ParquetSource(path, 1_000_000)
    assert next(source.plan()).stop <= 200


def test_accepted_rows_are_kept_with_their_dtypes(tmp_path: Path) -> None:
    """Kept columns of the accepted rows keep dtype and order."""
    path = tmp_path / "input.parquet"
    frame = pl.DataFrame({"a": pl.Series([1, 2, 3], dtype=pl.Int8), "l": [[1], [], None], "b": ["x", "y", None]})
    frame.write_parquet(path)
    source = ParquetSource(path, 1 << 20)
    rows = source.read(next(source.plan()), source.columns)
    kept = rows.kept(("l", "a"), np.array([True, False, True]))
    assert kept.equals(frame.select("l", "a")[[0, 2]])
    assert source.none_of(("l", "a")).schema == kept.schema


def written(path: Path, frame: pl.DataFrame, step: int) -> bytes:
    """Write a frame's columns as kept ones, some rows at a time, and return the file's bytes."""
    rows = frame.height
    arrays = {
        "p": np.array([f"label {row}" for row in range(rows)], dtype=object),
        "s": np.where(np.arange(rows) % 3 == 0, np.nan, np.arange(rows) / 3),
        "n": np.arange(rows),
        "b": np.arange(rows) % 2 == 0,
    }
    sink = ParquetSink(path, frame.clear(), OUTPUTS)
    for start in range(0, rows, step):
        part = {name: values[start : start + step] for name, values in arrays.items()}
        sink.write(frame[start : start + step], part)
    sink.finish()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


def odd_frame(rows: int) -> pl.DataFrame:
    """Return columns of many dtypes, with names that are patterns elsewhere."""
    texts = [None if row % 11 == 0 else f"t{row % 5}" for row in range(rows)]
    return pl.DataFrame(
        {
            "*": pl.Series([row % 100 for row in range(rows)], dtype=pl.UInt8),
            "^c$": pl.Series(texts, dtype=pl.Categorical),
            "e": pl.Series(texts, dtype=pl.Enum([f"t{place}" for place in range(5)])),
            "l": [[row] * (row % 3) for row in range(rows)],
            "z": pl.Series([NOON] * rows, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC").cast(BERLIN),
            "d": pl.Series([Decimal(row) / 4 for row in range(rows)], dtype=pl.Decimal(20, 2)),
            "i": pl.Series([b"\xff\0"] * rows),
        }
    )


def test_files_are_the_same_bytes_however_they_are_chunked(tmp_path: Path) -> None:
    """The bytes of a file do not depend on the number of rows written at a time."""
    frame = odd_frame(3000)
    contents = []
    for step in (1, 77, 3000):
        folder = tmp_path / f"{step} a=1 [x]*?"
        folder.mkdir()
        contents.append(written(folder / "out [y].parquet", frame, step))
    assert contents[0] == contents[1] == contents[2]


def test_files_keep_dtypes_and_values(tmp_path: Path) -> None:
    """Kept columns come back as they were, outputs typed, also for another reader of Parquet."""
    frame = odd_frame(500)
    path = tmp_path / "out.parquet"
    written(path, frame, 100)
    back = pl.read_parquet(path, glob=False)
    assert back.select(frame.columns[1:]).equals(frame.select(frame.columns[1:]))
    assert dict(list(back.schema.items())[:7]) == dict(frame.schema)
    assert back.columns[7:] == ["p", "s", "n", "b"]
    assert back.dtypes[7:] == [pl.String, pl.Float64, pl.Int64, pl.Boolean]
    assert back["s"].is_nan().sum() == 167
    assert back["s"].null_count() == 0
    assert pyarrow.parquet.read_table(path).num_rows == 500


def test_no_rows_make_a_typed_file(tmp_path: Path) -> None:
    """A file without rows has all its columns."""
    path = tmp_path / "out.parquet"
    written(path, odd_frame(0), 1)
    assert pl.read_parquet_schema(path)["d"] == pl.Decimal(20, 2)
    assert pl.read_parquet_schema(path)["s"] == pl.Float64


@pytest.mark.parametrize("share", range(0, 100, 4))
def test_truncated_files_are_refused(tmp_path: Path, share: int) -> None:
    """A file cut short anywhere is refused, and never read as a shorter one."""
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"a": np.arange(2000), "s": [str(row) for row in range(2000)]}).write_parquet(whole)
    data = whole.read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(data[: len(data) * share // 100])
    with pytest.raises(InputRefused, match=r"cut\.parquet") as caught:
        ParquetSource(path, 1000)
    assert caught.value.code == ("empty_input" if share == 0 else "damaged_input")


def test_damage_inside_is_refused_or_keeps_the_number_of_rows(tmp_path: Path) -> None:
    """Bytes overwritten inside a file end in a refusal, or in as many rows as the file says: never in a crash."""
    path = tmp_path / "input.parquet"
    pl.DataFrame({"a": np.arange(2000), "s": [str(row) for row in range(2000)]}).write_parquet(path)
    data = path.read_bytes()
    refused = 0
    for at in range(4, len(data) - 8, len(data) // 60):
        path.write_bytes(data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 4]) + data[at + 4 :])
        try:
            source = ParquetSource(path, 4000)
            rows = sum(source.read(chunk, source.columns).count for chunk in source.plan())
        except InputRefused:
            refused += 1
        else:
            assert rows == source.total
    assert refused >= 5
