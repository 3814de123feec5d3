"""NDJSON lines are read as Python's json module and a request to a server read them, and none is lost."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.errors import InputRefused, UsageError
from mlship.model.signature import Column, Signature, Tensor
from mlship.model.values.records import read_records
from mlship.tables.contract import ByteInput, Wanted
from mlship.tables.ndjson import NdjsonRows, NdjsonSource
from mlship.tables.streams import LocalFile, Packed, Pipe, packed

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NOTHING = Signature((), (), ())
SIGNATURE = Signature(
    (
        Column("f", "float64", "t", nullable=False),
        Column("n", "int64", "t"),
        Column("s", "string", "s"),
        Column("b", "bool", "t"),
        Column("d", "date", "t"),
        Column("c", "category", "s", categories=("x", "é"), unknown=False),
        Column("w", "float32", "t"),
    ),
    (Tensor("t", "float64"), Tensor("s", "string")),
    (),
)
NUMBERS = st.one_of(
    st.integers(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.just(-0.0)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(["x", "2020-01-31", '"\\']))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
KEYS = st.sampled_from(["f", "n", "s", "b", "d", "c", "w", "*", 'say "a\\b', "é\n", "^k$", ""])
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=6), min_size=1, max_size=6)
# Lines of which most are no objects.
BROKEN = st.sampled_from(
    [b'{"f":NaN}', b'{"f":1}x', b'{"f":1},{"f":2}', b'{"f":[1', b"2]}", b"[]", b"1", b"null", b'{"f":1,}', b"{'f':1}",
     b'{"f":-Infinity}', b'{"f":1e999}', b'{"f":"\xff"}', b'{"f":"\\ud800"}', b'{"f":01}', b'{"f":1}\0', b'\x0c', b"{",
     b'{"f":' + b"[" * 2000 + b"]" * 2000 + b"}", b'{"f":1.5}', b'{"f":1, "f":2.5}', b' {"f" : 3} \r', b"{}", b'"f"',
     b'\xef\xbb\xbf{"f":1}', b"", b" \t", b"\r"]
)  # fmt: skip


def put(folder: Path, data: bytes) -> LocalFile:
    """Write a file."""
    path = folder / "input.ndjson"
    path.write_bytes(data)
    return LocalFile(path)


def rows_of(given_bytes: ByteInput, wanted: Wanted, size: int = 1 << 20) -> list[NdjsonRows]:
    """Return the rows of each chunk."""
    source = NdjsonSource(given_bytes, size)
    return [source.read(chunk, wanted) for chunk in source.plan()]


def told(rows: list[NdjsonRows]) -> list[tuple[int | None, str, list[tuple[str | None, str]]]]:
    """Return for each row where it begins, its text, and its refused values."""
    found = []
    for part in rows:
        errors = part.coerced().errors
        for row in range(part.count):
            bad: list[tuple[str | None, str]] = [(error.column, error.code) for error in errors if error.row == row]
            found.append((part.byte(row), part.record(row), bad))
    return found


@SAME_FOLDER
@given(records=RECORDS, ascii_only=st.booleans())
def test_values_are_those_of_a_request(tmp_path: Path, records: list[dict[str, Any]], ascii_only: bool) -> None:
    """Columns, null and reasons are what `read_records` makes of the same objects in a request's body."""
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    body = ("[" + ",".join(lines) + "]").encode()
    expected = read_records(SIGNATURE, orjson.loads(body))
    (rows,) = rows_of(put(tmp_path, "\n".join(lines).encode()), Wanted(SIGNATURE))
    found = rows.coerced()
    assert found.errors == expected.errors
    for name, values in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name], values)


