"""Records of CSV text (RFC 4180): where they end, whether a block of them is regular, and their fields one by one.

A quote opens a field only where the field begins; inside, a doubled quote stands for one, and separators and
line feeds are text. Records end at a line feed outside quotes, and a carriage return right before it belongs
to the end; any other outside quotes is refused, because readers differ in what they make of it.

An empty line is no record where there are two or more columns, as pandas reads it. Where there is one column
it is a record whose only field is empty: leaving it out would lose a row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlship.model.values.codes import Code
from mlship.tables.dialect import COMMAS, Dialect

NEWLINE, RETURN = b"\n\r"
BOM = b"\xef\xbb\xbf"

# The csv module's own bound of 128 KiB a field would refuse what is only long; 2^31-1 is the most it takes everywhere.
_LONGEST_FIELD = 2**31 - 1
_WINDOW = 1 << 18  # of bytes that are looked at several times while a core's own cache holds them


@lru_cache(maxsize=64)
def _quoted(dialect: Dialect) -> re.Pattern[bytes]:
    """A quoted text where one may begin, and its closing quote as a group, empty when it has none."""
    quote, separator = re.escape(dialect.quote.encode()), re.escape(dialect.delimiter.encode())
    return re.compile(
        rb"(?:(?<=[%(s)b\n])|\A)%(q)b[^%(q)b]*+(?:%(q)b%(q)b[^%(q)b]*+)*+(%(q)b?)" % {b"q": quote, b"s": separator}
    )


def _table(*codes: int) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(codes)] = True
    return table


@dataclass(frozen=True, eq=False)
class Survey:
    """What a look at the special characters of a block tells, which begins where a record begins.

    Attributes:
        marks: Positions of separators and line feeds outside quotes, in order.
        kinds: The byte at each of them.
        separator: The separator's code.
        tidy: Whether every closing quote ends its field.
        open: Whether the block ends inside quotes.
    """

    marks: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    separator: int
    tidy: bool = True
    open: bool = False

    @property
    def ends(self) -> NDArray[np.int64]:
        """Positions of the line feeds that end records."""
        ends: NDArray[np.int64] = self.marks[self.kinds == NEWLINE]
        return ends

    def has_shape(self, width: int) -> bool:
        """Tell whether every record has exactly this many fields; each is looked at, a sum would not do."""
        if len(self.kinds) % width:
            return False
        rows = self.kinds.reshape(-1, width)
        return bool((rows[:, -1] == NEWLINE).all() and (rows[:, :-1] == self.separator).all())


def survey(data: bytes, dialect: Dialect = COMMAS) -> Survey:
    """Look at a block that begins where a record begins."""
    codes = np.frombuffer(data, dtype=np.uint8)
    separator = dialect.separator
    marks = np.flatnonzero((codes == separator) | (codes == NEWLINE))
    if not has_quotes(data, dialect):
        return Survey(marks, codes[marks], separator)
    starts, stops, tidy = _regular_quotes(codes, dialect) or _any_quotes(data, dialect)
    if not len(starts):
        return Survey(marks, codes[marks], separator, tidy)
    is_open = len(stops) < len(starts)
    if is_open:
        stops = np.append(stops, len(data))
    last = np.searchsorted(starts, marks) - 1  # the last quoted text that opens before each mark, -1 for none
    marks = marks[(last < 0) | (marks > stops[last])]
    return Survey(marks, codes[marks], separator, tidy, is_open)


def counted(data: bytes, *codes: int) -> list[int]:
    """Return how often each of some bytes stands in a block."""
    counts = [0] * len(codes)
    mask = np.empty(min(_WINDOW, len(data)), dtype=np.bool_)
    for start in range(0, len(data), _WINDOW):
        part = np.frombuffer(data, np.uint8, min(_WINDOW, len(data) - start), start)
        for place, code in enumerate(codes):
            counts[place] += int(np.count_nonzero(np.equal(part, code, out=mask[: len(part)])))
    return counts


def has_quotes(data: bytes, dialect: Dialect = COMMAS) -> bool:
    """Tell whether a block has any quote."""
    return bool(dialect.quote) and dialect.quote.encode() in data


def _regular_quotes(
    codes: NDArray[np.uint8], dialect: Dialect
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool] | None:
    """Take quotes as opening and closing in turn, which is right when every opening one stands where it may.

    A doubled quote closes and opens at once. Returns None when one opens elsewhere, as in `5" pipe`.
    """
    quote, separator = ord(dialect.quote), dialect.separator
    quotes = np.flatnonzero(codes == quote)
    starts, stops = quotes[0::2], quotes[1::2]
    before = codes[starts - 1]
    if starts[0] == 0:
        before[0] = NEWLINE
    if not _table(separator, NEWLINE, quote)[before].all():
        return None
    after = codes[np.minimum(stops + 1, len(codes) - 1)]
    ends_field = _table(separator, NEWLINE, quote)[after] | (stops == len(codes) - 1)
    ends_line = (after == RETURN) & (codes[np.minimum(stops + 2, len(codes) - 1)] == NEWLINE)
    return starts, stops, bool((ends_field | ends_line).all())


def _any_quotes(data: bytes, dialect: Dialect) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """Find quoted texts one after the other, whatever else contains quotes."""
    starts: list[int] = []
    stops: list[int] = []
    for match in _quoted(dialect).finditer(data):
        starts.append(match.start())
        if match[1]:
            stops.append(match.end() - 1)
    return np.array(starts, dtype=np.int64), np.array(stops, dtype=np.int64), False


def last_border(data: bytes, dialect: Dialect = COMMAS) -> int:
    """Return where the last whole record of a block ends, 0 when none does; the block begins where one begins."""
    if not has_quotes(data, dialect):
        return data.rfind(b"\n") + 1
    ends = survey(data, dialect).ends
    return int(ends[-1]) + 1 if len(ends) else 0


@dataclass
class Records:
    """Records read one by one.

    Attributes:
        fields: The fields of each row, in the file's order; None for a row that cannot be read.
        starts: Where each row begins in the block.
        bad: The rows that cannot be read, with the reason.
    """

    fields: list[list[str] | None] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    bad: dict[int, Code] = field(default_factory=dict)

    def add(self, start: int, found: list[str] | Code) -> None:
        """Append a row, or the reason why it cannot be read."""
        if isinstance(found, str):
            self.bad[len(self.fields)] = found
        self.fields.append(None if isinstance(found, str) else found)
        self.starts.append(start)


def split(data: bytes, ends: Iterable[int], width: int, dialect: Dialect = COMMAS) -> Records:
    """Read records one by one.

    A record of several lines that cannot be read may well be a quote that was never closed and swallowed what
    follows, so that each of its lines counts as a row of its own: nothing disappears in one refused row.

    Args:
        data: The block; it begins where a record begins.
        ends: Positions of the line feeds that end its records.
        width: How many fields a record should have.
        dialect: How it is written.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    records = Records()
    start = 0
    for end in ends:
        raw, at, start = data[start:end].removesuffix(b"\r"), start, end + 1
        if not raw and width > 1:
            continue
        found = _fields(raw, width, dialect)
        if isinstance(found, list) or b"\n" not in raw:
            records.add(at, found)
            continue
        for line in raw.split(b"\n"):
            if line.strip(b"\r") or width == 1:
                records.add(at, found)
            at += len(line) + 1
    return records


def _fields(raw: bytes, width: int, dialect: Dialect) -> list[str] | Code:
    """The fields of one record, or why it has none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "bad_encoding"
    if not dialect.quote or dialect.quote not in text:
        if "\r" in text:
            return "bad_encoding"
        fields = text.split(dialect.delimiter)
    else:
        lines = "\n" in text
        try:
            fields = next(csv.reader((text,), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=lines))
        except csv.Error:  # a carriage return outside quotes, or in several lines text after a closing quote
            return "wrong_field_count" if lines else "bad_encoding"
        if text.endswith("\r"):  # which the csv module passes over
            return "bad_encoding"
    return fields if len(fields) == width else "wrong_field_count"


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are text in UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
