"""The Flask application: routes, limits and errors. It knows no server and opens no model."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from mlship.errors import MlshipError
from mlship.model.session import Session
from mlship.model.values.matrix import MatrixReader
from mlship.serve.answers import predictions_body
from mlship.serve.payload import parse, plain_records, read_document
from mlship.serve.problems import RequestRefused, body_of, status_of
from mlship.serve.settings import Limits

_JSON = "application/json"
_SEND = f"Send JSON with the header 'Content-Type: {_JSON}'."
_WARNED = "The golden rows differ from the original's answers; served on because MLSHIP_GOLDEN is 'warn'."
_log = logging.getLogger(__name__)


def create_app(session: Session, limits: Limits, is_draining: Callable[[], bool] = lambda: False) -> Flask:
    """Make the application that serves one open model.

    Args:
        session: The model.
        limits: The most that one request may ask for.
        is_draining: Tells whether the server is about to stop, which `/readyz` then says.
    """
    app = _App("mlship.serve", static_folder=None)
    app.debug = False  # whatever FLASK_DEBUG says: no exception text for clients
    app.url_map.merge_slashes = False  # a path that is not served is 404, not a redirect
    service = _Service(session, limits, is_draining)
    for path, view, method in (
        ("/predict", service.predict, "POST"),
        ("/livez", service.livez, "GET"),
        ("/readyz", service.readyz, "GET"),
    ):
        app.add_url_rule(path, view_func=view, methods=[method], provide_automatic_options=False)
    app.hot["POST", "/predict"] = service.answer
    app.register_error_handler(Exception, _answer_error)
    app.after_request(_add_headers)
    return app


class _App(Flask):
    """Flask, with a table of what is asked most, answered before contexts and routing where the request is plain."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.hot: dict[tuple[str, str], Callable[[bytes], bytes]] = {}

    def wsgi_app(self, environ: Any, start_response: Any) -> Any:
        """Answer a request."""
        answer = self.hot.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if answer is None or not _is_plain(environ):
            return super().wsgi_app(environ, start_response)
        try:
            body = answer(environ["mlship.body"])
        except Exception:  # noqa: BLE001 - whatever it is, the view says it, with all that Flask knows of the request
            return super().wsgi_app(environ, start_response)
        start_response("200 OK", [*_PLAIN_HEADERS, ("Content-Length", str(len(body)))])
        return (body,)


_PLAIN_HEADERS = [
    ("Content-Type", _JSON), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"),
]


def _is_plain(environ: Any) -> bool:
    """Whether a request says nothing of itself that takes a closer look."""
    return (
        "mlship.body" in environ
        and not environ["QUERY_STRING"]
        and environ.get("CONTENT_TYPE") == _JSON
        and environ.get("HTTP_ACCEPT", "*/*") in ("*/*", _JSON)
        and "HTTP_CONTENT_ENCODING" not in environ
    )


class _Service:
    def __init__(self, session: Session, limits: Limits, is_draining: Callable[[], bool]) -> None:
        self._session = session
        self._limits = limits
        self._is_draining = is_draining
        signature = session.signature
        self._matrix = MatrixReader(signature) if MatrixReader.fits(signature) else None
        self._model = {"name": session.card.name, "version": session.card.version, "digest": session.digest}

    def predict(self) -> Response:
        _check_accept(request)
        _check_content(request)
        body = _whole_body(request, self._limits.body)
        return _json(self.answer(body))

    def answer(self, body: bytes) -> bytes:
        """Score a body of JSON."""
        document = parse(body)
        if self._matrix is not None:
            records = plain_records(document)
            if records is not None and len(records) <= self._limits.rows:
                matrix = self._matrix.read(records)
                if matrix is not None:
                    return predictions_body(self._session.predict_matrix(matrix), self._model)
        columns = read_document(document, self._session.signature, self._limits.rows).columns
        return predictions_body(self._session.predict(columns), self._model)

    def livez(self) -> Response:
        return _json(orjson.dumps({"status": "live"}))

    def readyz(self) -> Response:
        if self._is_draining():
            raise RequestRefused(503, "draining", "The server is stopping and takes no more work.")
        replay = self._session.replay
        state = {
            "status": "ready",
            "model": self._model,
            "proven": self._session.proven,
            "golden": {"rows": replay.rows, "agrees": replay.agrees, "warning": _WARNED if replay.warning else None},
        }
        return _json(orjson.dumps(state))


