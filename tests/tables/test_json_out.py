"""Kept columns and predictions become NDJSON and come out of it with equal values, in whichever format they go on."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.errors import UsageError
from mlship.model.signature import Output, Signature
from mlship.model.values.codes import Array
from mlship.tables import jsons, objects
from mlship.tables.contract import Wanted
from mlship.tables.ipc import IpcEncoder
from mlship.tables.ndjson import NdjsonEncoder, NdjsonSource
from mlship.tables.parquet import ParquetEncoder
from mlship.tables.streams import LocalFile
from tests.tables.test_ndjson import RECORDS, VALUES

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NOTHING = Signature((), (), ())
OUTPUTS = (
    Output("p", "string", "label", "p"),
    Output("s", "float64", "score", "s"),
    Output("n", "int64", "raw", "n"),
    Output("y", "bool", "raw", "y"),
)
NOON = dt.datetime(2020, 1, 31, 12, 30, 15, 250_000)  # noqa: DTZ001 - most tables have times without zone
BERLIN = pl.Datetime("ms", "Europe/Berlin")


def arrays(rows: int) -> dict[str, Array]:
    """Return an array for each output column."""
    return {
        "p": np.array(['la"bel'] * rows, dtype=object),
        "s": np.array([np.nan, np.inf, 0.1, 1e300, -0.0] * rows)[:rows],
        "n": np.array([2**63 - 1] * rows),
        "y": np.array([True] * rows),
    }


def kept_of(folder: Path, lines: list[str], size: int = 1 << 20) -> tuple[tuple[str, ...], list[pl.DataFrame]]:
    """Write lines, and return their columns and what of them is kept, chunk by chunk."""
    path = folder / "input.ndjson"
    path.write_bytes("\n".join(lines).encode())
    source = NdjsonSource(LocalFile(path), size)
    wanted = Wanted(NOTHING, source.columns)
    parts = [source.read(chunk, wanted) for chunk in source.plan()]
    return source.columns, [part.kept(part.coerced().accepted) for part in parts]


def same(found: Any, expected: Any) -> bool:
    """Tell whether two JSON values are equal, 1 being neither 1.0 nor true."""
    return json.dumps(found) == json.dumps(expected) and repr(found) == repr(expected)


@SAME_FOLDER
@given(records=RECORDS, size=st.integers(1, 200))
def test_kept_values_are_equal_from_ndjson_to_ndjson(tmp_path: Path, records: list[dict[str, Any]], size: int) -> None:
    """Every kept value comes back equal, integers of any size and nested ones included; a missing key is null."""
    columns, parts = kept_of(tmp_path, [json.dumps(record) for record in records], size)
    encoder = NdjsonEncoder(pl.DataFrame(schema=dict.fromkeys(columns, jsons.JSON)), ())
    found = b"".join(encoder.rows(part, {}) for part in parts) if columns else b"{}\n" * len(records)
    lines = [json.loads(line) for line in found.decode().removesuffix("\n").split("\n")]
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        assert list(line) == list(columns)
        assert all(same(line[name], record.get(name)) for name in columns)


@SAME_FOLDER
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_texts_do_not_depend_on_neighbours(tmp_path: Path, values: list[Any]) -> None:
    """A value has one text, whatever kinds of values stand in its chunk."""
    lines = [json.dumps({"a": value}) for value in values]
    _, together = kept_of(tmp_path, lines)
    _, alone = kept_of(tmp_path, lines, 1)
    assert pl.concat(together).equals(pl.concat(alone))


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("null", None),
        ('""', ""),
        ('"a \\"b\\" \\\\ \\u00e9\\n"', 'a "b" \\ é\n'),
        ('"[1]"', "[1]"),
        ('"null"', "null"),
        ("1.50", "1.5"),
        ("1E3", "1000.0"),
        ("-0.0", "-0.0"),
        ("true", "true"),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551615", "18446744073709551615"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("[1, [2.0], 123456789012345678901234567890]", "[1, [2.0], 123456789012345678901234567890]"),
        ('{"a" : {"b,}": ":"}}', '{"a" : {"b,}": ":"}}'),
        ("[" * 1000 + "]" * 1000, "[" * 1000 + "]" * 1000),
    ],
)
def test_plain_texts_of_json_values(tmp_path: Path, written: str, text: str | None) -> None:
    """To other formats a text goes as itself, all else as its JSON text, a number in its shortest form."""
    _, (kept,) = kept_of(tmp_path, [f'{{"b": "x", "a\\n": {written} }}'])
    assert jsons.plain(kept).rows() == [("x", text)]
    assert jsons.plain(kept.clear()).schema == {"b": pl.String, "a\n": pl.String}


@pytest.mark.parametrize("encoder", [ParquetEncoder, IpcEncoder])
def test_json_goes_on_to_typed_files_as_texts(tmp_path: Path, encoder: type[ParquetEncoder] | type[IpcEncoder]) -> None:
    """NDJSON to Parquet or Arrow gives columns of texts, of the same type in every chunk."""
    _, parts = kept_of(tmp_path, ['{"a": 1.50}', '{"a": "x"}', '{"a": [null]}', "{}"], 1)
    made = encoder(parts[0].clear(), OUTPUTS[2:3])
    files = [tmp_path / f"{place}.part" for place in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        file.write_bytes(made.rows(part, {"n": np.array([1])}))
    made.assemble(files, tmp_path / "out")
    back = pl.read_parquet(tmp_path / "out") if encoder is ParquetEncoder else pl.read_ipc(tmp_path / "out")
    assert back["a"].to_list() == ["1.5", "x", "[null]", None]


CELLS = [
    (pl.Series(["1", "", None, 'say "a\\b"\n\x01é\u2028']), ["1", "", None, 'say "a\\b"\n\x01é\u2028']),
    (pl.Series([1, None], dtype=pl.Int8), [1, None]),
    (pl.Series([2**64 - 1], dtype=pl.UInt64), [2**64 - 1]),
    (pl.Series([2**100], dtype=pl.Int128), [2**100]),
    (pl.Series([0.1, float("nan"), float("-inf"), None, 5e-324, 1e22]), [0.1, None, None, None, 5e-324, 1e22]),
    (pl.Series([0.1], dtype=pl.Float32), [0.1]),
    (pl.Series([True, None]), [True, None]),
    (pl.Series([None], dtype=pl.Null), [None]),
    (pl.Series([Decimal("1.50"), None]), [1.5, None]),
    (pl.Series(["x", None], dtype=pl.Categorical), ["x", None]),
    (pl.Series(["x"], dtype=pl.Enum(["x"])), ["x"]),
    (pl.Series([NOON.date(), None]), ["2020-01-31", None]),
    (pl.Series([NOON, None]), ["2020-01-31T12:30:15.250000", None]),
    (pl.Series([NOON], dtype=pl.Datetime("ns")), ["2020-01-31T12:30:15.250000000"]),
    (pl.Series([NOON]).dt.replace_time_zone("UTC").cast(BERLIN), ["2020-01-31T13:30:15.250+01:00"]),
    (pl.Series([dt.time(1, 2, 3)]), ["01:02:03"]),
    (pl.Series([[1.5, None], [], None]), [[1.5, None], [], None]),
    (pl.Series([["a", '"']], dtype=pl.Array(pl.String, 2)), [["a", '"']]),
    (pl.Series([{"*": 1, "^a$": ["x"]}, None]), [{"*": 1, "^a$": ["x"]}, None]),
    (pl.Series([[{"t": NOON.date(), "d": Decimal("0.5")}]]), [[{"t": "2020-01-31", "d": 0.5}]]),
]


@pytest.mark.parametrize(("series", "expected"), CELLS, ids=lambda item: str(getattr(item, "dtype", "")))
def test_columns_of_every_dtype_become_json(series: pl.Series, expected: list[Any]) -> None:
    """Texts stay texts, numbers numbers with all digits, times are ISO 8601, no finite number is null."""
    frame = series.alias("*").to_frame()
    encoder = NdjsonEncoder(frame.clear(), OUTPUTS)
    found = encoder.rows(frame, arrays(len(series)))
    assert found == encoder.file(frame, arrays(len(series)))
    lines = [json.loads(line) for line in found.splitlines()]
    assert [list(line) for line in lines] == [["*", "p", "s", "n", "y"]] * len(series)
    assert same([line["*"] for line in lines], expected)
    if isinstance(series.dtype, pl.Decimal):
        assert b'"*":1.50,' in found
    for line, score in zip(lines, [None, None, 0.1, 1e300, -0.0, None], strict=False):
        assert same([line["s"], line["p"], line["n"], line["y"]], [score, 'la"bel', 2**63 - 1, True])


@pytest.mark.parametrize(
    "dtype",
    [
        pl.Binary(),
        pl.Duration("us"),
        pl.List(pl.Binary),
        pl.Struct({"x": pl.Array(pl.Duration("ms"), 2)}),
    ],
    ids=str,
)
def test_what_json_has_no_form_for_is_refused(dtype: pl.DataType) -> None:
    """Bytes and durations, also inside other dtypes, are refused before any row is read."""
    with pytest.raises(UsageError, match=r"The column 'i' holds .*, for which JSON has no form") as caught:
        NdjsonEncoder(pl.DataFrame(schema={"a": pl.String(), "i": dtype}), OUTPUTS)
    assert caught.value.hint is not None
    assert "--keep" in caught.value.hint


def test_a_file_of_lines_has_no_head_and_can_be_put_together(tmp_path: Path) -> None:
    """No rows are no bytes, and parts one after the other are the file."""
    encoder = NdjsonEncoder(pl.DataFrame(), OUTPUTS[2:3])
    assert (encoder.appends, encoder.head()) == (True, b"")
    assert encoder.rows(pl.DataFrame(), {"n": np.array([], dtype=np.int64)}) == b""
    parts = [tmp_path / "a", tmp_path / "b"]
    for place, part in enumerate(parts):
        part.write_bytes(encoder.rows(pl.DataFrame(), {"n": np.array([place])}))
    encoder.assemble(parts, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b'{"n":0}\n{"n":1}\n'


@given(record=st.dictionaries(st.text(max_size=4), VALUES, max_size=5), spaces=st.booleans())
def test_members_are_told_as_they_are_written(record: dict[str, Any], spaces: bool) -> None:
    """The text of each member of an object is found by its name, whatever stands inside."""
    line = json.dumps(record, ensure_ascii=spaces, indent=None, separators=None if spaces else (",", ":"))
    found = objects.members(f" {line} \r")
    assert found == {
        name: json.dumps(value, ensure_ascii=spaces, separators=None if spaces else (",", ":"))
        for name, value in record.items()
    }
