"""Files of typed columns are read with all their types and written with them, or refused as damaged."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.feather
import pyarrow.parquet
import pytest

from mlship.errors import InputRefused
from mlship.model.signature import Column, Dtype, Output, Signature, Tensor
from mlship.model.values.codes import Array, Coerced
from mlship.tables.contract import Chunk, Encoder, Wanted
from mlship.tables.ipc import IpcEncoder, IpcSource
from mlship.tables.parquet import ParquetEncoder, ParquetSource
from mlship.tables.slices import SlicedSource

ROOT = Path(__file__).resolve().parents[2]
NOTHING = Signature((), (), ())
NOON = dt.datetime(2020, 1, 31, 12, 30, 15, 250_000)  # noqa: DTZ001 - most tables have times without zone
BERLIN = pl.Datetime("ms", "Europe/Berlin")
OUTPUTS = (
    Output("p", "string", "label", "p"),
    Output("s", "float64", "score", "s"),
    Output("n", "int64", "raw", "n"),
    Output("b", "bool", "raw", "b"),
)


@dataclass(frozen=True)
class Kind:
    """A format, and how Polars writes and reads it."""

    name: str
    source: type[SlicedSource]
    encoder: Callable[[pl.DataFrame, Sequence[Output]], Encoder]

    def write(self, frame: pl.DataFrame, path: Path, rows: int | None = None) -> Path:
        """Write a file in groups of so many rows."""
        if self.name == "parquet":
            frame.write_parquet(path, row_group_size=rows)
        else:
            frame.write_ipc(path, record_batch_size=rows)
        return path

    def read(self, path: Path) -> pl.DataFrame:
        """Read a file."""
        return pl.read_parquet(path, glob=False) if self.name == "parquet" else pl.read_ipc(path)


@pytest.fixture(
    params=[Kind("parquet", ParquetSource, ParquetEncoder), Kind("ipc", IpcSource, IpcEncoder)],
    ids=lambda kind: kind.name,
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each format of typed columns."""
    found: Kind = request.param
    return found


def read_column(folder: Path, kind: Kind, series: pl.Series, column: Column) -> Coerced:
    """Write a column to a file and read it back as a column of a model; all of it must make one chunk."""
    path = kind.write(series.rename(column.name).to_frame(), folder / "input")
    tensor = {"float32": "float32", "string": "string", "category": "string", "int64": "int64"}
    signature = Signature((column,), (Tensor("t", tensor.get(column.dtype, "float64")),), ())
    source = kind.source(path, 1 << 20)
    (chunk,) = source.plan()
    return source.read(chunk, Wanted(signature)).coerced()


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
def test_types_are_accepted(tmp_path: Path, kind: Kind, series: pl.Series, dtype: Dtype, expected: list[Any]) -> None:
    """Each type of a column that can say the value says it, null included."""
    found = read_column(tmp_path, kind, series, Column("c", dtype, "t"))
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
    tmp_path: Path, kind: Kind, series: pl.Series, dtype: Dtype, code: str
) -> None:
    """A column of another kind is refused value by value, with the reason."""
    found = read_column(tmp_path, kind, series, Column("c", dtype, "t", nullable=False))
    assert [(error.row, error.column, error.code) for error in found.errors] == [(0, "c", code)]


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize("chunk_size", [1, 500, 1 << 20])
@pytest.mark.parametrize("group", [7, 1000])
def test_chunks_cover_every_row_once(tmp_path: Path, kind: Kind, rows: int, chunk_size: int, group: int) -> None:
    """Slices lie side by side, whatever the row groups, and hold about the chunk size."""
    frame = pl.DataFrame({"n": np.arange(rows), "*": np.arange(rows) / 7, "^s$": [f"row {row}" for row in range(rows)]})
    source = kind.source(kind.write(frame, tmp_path / "input", group), chunk_size)
    chunks = list(source.plan())
    assert chunks == list(source.plan())
    assert source.columns == ("n", "*", "^s$")
    assert (chunks[-1].stop if chunks else 0) == source.total == rows
    read = [source.read(chunk, Wanted(NOTHING, ("n", "^s$"), ("*",))) for chunk in chunks]
    kept = [part.kept(np.ones(part.count, dtype=np.bool_)) for part in read]
    if rows:
        assert pl.concat(kept).equals(frame[["n", "^s$"]])
    assert [part.count for part in read] == [chunk.stop - chunk.start for chunk in chunks]
    if rows == 1000:
        widest = {1: 1, 500: 32, 1 << 20: 1000}[chunk_size]
        assert widest // 4 < chunks[0].stop <= widest
    for done in range(len(chunks)):
        assert list(source.plan(chunks[done].stop, done + 1)) == chunks[done + 1 :]


