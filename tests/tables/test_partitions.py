"""What the folders of a tree say is read as columns of the files in it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
import pytest

from mlship.errors import InputRefused
from mlship.model.signature import Column, Signature, Tensor
from mlship.tables.contract import Source, Wanted
from mlship.tables.ndjson import NdjsonSource
from mlship.tables.parquet import ParquetSource
from mlship.tables.partitions import PartitionedSource, partition_values
from mlship.tables.streams import LocalFile

SIGNATURE = Signature(
    (
        Column("year", "int64", "i", nullable=False),
        Column("a", "float64", "t", nullable=False),
        Column("k", "category", "c", categories=("x y", "z"), unknown=False),
    ),
    (Tensor("i", "int64"), Tensor("t", "float64"), Tensor("c", "string")),
    (),
)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("year=2024/k=x%20y/part.parquet", {"year": "2024", "k": "x y"}),
        ("data/year=2024/more/part=1.parquet", {"year": "2024"}),
        ("k=__HIVE_DEFAULT_PARTITION__/p", {"k": None}),
        ("k=a=b%2Fc/p", {"k": "a=b/c"}),
        ("my%20key=/p", {"my key": ""}),
        ("=a/p", {}),
        ("k=%FF/p", {"k": "\ufffd"}),
        ("p", {}),
    ],
)
def test_folders_say_columns(path: str, values: dict[str, str | None]) -> None:
    """Names and texts are decoded, the file's own name says nothing."""
    assert partition_values(PurePosixPath(path)) == values


def test_a_column_said_twice_is_refused() -> None:
    """Of two folders that say the same column, none is believed."""
    with pytest.raises(InputRefused, match="two folders that say the column 'k'") as caught:
        partition_values(PurePosixPath("k=1/k=2/p"))
    assert caught.value.code == "duplicate_columns"


def opened(folder: Path, text: str, kind: str, values: dict[str, str | None]) -> Source:
    """Write NDJSON lines to a file, or the table they are to Parquet, and open it with columns of folders."""
    path = folder / f"input.{kind}"
    if kind == "ndjson":
        path.write_text(text)
        return PartitionedSource(NdjsonSource(LocalFile(path), 1 << 20), values)
    pl.read_ndjson(text.encode()).write_parquet(path)
    return PartitionedSource(ParquetSource(path, 1 << 20), values)


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_columns_of_folders_stand_beside_the_files_own(tmp_path: Path, kind: str) -> None:
    """They are read by the rules for texts, kept as texts, and the file's own column wins."""
    values = {"year": "2024", "k": "x y", "a": "7", "m": None}
    source = opened(tmp_path, '{"a":1.5,"b":"p"}\n{"a":null,"b":"q"}\n{"a":2.5,"b":"r"}\n', kind, values)
    assert source.columns == ("a", "b", "year", "k", "m")
    (chunk,) = source.plan()
    assert source.total == chunk.stop
    assert list(source.plan(chunk.stop, 1)) == []
    rows = source.read(chunk, Wanted(SIGNATURE, ("b", "year", "m")))
    found = rows.coerced()
    assert rows.count == 3
    assert list(found.columns) == ["year", "a", "k"]
    assert found.columns["year"].tolist() == [2024] * 3
    assert found.columns["k"].tolist() == ["x y"] * 3
    assert [(error.row, error.column, error.code) for error in found.errors] == [(1, "a", "null_not_allowed")]
    kept = rows.kept(found.accepted)
    assert kept.columns == ["b", "year", "m"]
    assert kept["year"].to_list() == ["2024"] * 2
    assert kept["m"].to_list() == [None] * 2
    assert source.none_of(("b", "year", "m")).schema == kept.schema
    record = rows.record(2)
    assert "2.5" in record if kind == "ndjson" else record["year"] == "2024"
    assert rows.byte(0) == (0 if kind == "ndjson" else None)


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_a_file_of_which_nothing_is_wanted_has_its_rows(tmp_path: Path, kind: str) -> None:
    """Columns of folders alone come once for each row."""
    source = opened(tmp_path, '{"b":1}\n{"b":2}\n', kind, {"year": "2024"})
    signature = Signature(SIGNATURE.inputs[:1], SIGNATURE.tensors[:1], ())
    rows = source.read(next(source.plan()), Wanted(signature, ("year",)))
    assert rows.coerced().columns["year"].tolist() == [2024, 2024]
    assert rows.kept(np.array([True, False])).rows() == [("2024",)]


def test_texts_that_the_model_refuses_are_refused_in_every_row(tmp_path: Path) -> None:
    """A bad text of a folder refuses each row, except one that is no record anyway."""
    source = opened(tmp_path, '{"a":1}\n[]\n{"a":true}\n', "ndjson", {"year": "no", "k": "new"})
    rows = source.read(next(source.plan()), Wanted(SIGNATURE))
    assert [(error.row, error.column, error.code) for error in rows.coerced().errors] == [
        (0, "year", "not_a_number"), (0, "k", "unknown_category"),
        (1, None, "bad_json"),
        (2, "year", "not_a_number"), (2, "a", "not_a_number"), (2, "k", "unknown_category"),
    ]  # fmt: skip


def test_more_texts_can_mean_null_in_other_signatures_too(tmp_path: Path) -> None:
    """`--null` holds for the texts of folders, and another signature gets them by its own rules."""
    source = opened(tmp_path, '{"a":1}\n', "ndjson", {"k": "-"})
    other = Signature((Column("k", "float64", "t"),), (Tensor("t", "float64"),), ())
    rows = source.read(next(source.plan()), Wanted(Signature((), (), ()), (), ("k",), null=("-",)))
    found = rows.other(other)
    assert found.errors == []
    assert np.isnan(found.columns["k"].astype(np.float64)).all()
