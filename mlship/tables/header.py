"""How a CSV file is written, read off its beginning: encoding, delimiter, column names, decimal sign."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlship.errors import InputRefused
from mlship.tables import records
from mlship.tables.blocks import Cutter
from mlship.tables.dialect import Dialect, Told

_BLOCK = 1 << 20
_LONGEST = 1 << 26
_DELIMITERS = ",;\t|"
_LOOKED_AT = 200
_COMMA_NUMBER = re.compile(r"[ \t]*[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?[ \t]*")
_GROUPED = re.compile(r"[ \t]*[+-]?[1-9][0-9]{0,2},[0-9]{3}[ \t]*")
# Longer marks first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# How other kinds of files begin, and what they are.
_OTHER = (
    (b"PAR1", "a Parquet file", "Give it a name that ends in .parquet."),
    (b"ARROW1", "an Arrow file", "Give it a name that ends in .arrow."),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "Save it as CSV in UTF-8."),
    (b"\x1f\x8b", "compressed with gzip", "Give it a name that ends in .csv.gz."),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "Give it a name that ends in .csv.zst."),
)


@dataclass(frozen=True)
class Header:
    """What the beginning of a CSV file tells.

    Attributes:
        columns: The names in order; none occurs twice.
        body: Position of the first data record.
        dialect: How the file is written.
    """

    columns: tuple[str, ...]
    body: int
    dialect: Dialect


def read_header(cutter: Cutter, name: str, told: Told) -> Header:
    """Read the beginning of a CSV file, with or without a byte order mark; empty lines before the header are skipped.

    Args:
        cutter: The file, at its beginning; afterwards at the first data record.
        name: What the user calls it.
        told: What the user said of it.

    Raises:
        InputRefused: The file is empty, is of another kind or encoding, ends its lines with a carriage return
            only, never closes a quote in its header, has a column name twice, or has no header and another number
            of columns than names.
        OSError: The system could not read it.
    """
    encoding = _recoded(cutter, name, told)
    dialect = Dialect(quote='"' if told.quote is None else told.quote, encoding=encoding, header=told.names is None)
    found, end, dialect = _names(cutter, name, told, dialect)
    columns = found if told.names is None else told.names
    if len(found) != len(columns):
        raise InputRefused(
            f"'{name}' has {len(found)} columns in its first row; {len(columns)} were expected, as the model has.",
            hint="Leave --no-header away if the first line holds names.",
            code="missing_column",
        )
    _check_names(columns, name)
    if told.names is None:
        cutter.skip(end)
    if told.decimal_comma is None and dialect.delimiter != ",":
        comma = _has_decimal_commas(cutter.peek(_BLOCK)[:_BLOCK], columns, told, dialect)
    else:
        comma = bool(told.decimal_comma)
    return Header(columns, cutter.at, replace(dialect, decimal_comma=comma))


def _recoded(cutter: Cutter, name: str, told: Told) -> str:
    """Have the file given in UTF-8, and return the encoding that it is in."""
    data = cutter.peek(_BLOCK)
    found = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    encoding = told.encoding or found or "utf-8"
    if encoding != "utf-8":
        cutter.recode(encoding)
        return encoding
    for start, what, hint in _OTHER:
        if data.startswith(start):
            raise InputRefused(f"'{name}' is {what}, not CSV in UTF-8.", hint=hint, code="not_csv")
    return encoding


def _first_record(cutter: Cutter, name: str, dialect: Dialect) -> tuple[bytes, int]:
    """The first record that is no empty line, and how many bytes end with it; the cutter then stands before it."""
    data = cutter.peek(_BLOCK)
    skipped = len(records.BOM) if data.startswith(records.BOM) else 0
    while data.startswith((b"\n", b"\r\n"), skipped):
        skipped = data.index(b"\n", skipped) + 1
    cutter.skip(skipped)
    size = _BLOCK
    while True:
        data = cutter.peek(size)
        found = records.survey(data, dialect)
        if len(found.ends):
            end = int(found.ends[0])
            return data[:end], end + 1
        if len(data) >= size and len(data) < _LONGEST:
            size *= 2
            continue
        if found.open or len(data) >= _LONGEST:
            raise InputRefused(
                f"'{name}' has no end to its header line; a quote in it may never be closed.",
                hint="Check the quotes in the first line.",
                code="unclosed_quote",
            )
        if not data.strip():
            raise InputRefused(
                f"'{name}' is empty; a header line was expected.",
                hint="Check what should have written it.",
                code="empty_input",
            )
        return data, len(data)


def _decoded(raw: bytes, name: str) -> str:
    raw = raw.removesuffix(b"\r")
    if b"\0" in raw:
        raise InputRefused(
            f"'{name}' has NUL bytes in its header: it is in UTF-16 or UTF-32 without a mark, or no text.",
            hint="Name its encoding: --encoding utf-16-le",
            code="not_utf8",
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InputRefused(
            f"'{name}' has a header that is not in UTF-8.",
            hint="Name its encoding, for example: --encoding windows-1252",
            code="not_utf8",
        ) from None
    if "\r" in text:
        raise InputRefused(
            f"'{name}' has a carriage return in its header that ends no line; lines must end in LF or CRLF.",
            hint="Turn the line ends into LF first with: tr '\\r' '\\n'",
            code="carriage_returns",
        )
    return text


def _names(cutter: Cutter, name: str, told: Told, dialect: Dialect) -> tuple[tuple[str, ...], int, Dialect]:
    """The first record's fields and how many bytes end with it, by the delimiter that finds most of what is sought.

    Where the first record ends depends on the delimiter too: a quote opens a field only right after one.
    """
    best: tuple[int, tuple[str, ...], int, Dialect] | None = None
    refused: InputRefused | None = None
    for delimiter in (told.delimiter,) if told.delimiter else _DELIMITERS:
        so = replace(dialect, delimiter=delimiter)
        try:
            raw, end = _first_record(cutter, name, so)
            fields = _fields(_decoded(raw, name), name, so)
        except InputRefused as error:
            refused = refused or error
            continue
        found = len(fields) == len(told.names) if told.names is not None else len(told.sought & set(fields))
        if best is None or found > best[0]:
            best = int(found), fields, end, so
    if refused is not None and (best is None or not best[0]):
        raise refused
    assert best is not None
    return best[1:]


def _fields(text: str, name: str, dialect: Dialect) -> tuple[str, ...]:
    if not text:
        return ("",)
    if not dialect.quote:
        return tuple(text.split(dialect.delimiter))
    try:
        return tuple(next(csv.reader((text,), delimiter=dialect.delimiter, quotechar=dialect.quote), [""]))
    except csv.Error:
        raise InputRefused(
            f"'{name}' has text after a closing quote in its header.",
            hint="Check the quotes in the first line.",
            code="unclosed_quote",
        ) from None


def _check_names(columns: tuple[str, ...], name: str) -> None:
    twice = next((column for column, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise InputRefused(
            f"'{name}' has the column name '{twice}' more than once in its header.",
            hint="Give each column a name of its own.",
            code="duplicate_columns",
        )


def _has_decimal_commas(data: bytes, columns: tuple[str, ...], told: Told, dialect: Dialect) -> bool:
    """Whether numbers among the first rows are written with commas, and none with a point.

    `1,500` alone says nothing: it may be one and a half or fifteen hundred.
    """
    seen = False
    for fields in _first_rows(data, columns, dialect):
        for column, text in zip(columns, fields, strict=True):
            if column in told.numbers:
                if "." in text:
                    return False
                seen = seen or bool(_COMMA_NUMBER.fullmatch(text) and not _GROUPED.fullmatch(text))
    return seen


def _first_rows(data: bytes, columns: tuple[str, ...], dialect: Dialect) -> Iterator[list[str]]:
    ends = records.survey(data, dialect).ends[:_LOOKED_AT].tolist()
    found = records.split(data, ends, len(columns), dialect)
    return (fields for fields in found.fields if fields is not None)