@SAME_FOLDER
@given(lines=st.lists(BROKEN, max_size=8), end=st.sampled_from([b"\n", b"\r\n", b""]))
def test_each_line_is_a_row_of_its_own(tmp_path: Path, lines: list[bytes], end: bytes) -> None:
    """Row by row, a line is read as a request's body would be, or is refused as a whole; blank ones are no rows."""
    lines = [b'{"f":7}', *lines]
    data = (b"\r\n" if end == b"\r\n" else b"\n").join(lines) + end
    expected = []
    at = 0
    for line in data.split(b"\n"):
        if line.strip(b" \t\r"):
            expected.append((at, line))
        at += len(line) + 1
    signature = Signature(SIGNATURE.inputs[:1], SIGNATURE.tensors[:1], ())
    found = told(rows_of(put(tmp_path, data), Wanted(signature)))
    assert [at for at, _, _ in found] == [at for at, _ in expected]
    for (_, text, bad), (_, line) in zip(found, expected, strict=True):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            assert bad == [(None, "bad_encoding" if b"\xff" in line else "bad_json")]
        else:
            same = read_records(signature, [value]).errors if isinstance(value, dict) else None
            assert bad == ([(None, "bad_json")] if same is None else [(error.column, error.code) for error in same])
        assert text == line.removesuffix(b"\r").decode(errors="backslashreplace")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('{"f": true}', "not_a_number"),
        ('{"f": "1"}', "not_a_number"),
        ('{"f": null}', "null_not_allowed"),
        ('{"g": 1}', "missing_column"),
        ('{"f": [1]}', "not_a_number"),
        ('{"f": 123456789012345678901234567890}', None),
        ('{"f": 1, "f": "x"}', "not_a_number"),
        ('{"f": "x", "f": 1}', None),
    ],
)
def test_reasons(tmp_path: Path, line: str, code: str | None) -> None:
    """A value that the model does not accept is refused with its reason; of a key twice the last one counts."""
    signature = Signature(SIGNATURE.inputs[:1], SIGNATURE.tensors[:1], ())
    ((_, _, bad),) = told(rows_of(put(tmp_path, line.encode()), Wanted(signature)))
    assert bad == ([("f", code)] if code else [])


@SAME_FOLDER
@given(
    lines=st.lists(BROKEN | VALUES.map(lambda value: json.dumps({"f": value}).encode()), max_size=12),
    sizes=st.tuples(st.integers(1, 60), st.integers(1, 500)),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_chunks_do_not_change_rows(tmp_path: Path, lines: list[bytes], sizes: tuple[int, int], mark: bytes) -> None:
    """Whatever the chunk size, packed, piped or plain, and wherever planning goes on, rows and chunks are the same."""
    data = mark + b'{"f":1}\n' + b"\n".join(lines)
    file = put(tmp_path, data)
    wanted = Wanted(SIGNATURE)
    found = [told(rows_of(file, wanted, size)) for size in (*sizes, 1 << 20)]
    assert found[0] == found[1] == found[2]
    chunks = list(NdjsonSource(file, sizes[0]).plan())
    assert b"".join(chunk.data or b"" for chunk in chunks) == data[len(mark) :]
    zipped = tmp_path / "input.ndjson.zst"
    zipped.write_bytes(packed(data, "zst"))
    others: list[ByteInput] = [Packed(LocalFile(zipped), "zst"), Pipe("-", io.BytesIO(data))]
    for other in others:
        source = NdjsonSource(other, sizes[0])
        assert source.total is None
        again = list(source.plan())
        assert again == chunks
        assert [chunk.data for chunk in again] == [chunk.data for chunk in chunks]
    for done, chunk in enumerate(chunks):
        for given_bytes in (file, others[0]):
            assert list(NdjsonSource(given_bytes, sizes[0]).plan(chunk.stop, done + 1)) == chunks[done + 1 :]


def test_a_chunk_is_read_again_without_its_bytes(tmp_path: Path) -> None:
    """A chunk remembered by its place alone gives the same rows, until the file is shorter."""
    file = put(tmp_path, b'{"f":1}\n{"f":2}\n{"f":3}\n')
    source = NdjsonSource(file, 10)
    chunk = list(source.plan())[1]
    bare = type(chunk)(chunk.index, chunk.start, chunk.stop)
    assert told([source.read(bare, Wanted(NOTHING))]) == [(8, '{"f":2}', [])]
    put(tmp_path, b'{"f":1}\n{"f"')
    with pytest.raises(InputRefused, match="became shorter while it was read") as caught:
        source.read(bare, Wanted(NOTHING))
    assert caught.value.code == "input_changed"


def test_columns_are_the_keys_in_order_of_appearance(tmp_path: Path) -> None:
    """Keys of later lines are columns too, a line without one has null there, and refused lines have none."""
    data = b'{"b":1,"a":2}\n{"a":3,"c":[]}\nx\n{"b":4}\n'
    source = NdjsonSource(put(tmp_path, data), 1)
    assert source.columns == ("b", "a", "c")
    assert source.total == len(data)
    wanted = Wanted(NOTHING, source.columns)
    parts = [source.read(chunk, wanted) for chunk in source.plan()]
    assert [part.count for part in parts] == [1, 1, 1, 1]
    with pytest.raises(UsageError):
        list(NdjsonSource(Pipe("-", io.BytesIO(data)), 1).plan(3))


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"", "empty_input", "is empty"),
        (b"\n \r\n", "empty_input", "is empty"),
        (b"\xef\xbb\xbf", "empty_input", "is empty"),
        (b'[\n{"a":1},\n{"a":2}\n]\n', "not_ndjson", "one JSON object a line"),
        (b'[{"a":1},{"a":2}]', "not_ndjson", "one JSON object a line"),
        (b'{\n "a": 1\n}\n', "not_ndjson", "one JSON object a line"),
        (b"a,b\n1,2\n", "not_ndjson", "one JSON object a line"),
        (b'{"a":1}\r{"a":2}\r', "not_ndjson", "one JSON object a line"),
        ('{"a":1}\n'.encode("utf-16"), "not_ndjson", "UTF-16"),
        ('{"a":1}\n'.encode("utf-16-le"), "not_ndjson", "one JSON object a line"),
        (b"PAR1....", "not_ndjson", "a Parquet file"),
        (packed(b'{"a":1}\n', "gz"), "not_ndjson", "compressed with gzip"),
        (b'{"a":"' + b"x" * (1 << 25) + b'"}\n', "line_too_long", "longer than 32 MiB"),
    ],
)
def test_what_is_no_ndjson_is_refused(tmp_path: Path, data: bytes, code: str, said: str) -> None:
    """Another kind of file is refused with its cause when it is opened, and never read as no rows."""
    with pytest.raises(InputRefused, match=said) as caught:
        NdjsonSource(put(tmp_path, data), 1000)
    assert (caught.value.code, caught.value.hint is not None) == (code, True)


