"""What TensorFlow Serving began and others took over: `{"instances": [...]}` is answered `{"predictions": [...]}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from mlship.model.feed import Feed
from mlship.model.values.codes import Array
from mlship.serve.answers import records_of
from mlship.serve.exchange import JSON, Asked, Reply
from mlship.serve.payload import parse, read_rows
from mlship.serve.problems import RequestRefused
from mlship.serve.protocols import media
from mlship.serve.protocols.bodies import feed_of
from mlship.serve.served import Served


def read_object(asked: Asked) -> dict[str, Any]:
    """Read a body that is one JSON object.

    Raises:
        RequestRefused: It is not.
    """
    if not media.is_json(asked.content_type):
        raise media.unsupported(asked.content_type, JSON)
    media.check_encoding(asked)
    document = parse(asked.body)
    if type(document) is not dict:
        raise RequestRefused(400, "bad_shape", "The body must be a JSON object.")
    return document


def the_one_of(document: Mapping[str, Any], forms: Sequence[str], ignored: str) -> tuple[str, Any]:
    """Return the one form that a document has, by its key, and what is in it.

    Args:
        document: The body.
        forms: The keys of the forms.
        ignored: A key that may stand beside it, as long as nothing is in it.

    Raises:
        RequestRefused: 400, it has none or several, or something else beside it.
    """
    found = [key for key in forms if key in document]
    if len(found) != 1:
        raise RequestRefused(400, "bad_shape", f"The body must have exactly one of: {', '.join(forms)}.")
    if document.get(ignored):
        raise RequestRefused(400, "bad_parameters", f"The model takes no '{ignored}'; leave them away.")
    if len(document) > 1 + (ignored in document):
        raise RequestRefused(400, "bad_shape", f"Beside '{found[0]}' there is something that is not known here.")
    return found[0], document[found[0]]


def feed_of_rows(served: Served, rows: Any, what: str) -> Feed:
    """Return rows ready to be scored: records, lists of values in the signature's order, or values of the one column.

    Args:
        served: The model.
        rows: The rows.
        what: What the client calls them, for messages.

    Raises:
        RequestRefused: 400, they are no list; 413, they are too many.
        RowsRefused: The model does not accept all values.
    """
    if type(rows) is not list:
        raise RequestRefused(400, "bad_shape", f"'{what}' must be a list with an entry for each row.")
    names: list[str] | None = None
    if rows and type(rows[0]) is list:
        names = list(served.signature.names)
    elif rows and type(rows[0]) is not dict and len(served.signature.names) == 1:
        names = list(served.signature.names)
        rows = [[value] for value in rows]
    elif (feed := served.plain(rows)) is not None:
        return feed
    return feed_of(read_rows(rows, names, served.signature, served.limits.rows))


def predictions_only(outputs: Mapping[str, Array]) -> Reply:
    """Return `{"predictions": [...]}` with one record a row."""
    return Reply(200, orjson.dumps({"predictions": records_of(outputs)}))
