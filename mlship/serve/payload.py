"""The body of a request becomes typed columns.

Four forms say the same thing:

    {"instances": [{"age": 31, "city": "Porto"}]}
    [{"age": 31, "city": "Porto"}]
    {"age": 31, "city": "Porto"}
    {"columns": ["age", "city"], "data": [[31, "Porto"]]}

A model may have a column called `instances`, or `columns` and `data`. A value of a column is never a list,
so a list under such a name is the form and anything else is a record; only when other columns of the model
stand beside it, is an object with a list under a model's own column taken as a record (with a bad value).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
import orjson

from mlship.model.signature import Signature
from mlship.model.values.codes import Array, CellError, Coerced
from mlship.model.values.records import kind_of, read_json_columns, read_records
from mlship.serve.problems import MOST_LISTED, RequestRefused, RowsRefused

_FORMS = 'a list of records, one record, {"instances": [records]} or {"columns": [names], "data": [rows]}'
_CELLS_AT_ONCE = 1 << 16  # a body of a few kB can miss millions of values: they are counted in blocks, not kept
MOST_COUNTED = 100_000
"""Refused values after which reading is given up: each takes memory, and nobody reads so many."""
_LONGEST_NAME = 100
_FORM_KEYS = {"instances", "columns", "data"}


def plain_records(document: Any) -> list[Any] | None:
    """Return the records of a document that can only be records, or None; whether they are is not looked at."""
    if type(document) is dict:
        if len(document) == 1 and type(found := document.get("instances")) is list:
            return found
        return None if _FORM_KEYS & document.keys() else [document]
    return document if type(document) is list else None


@dataclass(frozen=True)
class Read:
    """The rows of a request.

    Attributes:
        rows: How many it has.
        columns: An array for each input column with the accepted rows.
        refused: The values refused, ordered by row; none unless rejecting was asked for.
    """

    rows: int
    columns: Mapping[str, Array]
    refused: Sequence[CellError] = ()


def read_document(document: Any, signature: Signature, most_rows: int, *, reject: bool = False) -> Read:
    """Read the rows of a request.

    Args:
        document: The whole body, parsed.
        signature: The model's columns.
        most_rows: The row limit.
        reject: Whether rows with refused values are left out, instead of refusing the whole request.

    Raises:
        RequestRefused: 400 for what has none of the forms, 413 past the row limit.
        RowsRefused: The model does not accept all values, and `reject` is False or there are too many of them.
    """
    rows, names = _rows_of(document, signature)
    return read_rows(rows, names, signature, most_rows, reject=reject)


def read_rows(
    rows: list[Any], names: list[str] | None, signature: Signature, most_rows: int, *, reject: bool = False
) -> Read:
    """Read rows, each an object, or a list of the values of named columns.

    Args:
        rows: The rows.
        names: The names of their columns when each is a list, else None.
        signature: The model's columns.
        most_rows: The row limit.
        reject: See `read_document`.

    Raises:
        RequestRefused: 413 past the row limit.
        RowsRefused: As `read_document` says.
    """
    check_rows(len(rows), most_rows)
    step = rows_at_once(signature)
    gathered = Gathered(reject=reject)
    for start in range(0, max(1, len(rows)), step):
        block, errors = _read_block(signature, rows[start : start + step], names)
        gathered.add(start, block, errors, last=start + step >= len(rows))
    return gathered.end(len(rows))


def rows_at_once(signature: Signature) -> int:
    """Return how many rows of a model are read at once."""
    return max(1, _CELLS_AT_ONCE // max(1, len(signature.inputs)))


class Gathered:
    """Rows that are read block by block.

    Args:
        reject: See `read_document`.
    """

    def __init__(self, *, reject: bool) -> None:
        self._reject = reject
        self._blocks: list[Mapping[str, Array]] = []
        self._refused: list[CellError] = []
        self._count = 0

    def add(self, start: int, block: Coerced, errors: Sequence[CellError], *, last: bool) -> None:
        """Add a block.

        Args:
            start: The place of its first row.
            block: Its columns.
            errors: What was refused in it, the rows counted from its first.
            last: Whether it is the last one.

        Raises:
            RowsRefused: Too much has been refused to go on.
        """
        self._blocks.append(block.accepted_columns())
        self._refused += _moved(errors if self._reject else errors[: MOST_LISTED - len(self._refused)], start)
        self._count += len(errors)
        if self._count > MOST_COUNTED:
            raise RowsRefused(self._refused, self._count, complete=last)

    def end(self, rows: int) -> Read:
        """Return all rows.

        Raises:
            RowsRefused: Some were refused, which is not to be told row by row.
        """
        if self._count and not self._reject:
            raise RowsRefused(self._refused, self._count)
        return Read(rows, self._blocks[0] if len(self._blocks) == 1 else _joined(self._blocks), self._refused)


def check_rows(rows: int, most: int) -> None:
    """Check the row limit.

    Raises:
        RequestRefused: 413, there are more.
    """
    if rows > most:
        raise RequestRefused(
            413, "too_many_rows", f"The request has {rows:,} rows; this server takes up to {most:,} at once."
        )


def check_missing(names: Container[str], rows: int, signature: Signature) -> None:
    """Refuse at once what lacks so much that a small body would lead to millions of errors.

    Raises:
        RowsRefused: The columns that are missing, each in every row, are too many to tell one by one.
    """
    absent = [name for name in signature.names if name not in names]
    count = rows * len(absent)
    if count > MOST_COUNTED:
        cells = islice(product(range(rows), absent), MOST_LISTED)
        raise RowsRefused([CellError(row, name, "missing_column") for row, name in cells], count, complete=False)


def parse(body: bytes) -> Any:
    """Parse a body.

    Raises:
        RequestRefused: 400, it is no JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = "lists or objects are nested too deeply" if "memory" in error.msg else error.msg
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestRefused(400, "bad_json", f"The body is not valid JSON: {reason} ({place}).{_help(body)}") from None


