"""Inputs and outputs in an S3 server on loopback, by the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlship import objects
from tests.batch.conftest import Batch

DATA = "my age,income,city\n" + "1,2,Porto\nx,2,Porto\n3,4,Lisboa\n" * 40


def content(uri: str) -> bytes:
    """Return the bytes of an object."""
    return objects.get(objects.parse(uri))[0]


def test_from_a_store_and_into_it(batch: Batch, folder: Path, bucket: str) -> None:
    """Parts in the store, one after the other, are the rows that a file on a disk gets, and so are the rejects."""
    objects.put(objects.parse(f"{bucket}/in/a.csv"), DATA.encode())
    (folder / "a.csv").write_text(DATA)
    here = batch("a.csv", "--keep", "none", "--max-rejects", "99", "--chunk-size", "300")
    there = batch(
        f"{bucket}/in/",
        "-o",
        f"{bucket}/out/",
        "--keep",
        "none",
        "--max-rejects",
        "99",
        "--chunk-size",
        "300",
        "--json",
    )
    assert (here.code, there.code) == (0, 0)
    parts = sorted(uri for uri in there.data["digests"])
    assert len(parts) > 2
    lines = [line for uri in parts for line in content(uri).splitlines()[1:]]
    assert lines == (folder / "a.scored.csv").read_bytes().splitlines()[1:]
    rejects = content(there.data["rejects_file"]).replace(f"{bucket}/in/".encode(), b"")
    assert rejects == (folder / "a.scored.rejects.ndjson").read_bytes()
    assert content(f"{bucket}/out/_SUCCESS") == b""

    again = batch(
        f"{bucket}/in/", "-o", f"{bucket}/out/", "--keep", "none", "--max-rejects", "99", "--chunk-size", "300"
    )
    assert "was scored before and is unchanged" in again.stderr


@pytest.mark.parametrize("ending", ["csv.gz", "ndjson", "parquet", "arrow"])
def test_every_format_lies_in_a_store(batch: Batch, folder: Path, bucket: str, ending: str) -> None:
    """What batch writes in any format can be put into a store, read there, and scored to the same rows."""
    (folder / "a.csv").write_text("my age,income,city\n1,2,Porto\n3,4,Lisboa\n")
    assert batch("a.csv", "-o", "plain.csv", "--keep", "none").code == 0
    typed = "my age,income,city\n1,2,Porto\n3,4,Lisboa\n"
    import polars as pl

    frame = pl.read_csv(typed.encode())
    path = folder / f"b.{ending}"
    match ending:
        case "csv.gz":
            import gzip

            path.write_bytes(gzip.compress(typed.encode()))
        case "ndjson":
            frame.write_ndjson(path)
        case "parquet":
            frame.write_parquet(path)
        case _:
            frame.write_ipc(path)
    objects.put(objects.parse(f"{bucket}/b.{ending}"), path.read_bytes())
    outcome = batch(f"{bucket}/b.{ending}", "-o", "stored.csv", "--keep", "none", "--json")
    assert outcome.data["error"] is None
    assert (folder / "stored.csv").read_bytes() == (folder / "plain.csv").read_bytes()


def test_what_is_not_there_or_no_folder_is_told(batch: Batch, bucket: str) -> None:
    """An absent object is exit 3, an output without a slash or an input without an output exit 2."""
    absent = batch(f"{bucket}/none.csv", "-o", "x.csv", "--json")
    assert (absent.code, f"{bucket}/none.csv" in absent.data["error"]["message"]) == (3, True)
    objects.put(objects.parse(f"{bucket}/a.csv"), DATA.encode())
    single = batch(f"{bucket}/a.csv", "-o", f"{bucket}/out", "--json")
    assert (single.code, single.data["error"]["hint"]) == (2, f"Add a slash: -o '{bucket}/out/'")
    assert batch(f"{bucket}/a.csv").code == 2
