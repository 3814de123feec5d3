"""`POST /predict`: mlship's own protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlship.errors import MlshipError
from mlship.model.values.codes import Array
from mlship.serve.answers import predictions_body
from mlship.serve.exchange import JSON, Asked, Call, Reply, telling
from mlship.serve.payload import Read, parse, plain_records, read_document
from mlship.serve.problems import RequestRefused, body_of
from mlship.serve.protocols import media
from mlship.serve.protocols.bodies import feed_of, read_table, written_table
from mlship.serve.served import Served


def refusal(error: MlshipError) -> Reply:
    """Return an error as `serve.problems` has it."""
    return telling(error, body_of(error))


def _is_rejecting(asked: Asked) -> bool:
    """Whether rows with refused values are left out.

    Raises:
        RequestRefused: 400, `on_error` is neither `reject` nor `refuse`.
    """
    given = asked.query("on_error")
    if given not in (None, "reject", "refuse"):
        raise RequestRefused(400, "bad_query", "on_error is 'reject', or 'refuse', which it is where it is not given.")
    return given == "reject"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an answer is to be: its media type, and the rows asked for where some may have been left out."""

    kind: str
    rejected: Read | None


class Native:
    """See `serve.endpoint.Endpoint`."""

    protocol = "predict"

    def __init__(self, served: Served) -> None:
        self.served = served

    def read(self, asked: Asked) -> Call:
        """Read JSON in any of the forms of `serve.payload`, or a table."""
        answer = media.answer_type(asked)
        kind = asked.content_type
        served = self.served
        reject = _is_rejecting(asked)
        if media.is_json(kind):
            media.check_encoding(asked)
            document = parse(asked.body)
            if (feed := served.plain(plain_records(document))) is not None:
                clean = Read(feed.rows, {}) if reject else None
                return Call(feed, asked, None if answer == JSON and not reject else _Answer(answer, clean))
            read = read_document(document, served.signature, served.limits.rows, reject=reject)
        elif kind in media.FORMATS:
            read = read_table(asked, served, reject=reject)
        else:
            raise media.unsupported(kind, JSON, *media.FORMATS)
        rejected = read if reject else None
        return Call(feed_of(read), asked, None if answer == JSON and not reject else _Answer(answer, rejected))

    def write(self, call: Call, outputs: Mapping[str, Array]) -> Reply:
        """Write predictions as records, or as a table."""
        wanted: _Answer | None = call.context
        if wanted is None:
            return Reply(200, predictions_body(outputs, self.served.identity))
        rejected = wanted.rejected
        if wanted.kind != JSON:
            return written_table(wanted.kind, self.served, outputs, rejected)
        told = None if rejected is None else (rejected.rows, rejected.refused)
        return Reply(200, predictions_body(outputs, self.served.identity, told))

    def refuse(self, error: MlshipError) -> Reply:
        """Write an error as `serve.problems` has it."""
        return refusal(error)