def _check_accept(asked: Request) -> None:
    accepted = asked.accept_mimetypes
    if accepted.provided and accepted.quality(_JSON) <= 0:
        raise RequestRefused(406, "not_acceptable", f"This server answers {_JSON}, which the Accept header excludes.")


def _check_content(asked: Request) -> None:
    kind = asked.mimetype
    if kind != _JSON and not kind.endswith("+json"):
        found = f"The content type '{kind[:100]}' is not taken here." if kind else "The request has no content type."
        raise RequestRefused(415, "unsupported_media_type", f"{found} {_SEND}", {"Accept": _JSON})
    if asked.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise RequestRefused(
            415, "unsupported_encoding", "The body is compressed; send it as it is.", {"Accept-Encoding": "identity"}
        )


def _whole_body(asked: Request, limit: int) -> bytes:
    """Read the whole body, or refuse it: a body that is cut is never scored."""
    declared = asked.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    body = _read(asked, limit + 1)  # one byte more tells a body at the limit from one beyond it
    if len(body) > limit:
        raise _too_large(limit)
    if declared is not None and len(body) != declared:
        raise RequestRefused(400, "body_cut_short", f"The body has {len(body):,} bytes; {declared:,} were announced.")
    return body


def _read(asked: Request, most: int) -> bytes:
    parts: list[bytes] = []
    missing = most
    try:
        while missing > 0 and (part := asked.stream.read(missing)):
            parts.append(part)
            missing -= len(part)
    except Exception:  # noqa: BLE001 - each server has its own errors for a client that breaks off or frames wrongly
        raise RequestRefused(400, "body_broken", "The body could not be read to its end.") from None
    return b"".join(parts)


def _too_large(limit: int) -> RequestRefused:
    return RequestRefused(
        413, "body_too_large", f"The body is larger than {limit:,} bytes, the most that this server takes."
    )


def _answer_error(error: Exception) -> Response:
    if isinstance(error, MlshipError):
        problem = error
    elif isinstance(error, HTTPException):
        problem = _of_werkzeug(error)
    else:
        problem = MlshipError("unexpected")
    status = status_of(problem)
    if status >= 500 and not isinstance(problem, RequestRefused):
        _log.error("%s failed: %s", request.path if request.url_rule else "a request", _where(error))
    answer = _json(orjson.dumps(body_of(problem)), status)
    if isinstance(problem, RequestRefused):
        answer.headers.update(problem.headers)
    return answer


def _of_werkzeug(error: HTTPException) -> RequestRefused:
    status = error.code or 500
    if isinstance(error, MethodNotAllowed):
        methods = ", ".join(sorted(error.valid_methods or ()))
        return RequestRefused(405, "method_not_allowed", f"This path takes {methods}.", {"Allow": methods})
    if status == 404:
        return RequestRefused(404, "not_found", "Nothing is served at this path. Rows are scored by POST /predict.")
    code = error.name.lower().replace(" ", "_")
    return RequestRefused(status, code, f"The request cannot be answered: {error.name}.")


def _where(error: BaseException) -> str:
    """Name an exception and its place. Its text stays out of the log: it may hold values of a row."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    cause = f", caused by {type(error.__cause__).__name__}" if error.__cause__ else ""
    code = f" ({error.code})" if isinstance(error, MlshipError) else ""
    return f"{type(error).__name__}{code} at {place}{cause}"


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, mimetype=_JSON)


def _add_headers(answer: Response) -> Response:
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "no-store"
    return answer
