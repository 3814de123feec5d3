"""`POST /predict`: mlship's own protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from mlship.errors import MlshipError
from mlship.model.feed import Feed
from mlship.model.values.codes import Array
from mlship.serve.answers import predictions_body
from mlship.serve.exchange import JSON, Asked, Call, Reply
from mlship.serve.payload import parse, plain_records, read_document
from mlship.serve.problems import RequestRefused, body_of, status_of
from mlship.serve.served import Served

_SEND = f"Send JSON with the header 'Content-Type: {JSON}'."


def check_accept(asked: Asked) -> None:
    """Check that the client takes JSON.

    Raises:
        RequestRefused: 406, it does not.
    """
    if asked.accept is not None and parse_accept_header(asked.accept, MIMEAccept).quality(JSON) <= 0:
        raise RequestRefused(406, "not_acceptable", f"This server answers {JSON}, which the Accept header excludes.")


def check_content(asked: Asked) -> None:
    """Check that the body is JSON, and as it is.

    Raises:
        RequestRefused: 415, it is not.
    """
    kind = asked.content_type
    if kind != JSON and not kind.endswith("+json"):
        found = f"The content type '{kind[:100]}' is not taken here." if kind else "The request has no content type."
        raise RequestRefused(415, "unsupported_media_type", f"{found} {_SEND}", {"Accept": JSON})
    if (asked.header("Content-Encoding") or "").strip().lower() not in ("", "identity"):
        raise RequestRefused(
            415, "unsupported_encoding", "The body is compressed; send it as it is.", {"Accept-Encoding": "identity"}
        )


def refusal(error: MlshipError) -> Reply:
    """Return an error as `serve.problems` has it."""
    headers = tuple(error.headers.items()) if isinstance(error, RequestRefused) else ()
    return Reply(status_of(error), orjson.dumps(body_of(error)), headers=headers, code=error.code)


class Native:
    """See `serve.endpoint.Endpoint`."""

    protocol = "predict"

    def __init__(self, served: Served) -> None:
        self.served = served

    def read(self, asked: Asked) -> Call:
        """Read JSON in any of the forms of `serve.payload`."""
        check_accept(asked)
        check_content(asked)
        document = parse(asked.body)
        if (feed := self._plain(document)) is not None:
            return Call(feed, asked)
        served = self.served
        reject = asked.query("on_error") == "reject"
        read = read_document(document, served.signature, served.limits.rows, reject=reject)
        rows = len(next(iter(read.columns.values())))
        return Call(Feed(rows, read.columns), asked, (read.rows, read.refused) if reject else None)

    def _plain(self, document: Any) -> Feed | None:
        served = self.served
        if served.matrix is None:
            return None
        records = plain_records(document)
        if records is None or len(records) > served.limits.rows:
            return None
        matrix = served.matrix.read(records)
        return None if matrix is None else Feed(len(matrix), matrix=matrix)

    def write(self, call: Call, outputs: Mapping[str, Array]) -> Reply:
        """Write predictions as records."""
        return Reply(200, predictions_body(outputs, self.served.identity, call.context))

    def refuse(self, error: MlshipError) -> Reply:
        """Write an error as `serve.problems` has it."""
        return refusal(error)
