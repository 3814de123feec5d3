"""Files of typed columns are read from an object store as they are from a disk."""

from __future__ import annotations

import io
from collections.abc import Iterator

import boto3
import numpy as np
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from mlship.errors import InputRefused
from mlship.model.signature import Signature
from mlship.tables.contract import Wanted
from mlship.tables.ipc import IpcSource
from mlship.tables.parquet import ParquetSource
from mlship.tables.slices import SlicedSource

FRAME = pl.DataFrame({"n": np.arange(50_000), "s": [str(row) for row in range(50_000)]})
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """Run an S3 server with some objects, and yield what Polars has to know of it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEYS)
    client.create_bucket(Bucket="tables")
    for name, write in (("x [1].parquet", FRAME.write_parquet), ("x [1].arrow", FRAME.write_ipc)):
        content = io.BytesIO()
        write(content)
        client.put_object(Bucket="tables", Key=name, Body=content.getvalue())
    client.put_object(Bucket="tables", Key="empty", Body=b"")
    client.close()
    yield {"aws_endpoint_url": url, "aws_region": "us-east-1", **KEYS}
    server.stop()


@pytest.mark.parametrize(("kind", "ending"), [(ParquetSource, "parquet"), (IpcSource, "arrow")])
def test_objects_are_read_in_chunks(store: dict[str, str], kind: type[SlicedSource], ending: str) -> None:
    """Chunks of an object hold all its rows; an absent one is an error of the system, an empty one is refused."""
    source = kind(f"s3://tables/x [1].{ending}", 1 << 18, store)
    parts = [source.read(chunk, Wanted(Signature((), (), ()), ("s",))) for chunk in source.plan()]
    assert len(parts) > 1
    assert pl.concat([part.kept(np.ones(part.count, dtype=np.bool_)) for part in parts]).equals(FRAME[["s"]])
    with pytest.raises(FileNotFoundError, match="absent"):
        kind(f"s3://tables/absent.{ending}", 1 << 18, store)
    with pytest.raises(InputRefused, match=r"'s3://tables/empty' is no .* file, or it is damaged"):
        kind("s3://tables/empty", 1 << 18, store)