def test_a_line_that_never_ends_is_refused_where_it_begins(tmp_path: Path) -> None:
    """Past the first chunk, a line of more than 32 MiB is named by its place."""
    file = put(tmp_path, b'{"a":1}\n' * 1_100_000 + b"x" * ((1 << 25) + 1))
    with pytest.raises(InputRefused, match="begins at byte 8800000"):
        list(NdjsonSource(file, 1 << 16).plan())


def test_a_long_line_is_a_chunk_of_its_own(tmp_path: Path) -> None:
    """A line longer than the chunk size is read whole, and the next ones are not drawn into its chunk."""
    data = b'{"a":1}\n{"a":"' + b"x" * 1000 + b'"}\n{"a":2}\n'
    chunks = list(NdjsonSource(put(tmp_path, data), 20).plan())
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 8), (8, 1017), (1017, 1025)]


def test_other_columns_are_read_by_the_rules_of_their_own_signature(tmp_path: Path) -> None:
    """A second signature gets its columns out of the same lines, refused ones included."""
    (rows,) = rows_of(put(tmp_path, b'{"f":1,"g":"x"}\nno\n{"f":2}'), Wanted(NOTHING, (), ("g",)))
    found = rows.other(Signature((Column("g", "string", "s"),), (Tensor("s", "string"),), ()))
    assert found.columns["g"].tolist() == ["x", None, None]
    assert [(error.row, error.column, error.code) for error in found.errors] == [
        (1, None, "bad_json"), (2, "g", "missing_column"),
    ]  # fmt: skip


def test_lines_that_are_valid_only_together_stay_apart(tmp_path: Path) -> None:
    """Three lines that would be three objects when joined are three refused rows."""
    data = b'{"f":0}\n{"f":1},{"f":2}\n{"f":[{}\n{}]}\n'
    bad = [bad for _, _, bad in told(rows_of(put(tmp_path, data), Wanted(NOTHING)))]
    assert bad == [[], *[[(None, "bad_json")]] * 3]


def test_no_value_of_a_file_is_told(tmp_path: Path) -> None:
    """Errors name file, place and kind, never what stood there."""
    with pytest.raises(InputRefused) as caught:
        NdjsonSource(put(tmp_path, b"secret"), 1000)
    assert not re.search("secret", caught.value.message + (caught.value.hint or ""))
    (rows,) = rows_of(put(tmp_path, b'{"f":"secret"}\n"secret"'), Wanted(SIGNATURE))
    assert all("secret" not in error.kind for error in rows.coerced().errors)


def test_not_a_number_never_comes_from_json(tmp_path: Path) -> None:
    """Null in a number that may be null is NaN in the column, as everywhere."""
    signature = Signature((Column("n", "float64", "t"),), SIGNATURE.tensors[:1], ())
    (rows,) = rows_of(put(tmp_path, b'{"n":null}'), Wanted(signature))
    assert math.isnan(rows.coerced().columns["n"].astype(np.float64)[0])
    assert pl.DataFrame(rows.kept(np.array([True]))).width == 0