def _help(body: bytes) -> str:
    if any(word in body for word in (b"NaN", b"Infinity")):
        return " NaN and Infinity are not JSON; a missing value is null."
    return ""


def _rows_of(document: Any, signature: Signature) -> tuple[list[Any], list[str] | None]:
    """The rows, and the names of their columns when each row is a list."""
    if isinstance(document, list):
        return document, None
    if not isinstance(document, dict):
        raise _bad_shape(f"is {kind_of(document)}")
    wrapped = _is_form(document, ("instances",), signature)
    split = _is_form(document, ("columns", "data"), signature)
    if wrapped and split:
        raise _bad_shape('has "instances" and "columns" at once')
    if wrapped:
        return document["instances"], None
    if split:
        return document["data"], column_names(document["columns"])
    if not any(name in document for name in signature.names):
        # no record of this model: say what is wrong with the form that was probably meant
        for name in ("instances", "columns", "data"):
            if name in document:
                raise _bad_shape(f'has {kind_of(document[name])} as "{name}"')
    return [document], None


def _is_form(document: dict[str, Any], keys: tuple[str, ...], signature: Signature) -> bool:
    if not all(isinstance(document.get(key), list) for key in keys):
        return False
    own = [key for key in keys if key in signature.names]
    others = any(name in document for name in signature.names if name not in keys)
    return not (own and others)


def column_names(names: list[Any]) -> list[str]:
    """Check the names of columns.

    Raises:
        RequestRefused: 400, they are no names, or one is there twice.
    """
    if not all(isinstance(name, str) for name in names):
        raise _bad_shape('has something other than text in "columns"')
    seen: set[str] = set()
    for name in names:
        if name in seen:
            short = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."
            raise RequestRefused(400, "duplicate_column", f"\"columns\" has the name '{short}' more than once.")
        seen.add(name)
    return names


def _bad_shape(what: str) -> RequestRefused:
    return RequestRefused(400, "bad_shape", f"The body {what}; expected {_FORMS}.")


def _read_block(signature: Signature, rows: Sequence[Any], names: list[str] | None) -> tuple[Coerced, list[CellError]]:
    """Read some rows; the errors count from the block's first row."""
    broken = list(_broken(rows, names))
    if not broken:
        block = _read_rows(signature, rows, names)
        return block, block.errors
    unfit = {error.row for error in broken}
    places = [row for row in range(len(rows)) if row not in unfit]
    block = _read_rows(signature, [rows[row] for row in places], names)
    errors = [CellError(places[error.row], error.column, error.code, error.kind) for error in block.errors]
    return block, sorted(broken + errors, key=lambda error: error.row)


def _read_rows(signature: Signature, rows: Sequence[Any], names: list[str] | None) -> Coerced:
    if names is None:
        return read_records(signature, rows)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    return read_json_columns(signature, columns, len(rows))


def _broken(rows: Sequence[Any], names: list[str] | None) -> Iterator[CellError]:
    """The rows that are no rows: not an object, or not a list of as many values as there are columns."""
    for row, value in enumerate(rows):
        if names is None:
            if type(value) is not dict:
                yield CellError(row, None, "bad_json", kind_of(value))
        elif type(value) is not list:
            yield CellError(row, None, "bad_json", kind_of(value))
        elif len(value) != len(names):
            yield CellError(row, None, "wrong_field_count", f"{len(value)} for {len(names)} columns")


def _moved(errors: Sequence[CellError], by: int) -> list[CellError]:
    return [CellError(error.row + by, error.column, error.code, error.kind) for error in errors]


def _joined(blocks: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