@pytest.mark.parametrize("first", [0, 3])
def test_chunks_are_read_in_any_order_by_several_threads(
    tmp_path: Path, kind: Kind, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows come out right across blocks, from wherever chunks begin, whoever reads them."""
    monkeypatch.setattr("mlship.tables.slices._BLOCK_SIZE", 2048)
    frame = pl.DataFrame({"n": np.arange(5000)})
    source = kind.source(kind.write(frame, tmp_path / "input", 700), 256)
    chunks = list(source.plan(first))

    def read(chunk: Chunk) -> list[int]:
        rows = source.read(chunk, Wanted(NOTHING, ("n",)))
        found: list[int] = rows.kept(np.ones(rows.count, dtype=np.bool_))["n"].to_list()
        return found

    with ThreadPoolExecutor(4) as pool:
        backwards = list(pool.map(read, chunks[::-1]))
    assert [row for rows in backwards[::-1] for row in rows] == list(range(first, 5000))


def test_fewer_rows_than_planned_are_refused(tmp_path: Path, kind: Kind) -> None:
    """A slice that holds fewer rows than it should is noticed."""
    path = kind.write(pl.DataFrame({"a": [1, 2, 3]}), tmp_path / "input")
    with pytest.raises(InputRefused, match="1 rows were found from row 3 on where 5 should be"):
        kind.source(path, 1000).read(Chunk(0, 2, 7), Wanted(NOTHING, ("a",)))


def test_rows_that_grow_are_seen_when_the_chunk_size_is_shared_out(tmp_path: Path, kind: Kind) -> None:
    """Chunks are small enough for the widest rows found, not only for the first ones."""
    frame = pl.DataFrame({"s": ["x"] * 10_000 + ["y" * 10_000] * 10_000})
    source = kind.source(kind.write(frame, tmp_path / "input"), 1_000_000)
    assert next(source.plan()).stop <= 200


def test_accepted_rows_are_kept_with_their_dtypes(tmp_path: Path, kind: Kind) -> None:
    """Kept columns of the accepted rows keep dtype and order."""
    frame = pl.DataFrame({"a": pl.Series([1, 2, 3], dtype=pl.Int8), "l": [[1], [], None], "b": ["x", "y", None]})
    source = kind.source(kind.write(frame, tmp_path / "input"), 1 << 20)
    rows = source.read(next(source.plan()), Wanted(NOTHING, ("a", "l"), ("b",)))
    kept = rows.kept(np.array([True, False, True]))
    assert kept.equals(frame.select("a", "l")[[0, 2]])
    assert source.none_of(("a", "l")).schema == kept.schema
    assert [rows.byte(row) for row in range(rows.count)] == [None] * 3


def test_nothing_wanted_still_has_rows(tmp_path: Path, kind: Kind) -> None:
    """A chunk of which no column is wanted has all its rows, and a column that is not there is missing in each."""
    source = kind.source(kind.write(pl.DataFrame({"a": [1, 2]}), tmp_path / "input"), 1 << 20)
    signature = Signature((Column("b", "float64", "t"),), (Tensor("t", "float64"),), ())
    rows = source.read(next(source.plan()), Wanted(signature))
    assert rows.count == 2
    assert [(error.row, error.code) for error in rows.coerced().errors] == [
        (0, "missing_column"),
        (1, "missing_column"),
    ]


def test_other_columns_are_read_by_the_rules_of_their_own_signature(tmp_path: Path, kind: Kind) -> None:
    """A second signature gets its columns out of the same rows."""
    frame = pl.DataFrame({"a": [1.5, None], "b": ["x", "y"]})
    source = kind.source(kind.write(frame, tmp_path / "input"), 1 << 20)
    one = Signature((Column("a", "float64", "t", nullable=False),), (Tensor("t", "float64"),), ())
    other = Signature((Column("b", "string", "t"),), (Tensor("t", "string"),), ())
    rows = source.read(next(source.plan()), Wanted(one, (), ("b",)))
    assert [(error.row, error.code) for error in rows.coerced().errors] == [(1, "null_not_allowed")]
    assert rows.other(other).columns["b"].tolist() == ["x", "y"]


def test_records_are_json_values(tmp_path: Path, kind: Kind) -> None:
    """A row is told by its columns' names, times by ISO 8601, whatever else JSON lacks as text."""
    frame = odd_frame(12).with_columns(t=pl.lit(NOON), f=pl.lit(float("nan")), n=pl.lit(None))
    source = kind.source(kind.write(frame, tmp_path / "input"), 1 << 20)
    rows = source.read(next(source.plan()), Wanted(NOTHING, source.columns))
    record = json.loads(json.dumps(rows.record(2), allow_nan=False))
    assert {name: record[name] for name in ("*", "^c$", "l", "d", "i", "n")} == {
        "*": 2, "^c$": "t2", "l": [2, 2], "d": "0.50", "i": "\\xff\0", "n": None,
    }  # fmt: skip
    assert (record["t"], record["z"]) == ("2020-01-31T12:30:15.250000", "2020-01-31T13:30:15.250000+01:00")


def written(kind: Kind, path: Path, frame: pl.DataFrame, step: int) -> bytes:
    """Write a frame's columns as kept ones, some rows at a time, and return the file's bytes."""
    arrays = outputs_of(frame.height)
    encoder = kind.encoder(frame.clear(), OUTPUTS)
    assert (encoder.appends, encoder.head()) == (False, b"")
    parts = []
    for place, start in enumerate(range(0, frame.height, step)):
        piece = {name: values[start : start + step] for name, values in arrays.items()}
        parts.append(path.with_name(f"{place} [x]*.part"))
        parts[-1].write_bytes(encoder.rows(frame[start : start + step], piece))
    encoder.assemble(parts, path)
    return path.read_bytes()


def outputs_of(rows: int) -> dict[str, Array]:
    """Return an array for each output column."""
    return {
        "p": np.array([f"label {row}" for row in range(rows)], dtype=object),
        "s": np.where(np.arange(rows) % 3 == 0, np.nan, np.arange(rows) / 3),
        "n": np.arange(rows),
        "b": np.arange(rows) % 2 == 0,
    }


def odd_frame(rows: int) -> pl.DataFrame:
    """Return columns of many dtypes, with names that are patterns elsewhere."""
    texts = [None if row % 11 == 0 else f"t{row % 5}" for row in range(rows)]
    return pl.DataFrame(
        {
            "*": pl.Series([row % 100 for row in range(rows)], dtype=pl.UInt8),
            "": pl.Series([row / 2 for row in range(rows)], dtype=pl.Float64),
            "^c$": pl.Series(texts, dtype=pl.Categorical),
            "e": pl.Series(texts, dtype=pl.Enum([f"t{place}" for place in range(5)])),
            "l": [[row] * (row % 3) for row in range(rows)],
            "z": pl.Series([NOON] * rows, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC").cast(BERLIN),
            "d": pl.Series([Decimal(row) / 4 for row in range(rows)], dtype=pl.Decimal(20, 2)),
            "i": pl.Series([b"\xff\0"] * rows),
        }
    )


def test_files_are_the_same_bytes_however_they_are_chunked(
    tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of a file do not depend on the number of rows written at a time, in one row group or in several."""
    monkeypatch.setattr("mlship.tables.assembled._GROUP_ROWS", 1024)
    frame = odd_frame(3000)
    contents = []
    for step in (10, 77, 1024, 3000):
        folder = tmp_path / f"{step} a=1 [x]*?"
        folder.mkdir()
        contents.append(written(kind, folder / "out [y]", frame, step))
    assert len(set(contents)) == 1


WRITE = """
import sys
from pathlib import Path
import numpy as np, polars as pl
from mlship.model.signature import Output
from mlship.tables.ipc import IpcEncoder
from mlship.tables.parquet import ParquetEncoder
kinds = {"parquet": ParquetEncoder, "ipc": IpcEncoder}
folder = Path(sys.argv[2])
encoder = kinds[sys.argv[1]](pl.DataFrame(schema={"t": pl.String}), (Output("n", "int64", "raw", "n"),))
parts = [folder / f"{place}.part" for place in range(40)]
for place, part in enumerate(parts):
    numbers = np.arange(10_000) * place
    part.write_bytes(encoder.rows(pl.DataFrame({"t": [str(number) for number in numbers]}), {"n": numbers}))
encoder.assemble(parts, folder / "whole")
"""


def test_files_are_the_same_bytes_with_any_number_of_threads(tmp_path: Path, kind: Kind) -> None:
    """Several row groups, made by one thread or by three, are the same file."""
    found = set()
    for threads in ("1", "3"):
        folder = tmp_path / threads
        folder.mkdir()
        environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", WRITE, kind.name, str(folder)], env=environment, check=True, timeout=120)
        found.add((folder / "whole").read_bytes())
    assert len(found) == 1


def test_files_keep_dtypes_and_values(tmp_path: Path, kind: Kind) -> None:
    """Kept columns come back as they were, outputs typed, also for another reader; part by part as in one file."""
    frame = odd_frame(500)
    path = tmp_path / "out"
    written(kind, path, frame, 100)
    back = kind.read(path)
    assert back.select(frame.columns[1:]).equals(frame.select(frame.columns[1:]))
    assert dict(list(back.schema.items())[:8]) == dict(frame.schema)
    assert back.columns[8:] == ["p", "s", "n", "b"]
    assert back.dtypes[8:] == [pl.String, pl.Float64, pl.Int64, pl.Boolean]
    assert back["s"].is_nan().sum() == 167
    assert back["s"].null_count() == 0
    table = pyarrow.parquet.read_table(path) if kind.name == "parquet" else pyarrow.feather.read_table(path)
    assert table.num_rows == 500
    single = tmp_path / "single"
    single.write_bytes(kind.encoder(frame.clear(), OUTPUTS).file(frame, outputs_of(500)))
    assert kind.read(single).equals(back)


def test_no_rows_make_a_typed_file(tmp_path: Path, kind: Kind) -> None:
    """A file without rows has all its columns."""
    path = tmp_path / "out"
    written(kind, path, odd_frame(0), 1)
    schema = kind.read(path).schema
    assert schema["d"] == pl.Decimal(20, 2)
    assert schema["s"] == pl.Float64
    assert kind.source(path, 1000).total == 0


def test_row_groups_have_a_bounded_number_of_rows(tmp_path: Path) -> None:
    """A large file has several row groups, so that whoever reads it needs little memory."""
    rows = (1 << 17) + 5
    encoder = ParquetEncoder(pl.DataFrame(), OUTPUTS[2:3])
    part = tmp_path / "part"
    part.write_bytes(encoder.rows(pl.DataFrame(), {"n": np.arange(rows)}))
    encoder.assemble([part], tmp_path / "out.parquet")
    found = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet").metadata
    assert [found.row_group(place).num_rows for place in range(found.num_row_groups)] == [1 << 17, 5]


def test_what_the_system_refuses_to_write_is_told_as_such(tmp_path: Path, kind: Kind) -> None:
    """A file that cannot be made is an error of the system, and so is a part that is gone."""
    encoder = kind.encoder(pl.DataFrame(), OUTPUTS[2:3])
    with pytest.raises(OSError, match="absent"):
        encoder.assemble([], tmp_path / "absent" / "out")
    with pytest.raises(OSError, match="gone"):
        encoder.assemble([tmp_path / "gone"], tmp_path / "out")


@pytest.mark.parametrize("share", range(0, 100, 4))
def test_truncated_files_are_refused(tmp_path: Path, kind: Kind, share: int) -> None:
    """A file cut short anywhere is refused, and never read as a shorter one."""
    frame = pl.DataFrame({"a": np.arange(2000), "s": [str(row) for row in range(2000)]})
    data = kind.write(frame, tmp_path / "whole").read_bytes()
    path = tmp_path / "cut.file"
    path.write_bytes(data[: len(data) * share // 100])
    with pytest.raises(InputRefused, match=r"cut\.file") as caught:
        kind.source(path, 1000)
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
            rows = sum(source.read(chunk, Wanted(NOTHING, source.columns)).count for chunk in source.plan())
        except InputRefused:
            refused += 1
        else:
            assert rows == source.total
    assert refused >= 5


def test_other_arrow_files_are_refused_with_what_turns_them_into_one(tmp_path: Path) -> None:
    """The stream format is refused, and the hint, typed, makes a file that is read."""
    path = tmp_path / "stream.arrow"
    pl.DataFrame({"a": [1, 2]}).write_ipc_stream(path)
    with pytest.raises(InputRefused, match=r"stream\.arrow' is in the stream format") as caught:
        IpcSource(path, 1000)
    assert caught.value.hint is not None
    command = shlex.split(caught.value.hint.removeprefix("Write it again: "))
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True, timeout=120)
    assert IpcSource(tmp_path / "NEW.arrow", 1000).total == 2


@pytest.mark.parametrize(("start", "said"), [(b"FEA1", "first version of Feather"), (b"PAR1", "begin with ARROW1")])
def test_what_is_no_arrow_file_is_refused(tmp_path: Path, start: bytes, said: str) -> None:
    """A file that begins as another kind does is told apart."""
    path = tmp_path / "input.feather"
    path.write_bytes(start + bytes(100))
    with pytest.raises(InputRefused, match=said):
        IpcSource(path, 1000)
