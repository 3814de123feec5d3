"""Inputs in an object store are the bytes that lie there, from any position on, in few requests."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship import objects
from mlship.errors import InputRefused, UsageError, exit_code_of
from mlship.objects import Location, parse
from mlship.tables import stored as tables_objects
from mlship.tables.stored import ObjectInput, polars_options

SIZE = 20_000_000
Requests = list[tuple[int, int]]


def some_bytes(size: int, seed: int = 0) -> bytes:
    """Return bytes that no two places of have alike."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - not a secret


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The ranges that are asked for, as they are."""
    made: Requests = []

    def counted(place: Location, start: int, stop: int, etag: str | None = None) -> bytes:
        made.append((start, stop))
        return objects.get_range(place, start, stop, etag)

    monkeypatch.setattr(tables_objects, "get_range", counted)
    return made


@pytest.fixture
def large(bucket: str) -> str:
    """URI of an object of 20 MB."""
    objects.put(parse(f"{bucket}/in/large.csv"), some_bytes(SIZE))
    return f"{bucket}/in/large.csv"


@pytest.mark.parametrize(
    ("read", "most"),
    [
        pytest.param(lambda stream: stream.read(), 10, id="all at once"),
        pytest.param(lambda stream: b"".join(iter(lambda: stream.read(8192), b"")), 10, id="8 KiB each"),
        pytest.param(lambda stream: b"".join(iter(lambda: stream.read(8 << 20), b"")), 12, id="8 MiB each"),
        pytest.param(b"".join, 10, id="lines"),
        pytest.param(lambda stream: b"".join(iter(lambda: stream.read1(1 << 16), b"")), 10, id="what is there"),
    ],
)
def test_reading_on_takes_few_requests(large: str, requests: Requests, read: Callable[[Any], bytes], most: int) -> None:
    """However small the reads are, each byte is asked for once, in a few requests of at most 8 MiB."""
    with ObjectInput(large).open() as stream:
        assert read(stream) == some_bytes(SIZE)

    assert len(requests) <= most
    assert sum(min(stop, SIZE) - start for start, stop in requests) == SIZE
    assert max(stop - start for start, stop in requests) <= 8 << 20


def test_a_piece_from_the_middle_is_one_request(large: str, requests: Requests) -> None:
    """A chunk read by its place is fetched as it is, with at most a little more."""
    with ObjectInput(large).open(5_000_000) as stream:
        assert stream.read(8_000_000) == some_bytes(SIZE)[5_000_000:13_000_000]

    assert len(requests) <= 3
    assert sum(stop - start for start, stop in requests) < 9_000_000


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(0, 600_000),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 300_000)),
            st.tuples(st.just("seek"), st.integers(0, 700_000)),
            st.tuples(st.just("skip"), st.integers(0, 100_000)),
        ),
        max_size=8,
    ),
)
def test_it_reads_as_a_file_does(bucket: str, size: int, steps: list[tuple[str, int]]) -> None:
    """Any reads and seeks give what they give on the same bytes in memory."""
    data = some_bytes(size)
    objects.put(parse(f"{bucket}/a"), data)
    there, memory = ObjectInput(f"{bucket}/a").open(), io.BytesIO(data)
    for step, number in steps:
        if step == "read":
            assert there.read(number) == memory.read(number)
        elif step == "seek":
            assert there.seek(number) == memory.seek(number)
        else:
            assert there.seek(number, io.SEEK_CUR) == memory.seek(number, io.SEEK_CUR)
        assert there.tell() == memory.tell()
    there.close()


def test_it_tells_name_size_and_state(bucket: str) -> None:
    """Size and etag tell another version from the one that was opened."""
    place = parse(f"{bucket}/a")
    stamp = objects.put(place, b"0123")
    source = ObjectInput(f"{bucket}/a")

    assert (source.name, source.size, source.seekable) == (f"{bucket}/a", 4, True)
    assert source.state() == {"size": 4, "etag": stamp.e_tag}
    assert not source.changed()
    objects.put(place, b"4567")
    assert source.changed()
    objects.delete([place])
    assert source.changed()


@pytest.mark.parametrize("after", [pytest.param(b"", id="cut"), pytest.param(b"x" * SIZE, id="replaced")])
def test_an_object_changed_while_it_is_read_is_refused(large: str, after: bytes) -> None:
    """Two versions are never mixed in one input."""
    with ObjectInput(large).open() as stream:
        stream.read(100)
        objects.put(parse(large), after)
        with pytest.raises(InputRefused) as refused:
            stream.read()
    assert refused.value.message == f"'{large}' was changed while it was read."
    assert (refused.value.code, exit_code_of(refused.value)) == ("input_changed", 3)


def test_refused_inputs(bucket: str) -> None:
    """An absent object is a refused input, and a file's path no URI."""
    with pytest.raises(InputRefused, match=f"'{bucket}/absent' is not there"):
        ObjectInput(f"{bucket}/absent")
    with pytest.raises(UsageError, match="is no URI of a store"):
        ObjectInput("a.csv")


def test_polars_reads_parquet_where_we_do(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars' own reader finds the object by the same environment, also by an endpoint for S3 alone."""
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "y"]})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    objects.put(parse(f"{bucket}/in/a.parquet"), buffer.getvalue())

    uri = f"{bucket}/in/a.parquet"
    assert pl.scan_parquet(uri, storage_options=polars_options(uri)).collect().equals(frame)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert pl.scan_parquet(uri, storage_options=polars_options(uri)).collect().equals(frame)
    assert ObjectInput(uri).size == len(buffer.getvalue())


@pytest.mark.parametrize("uri", ["gs://bucket/a.parquet", "az://container/a.parquet"])
def test_other_stores_need_no_options(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint for S3 is nothing to the others."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert polars_options(uri) == {}
