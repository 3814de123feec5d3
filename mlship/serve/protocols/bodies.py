"""Bodies and answers that are tables: CSV, NDJSON, Arrow and Parquet, by the very readers and writers of batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np

from mlship.errors import InputRefused
from mlship.model.feed import Feed
from mlship.model.values.codes import Array
from mlship.model.values.records import read_records
from mlship.serve.exchange import Asked, Reply
from mlship.serve.payload import Gathered, Read, check_missing, check_rows, rows_at_once
from mlship.serve.problems import RequestRefused
from mlship.serve.protocols import media
from mlship.serve.served import Served

_TIMES_BODY = 8
_LEAST_MEMORY = 64 << 20


def read_table(asked: Asked, served: Served, *, reject: bool) -> Read:
    """Read the rows of a body that is a table.

    Args:
        asked: The request; its content type is one of `media.FORMATS`.
        served: The model.
        reject: Whether rows with refused values are left out, instead of refusing the whole request.

    Raises:
        RequestRefused: 400 for what cannot be read, 413 past a limit, 415 where the library for it is absent.
        RowsRefused: The model does not accept all values.
    """
    media.check_encoding(asked)
    kind = asked.content_type
    tables = _tables(415, kind)
    header, told = media.has_header(asked), media.told_of_csv(asked)
    signature, limits = served.signature, served.limits
    bounds = tables.Bounds(limits.rows, max(_LEAST_MEMORY, _TIMES_BODY * limits.body), rows_at_once(signature))
    gathered = Gathered(reject=reject)
    rows = 0
    try:
        table = tables.opened(media.FORMATS[kind], asked.body, signature, bounds, header, told)
        _check_names(table.columns, signature.names)
        for piece in table.parts:
            check_rows(rows + piece.count, limits.rows)
            check_missing(table.columns, piece.count, signature)
            read = piece.coerced()
            gathered.add(rows, read, read.errors, last=False)
            rows += piece.count
    except tables.TooLarge as error:
        raise RequestRefused(413, error.code, error.message) from None
    except InputRefused as error:
        if error.http_status != InputRefused.http_status or hasattr(error, "rows"):
            raise
        raise RequestRefused(400, error.code, error.message) from None
    if not rows:
        gathered.add(0, read_records(signature, []), [], last=True)
    return gathered.end(rows)


def feed_of(read: Read) -> Feed:
    """Return the accepted rows, ready to be scored."""
    return Feed(len(next(iter(read.columns.values()))), read.columns)


def written_table(kind: str, served: Served, outputs: Mapping[str, Array], rejected: Read | None = None) -> Reply:
    """Return an answer that is a table.

    Args:
        kind: Its media type, one of `media.FORMATS`, or `media.HEADLESS`.
        served: The model.
        outputs: An array [accepted rows] for each output column.
        rejected: The rows asked for, where some may have been left out; outputs are null there.
    """
    tables = _tables(406, kind)
    places = None
    headers: tuple[tuple[str, str], ...] = (("X-Mlship-Digest", served.session.digest),)  # as `model` tells in JSON
    if rejected is not None:
        accepted = np.ones(rejected.rows, dtype=np.bool_)
        accepted[[error.row for error in rejected.refused]] = False
        places = accepted
        headers = (*headers, ("X-Mlship-Rejected-Rows", str(int((~accepted).sum()))))
    media_type = kind.partition(";")[0]
    header = kind != media.HEADLESS
    data = tables.written(media.FORMATS[media_type], served.signature.outputs, outputs, places, header)
    return Reply(200, data, kind, headers)


def _tables(status: int, kind: str) -> ModuleType:
    """The module that reads and writes tables; it is loaded with the first of them, and Polars with it."""
    try:
        from mlship.tables import bodies
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library != "polars":
            raise
        raise RequestRefused(
            status, "dependency_missing", f"'{kind}' needs the library '{library}', which this server does not have."
        ) from None
    return bodies


def _check_names(columns: tuple[str, ...], names: tuple[str, ...]) -> None:
    if not set(columns) & set(names):
        raise RequestRefused(
            400,
            "no_columns",
            "The table has none of the model's columns. CSV without a line of names is taken as "
            "'Content-Type: text/csv; header=absent'.",
        )
