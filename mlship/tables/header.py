"""The first line of a CSV file: its column names, or why the file is no CSV that can be read."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlship.errors import InputRefused
from mlship.tables import records

BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20
_LONGEST = 1 << 26
# How other kinds of files begin, and what they are.
_OTHER = (
    (b"PAR1", "a Parquet file", "Give it a name that ends in .parquet."),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "Save it as CSV in UTF-8."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first with: gunzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "Unpack it first with: unzstd"),
    (b"\xff\xfe\0\0", "in UTF-32", "Turn it into UTF-8 first with: iconv -f UTF-32 -t UTF-8"),
    (b"\xff\xfe", "in UTF-16", "Turn it into UTF-8 first with: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "in UTF-16", "Turn it into UTF-8 first with: iconv -f UTF-16 -t UTF-8"),
)


@dataclass(frozen=True)
class Header:
    """The column names of a CSV file.

    Attributes:
        columns: The names in order; none occurs twice.
        body: Position of the first byte after the header.
    """

    columns: tuple[str, ...]
    body: int


def read_header(path: Path) -> Header:
    """Read the header of a CSV file in UTF-8, with or without a byte order mark; empty lines before it are skipped.

    Raises:
        InputRefused: The file is empty, is of another kind or encoding, ends its lines with a carriage return
            only, never closes a quote in its header, or has a column name twice.
        OSError: The system could not read it.
    """
    raw, body = _first_record(path)
    text = _decoded(raw, path)
    names = next(csv.reader((text,)), [""]) if text else [""]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise InputRefused(
            f"'{path}' has the column name '{twice}' more than once in its header.",
            hint="Give each column a name of its own.",
            code="duplicate_columns",
        )
    return Header(tuple(names), body)


def _first_record(path: Path) -> tuple[bytes, int]:
    """The first record that is no empty line, and where the next one begins."""
    with path.open("rb") as stream:
        data = stream.read(_BLOCK)
        _refuse_other_kinds(data, path)
        while True:
            skipped = len(BOM) if data.startswith(BOM) else 0
            while data.startswith((b"\n", b"\r\n"), skipped):
                skipped = data.index(b"\n", skipped) + 1
            found = records.survey(data[skipped:])
            if len(found.ends):
                end = skipped + int(found.ends[0])
                return data[skipped:end], end + 1
            more = stream.read(len(data)) if len(data) < _LONGEST else b""
            if more:
                data += more
                continue
            if found.open or len(data) >= _LONGEST:
                raise InputRefused(
                    f"'{path}' has no end to its header line; a quote in it may never be closed.",
                    hint="Check the quotes in the first line.",
                    code="unclosed_quote",
                )
            if not data[skipped:].strip():
                raise InputRefused(
                    f"'{path}' is empty; a header line was expected.",
                    hint="Check what should have written it.",
                    code="empty_input",
                )
            return data[skipped:], len(data)


def _refuse_other_kinds(data: bytes, path: Path) -> None:
    for start, what, hint in _OTHER:
        if data.startswith(start):
            raise InputRefused(f"'{path}' is {what}, not CSV in UTF-8.", hint=hint, code="not_csv")


def _decoded(raw: bytes, path: Path) -> str:
    raw = raw.removesuffix(b"\r")
    if b"\0" in raw:
        raise InputRefused(
            f"'{path}' has NUL bytes in its header: it is in UTF-16 or UTF-32, or no text; UTF-8 was expected.",
            hint="Turn it into UTF-8 first with: iconv -f UTF-16 -t UTF-8",
            code="not_utf8",
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InputRefused(
            f"'{path}' has a header that is not in UTF-8.",
            hint="Turn it into UTF-8 first, for example with: iconv -f WINDOWS-1252 -t UTF-8",
            code="not_utf8",
        ) from None
    if "\r" in text:
        raise InputRefused(
            f"'{path}' has a carriage return in its header that ends no line; lines must end in LF or CRLF.",
            hint="Turn the line ends into LF first with: tr '\\r' '\\n'",
            code="carriage_returns",
        )
    return text
