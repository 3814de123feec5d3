"""One request and its answer, as everything behind the server sees them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from mlship.errors import MlshipError
from mlship.model.feed import Feed
from mlship.model.values.codes import Array
from mlship.serve.problems import RequestRefused, status_of

if TYPE_CHECKING:
    from mlship.serve.endpoint import Endpoint

JSON = "application/json"
Headers = tuple[tuple[str, str], ...]
Environ = dict[str, Any]


class Asked:
    """What a client asks: a request whose body is whole.

    Args:
        environ: The WSGI environment.
        body: The body without its framing.
    """

    __slots__ = ("body", "environ")

    def __init__(self, environ: Environ, body: bytes) -> None:
        self.environ = environ
        self.body = body

    @property
    def content_type(self) -> str:
        """Its media type in lower case without parameters, empty when there is none."""
        kind: str = self.environ.get("CONTENT_TYPE", "")
        return kind if kind == JSON else kind.partition(";")[0].strip().lower()

    @property
    def accept(self) -> str | None:
        """The Accept header, or None for whatever there is."""
        found = self.environ.get("HTTP_ACCEPT")
        return None if found in (None, "", "*/*") else found

    def header(self, name: str) -> str | None:
        """Return a header by its name, such as `Inference-Header-Content-Length`."""
        found: str | None = self.environ.get("HTTP_" + name.upper().replace("-", "_"))
        return found

    def query(self, name: str) -> str | None:
        """Return the last value of a parameter of the query string, or None.

        Raises:
            RequestRefused: 400, the query string has too many parameters.
        """
        text = self.environ.get("QUERY_STRING")
        if not text:
            return None
        try:
            values = parse_qs(text, keep_blank_values=True, max_num_fields=100)
        except ValueError:
            raise RequestRefused(400, "bad_query", "The query string has too many parameters.") from None
        return values[name][-1] if name in values else None


@dataclass(slots=True)
class Call:
    """The rows of a request, and what its answer needs to know of it.

    Attributes:
        feed: The accepted rows.
        asked: The request.
        context: What the endpoint's `write` wants from its `read`.
        seconds: How long the client will wait, or None when it does not say.
    """

    feed: Feed
    asked: Asked
    context: Any = None
    seconds: float | None = None


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes:
        status: The HTTP status.
        body: The body.
        content_type: Its media type.
        headers: Further headers.
        code: The code of the error that it tells, empty when it tells none.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: Headers = ()
    code: str = ""


def telling(error: MlshipError, body: Any) -> Reply:
    """Return an answer that tells an error.

    Args:
        error: The error, which gives the status and further headers.
        body: What is told of it, as JSON values in the shape of a protocol.
    """
    headers = tuple(error.headers.items()) if isinstance(error, RequestRefused) else ()
    return Reply(status_of(error), orjson.dumps(body), headers=headers, code=error.code)


def headers_of(reply: Reply, safe: Headers, request_id: str = "") -> Headers:
    """Return all headers of an answer.

    Args:
        reply: The answer.
        safe: The headers of every answer that has none of that name itself.
        request_id: Name of the request, empty for what never became one.
    """
    named = (("X-Request-Id", request_id),) if request_id else ()
    if reply.headers:  # an answer may have its own word for what all say: the page may do more than data
        own = {name for name, _ in reply.headers}
        safe = tuple(item for item in safe if item[0] not in own)
    return (
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(reply.body))),
        *named,
        *safe,
        *reply.headers,
    )


class Exchange:
    """A request under way, and in the end all that is to be counted and logged of it.

    Attributes:
        environ: The WSGI environment.
        request_id: Name of the request, the client's own where it gave one.
        endpoint: Who answers it, or None where Flask's routes do.
        call: Its rows, once they are read.
        outputs: An array [rows] for each output column, once they are scored.
        status: The HTTP status of the answer.
        code: The code of the error that the answer tells, empty for none.
        size: Bytes of the answer's body.
        trace: The trace that it is a part of, 32 hexadecimal digits, or empty.
        together: Rows of the call that it was scored in, its own and others'.
        started: When it began, by `time.perf_counter`.
        client_name: Name of the token that was shown, empty for none.
        parse, queue, score, write: Seconds that each stage took, 0 for one that was not reached.
    """

    __slots__ = (
        "call", "client_name", "code", "endpoint", "environ", "outputs", "parse", "queue", "request_id", "score",
        "size", "started", "status", "together", "trace", "write",
    )  # fmt: skip

    def __init__(self, environ: Environ, request_id: str, endpoint: Endpoint | None) -> None:
        self.environ = environ
        self.request_id = request_id
        self.endpoint = endpoint
        self.call: Call | None = None
        self.outputs: Mapping[str, Array] | None = None
        self.status = 0
        self.code = ""
        self.size = 0
        self.client_name = ""
        self.trace = ""
        self.together = 0
        self.started = time.perf_counter()
        self.parse = self.queue = self.score = self.write = 0.0
