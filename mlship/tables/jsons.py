"""Columns as JSON: what kept columns of NDJSON travel as, and what columns of any dtype become in NDJSON.

A value of NDJSON has no dtype that would hold for a whole file: what is a number here may be a text or a list
further on. So a kept column of NDJSON travels as the JSON text of each value, in a structure of one field that
marks it as such; null travels as null. NDJSON takes these texts as they are; every other format takes the plain
text that `plain` makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import orjson
import polars as pl

from mlship.errors import UsageError
from mlship.tables.outputs import framed

_FIELD = "mlship.json"
JSON = pl.Struct({_FIELD: pl.String})
"""The dtype of a column of JSON texts."""

_UNWRITABLE = (pl.Binary, pl.Duration, pl.Object)
_HUGE = 2.0**63  # a float from here on may be an integer that the parser could not hold
_SIMPLE: dict[type, type[pl.DataType]] = {float: pl.Float64, int: pl.Int64, bool: pl.Boolean, str: pl.String}


def column(name: str, values: Sequence[Any], raw: Callable[[int], str]) -> pl.Series:
    """Return JSON values as a column of JSON texts.

    Args:
        name: The column's name.
        values: The values as a parser gave them.
        raw: Tells how the file writes the value at a place: a parser gives an integer past 64 bits as a float,
            and lists may lie too deep to be written again.
    """
    kinds = set(map(type, values)) - {type(None)}
    typed = _typed(values, kinds.pop()) if len(kinds) == 1 else None
    if typed is None:
        return _marked(name, pl.Series(_mixed(values, raw), dtype=pl.String))
    return _marked(name, _texts(typed))


def _typed(values: Sequence[Any], kind: type) -> pl.Series | None:
    """Values of one kind as a column, or None where some may be more than they seem."""
    dtype = _SIMPLE.get(kind)
    if dtype is None:
        return None
    try:
        series = pl.Series(values, dtype=dtype)  # a name may be a pattern to what looks at it
    except (OverflowError, TypeError, pl.exceptions.PolarsError):  # an integer past 63 bits
        return None
    return None if kind is float and (series.abs() >= _HUGE).any() else series


def _texts(series: pl.Series) -> pl.Series:
    """The JSON texts of a column, null staying null."""
    frame = pl.DataFrame([series.alias("0")])
    texts = frame.select(pl.when(pl.col("0").is_not_null()).then(_expression(pl.col("0"), series.dtype)))
    return texts.to_series()


def _mixed(values: Sequence[Any], raw: Callable[[int], str]) -> list[str | None]:
    """The texts of values of several kinds, the same as those of values of one kind."""
    floats = iter(_texts(pl.Series([value for value in values if type(value) is float], dtype=pl.Float64)).to_list())
    texts: list[str | None] = []
    for place, value in enumerate(values):
        number = next(floats) if type(value) is float else None
        if value is None:
            texts.append(None)
        elif isinstance(value, list | dict) or (number is not None and abs(value) >= _HUGE):
            texts.append(raw(place))
        else:
            texts.append(number or orjson.dumps(value).decode())
    return texts


def _marked(name: str, texts: pl.Series) -> pl.Series:
    return pl.DataFrame([texts.alias(_FIELD)]).to_struct(name)


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame in which columns of JSON texts are columns of String, all others as they are.

    A text is itself, null is null, and anything else its JSON text, such as `1.5`, `true` or `[1,2]`.
    """
    if JSON not in frame.dtypes:
        return frame
    return framed([_plain(series) if series.dtype == JSON else series for series in frame.get_columns()])


def _plain(series: pl.Series) -> pl.Series:
    texts = series.struct.field(_FIELD)
    quoted = texts.str.starts_with('"')
    escaped = quoted & texts.str.contains("\\", literal=True)
    bare = texts.str.strip_prefix('"').str.strip_suffix('"')
    found = texts.zip_with(~quoted, bare)
    if escaped.any():
        places = escaped.arg_true()
        read = [orjson.loads(text) for text in texts.gather(places).to_list()]
        found = found.scatter(places, pl.Series(read, dtype=pl.String))
    return found.alias(series.name)


def refuse_unwritable(schema: pl.Schema) -> None:
    """Refuse columns for which JSON has no form.

    Raises:
        UsageError: One holds bytes or durations, itself or in a list or structure.
    """
    for name, dtype in schema.items():
        if not _writable(dtype):
            raise UsageError(
                f"The column '{name}' holds {dtype}, for which JSON has no form.",
                hint="Name the columns to carry along with --keep, or write Parquet with --format parquet.",
            )


def _writable(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        return all(_writable(_instance(field.dtype)) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Array):
        return _writable(_instance(dtype.inner))
    return not isinstance(dtype, _UNWRITABLE)


def lines(frame: pl.DataFrame) -> bytes:
    """Return rows as JSON objects, one a line.

    Numbers are written in the shortest form that reads back the same, what is no finite number as null, decimals
    as numbers with all their digits, dates and times by ISO 8601, zoned ones with their offset.
    """
    if not frame.height:
        return b""
    # under other names, because those of users may be patterns to Polars, such as `*`
    numbered = pl.DataFrame([series.alias(str(place)) for place, series in enumerate(frame.get_columns())])
    cells = [(name, pl.col(str(place)), series.dtype) for place, (name, series) in enumerate(_named(frame))]
    texts: str = numbered.select(_object(cells).str.join("\n")).item()
    return texts.encode() + b"\n"


def _named(frame: pl.DataFrame) -> list[tuple[str, pl.Series]]:
    return [(series.name, series) for series in frame.get_columns()]


def _object(cells: Sequence[tuple[str, pl.Expr, pl.DataType]]) -> pl.Expr:
    parts: list[pl.Expr] = []
    for place, (name, expression, dtype) in enumerate(cells):
        parts.append(pl.lit(("," if place else "{") + orjson.dumps(name).decode() + ":"))
        parts.append(_expression(expression, dtype))
    return pl.concat_str([*parts, pl.lit("}")]) if cells else pl.lit("{}")


def _expression(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The JSON text of a value; never null."""
    if dtype == JSON:
        return value.struct.field(_FIELD).fill_null("null")
    if isinstance(dtype, pl.Struct):
        fields = value.struct.rename_fields([str(place) for place in range(len(dtype.fields))])
        cells = [
            (field.name, fields.struct.field(str(place)), _instance(field.dtype))
            for place, field in enumerate(dtype.fields)
        ]
        return pl.when(value.is_not_null()).then(_object(cells)).otherwise(pl.lit("null"))
    if isinstance(dtype, pl.List | pl.Array):
        listed = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        texts = listed.list.eval(_expression(pl.element(), _instance(dtype.inner))).list.join(",")
        return pl.concat_str([pl.lit("["), texts, pl.lit("]")]).fill_null("null")
    if dtype.is_float():
        value = pl.when(value.is_finite()).then(value.cast(pl.String))
    elif dtype.is_temporal():
        value = pl.concat_str([pl.lit('"'), value.dt.to_string("iso:strict"), pl.lit('"')])
    elif isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        value = pl.concat_str([pl.lit('"'), _escaped(value.cast(pl.String)), pl.lit('"')])
    else:
        value = value.cast(pl.String)
    return value.fill_null("null")


def _escaped(text: pl.Expr) -> pl.Expr:
    special, instead = _escapes()
    return text.str.replace_many(special, instead)


@cache
def _escapes() -> tuple[list[str], list[str]]:
    """The characters that a JSON text cannot hold as they are, and what stands for each."""
    special = ['"', "\\", *map(chr, range(32))]
    return special, [orjson.dumps(character).decode()[1:-1] for character in special]


def _instance(dtype: Any) -> pl.DataType:
    """A dtype inside another one, which may be given as a class."""
    found: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return found
