"""The Flask application: routes, limits and errors. It knows no server and opens no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from mlship.errors import MlshipError
from mlship.serve.desk import Desk
from mlship.serve.exchange import JSON, Environ, Exchange, Reply
from mlship.serve.health import Health
from mlship.serve.problems import RequestRefused, not_found
from mlship.serve.served import Served
from mlship.serve.table import nameless, rules

View = Callable[[Request], Reply]


class App(Flask):
    """Flask, with the paths at which rows are scored answered from a table, ahead of contexts and routing.

    Args:
        desk: Who answers.
        models: The models by name.
        health: How the server is.
        views: Further paths that are answered to GET, and who answers.
    """

    def __init__(self, desk: Desk, models: Mapping[str, Served], health: Health, views: Mapping[str, View]) -> None:
        super().__init__("mlship.serve", static_folder=None)
        self.debug = False  # whatever FLASK_DEBUG says: no exception text for clients
        self.url_map.merge_slashes = False  # a path that is not served is 404, not a redirect
        self.desk = desk
        self._models = models
        limits = next(iter(models.values())).limits

        def score(**_: str) -> Response:
            return self._score(limits.body)

        self._nameless = frozenset(path for path, _ in nameless())
        for rule in rules():
            self.add_url_rule(rule, rule, score, methods=["POST"], provide_automatic_options=False)
        for path, view in {"/livez": health.livez, "/readyz": health.readyz, **views}.items():
            self.add_url_rule(path, path, _get(view), methods=["GET"], provide_automatic_options=False)
        self.before_request(self._admit)
        self.register_error_handler(Exception, self._answer_error)

    def wsgi_app(self, environ: Environ, start_response: Any) -> Any:
        """Answer a request."""
        exchange = self.desk.open(environ)
        if exchange.endpoint is not None and "mlship.body" in environ:
            reply = self.desk.answer(exchange, environ["mlship.body"])
            start_response(status_line(reply.status), list(self.desk.close(exchange, reply)))
            return (reply.body,)
        return super().wsgi_app(environ, start_response)

    def finalize_request(self, *arguments: Any, **named: Any) -> Response:
        """Give every answer the same headers, and tell that the exchange has ended."""
        response: Response = super().finalize_request(*arguments, **named)
        exchange: Exchange = request.environ["mlship.exchange"]
        reply = Reply(
            response.status_code,
            response.get_data(),
            response.headers.get("Content-Type", JSON),
            tuple(item for item in response.headers.items() if item[0].lower() not in _SET_AT_THE_END),
            response.headers.get(_CODE, ""),
        )
        response.headers.clear()
        response.headers.extend(self.desk.close(exchange, reply))
        return response

    def _admit(self) -> None:
        """Ask the gate ahead of routing, so that who is not let in does not learn what there is."""
        exchange: Exchange = request.environ["mlship.exchange"]
        if exchange.endpoint is None:
            self.desk.admit(exchange)
            if request.path.startswith("//"):  # which routing would take for one slash
                raise not_found()

    def _score(self, largest_body: int) -> Response:
        """Answer at a path of the table; the body is read here, where no worker of ours has done so."""
        exchange: Exchange = request.environ["mlship.exchange"]
        if exchange.endpoint is None:
            raise self._unknown()
        return _response(self.desk.answer(exchange, _whole_body(request, largest_body)))

    def _unknown(self) -> RequestRefused:
        names = ", ".join(f"'{name}'" for name in sorted(self._models))
        if request.path in self._nameless:
            return RequestRefused(
                404, "which_model", f"Several models are served, {names}: ask /models/NAME/predict of one of them."
            )
        return RequestRefused(
            404, "unknown_model", f"There is no such model, or version of it, here; there is {names}."
        )

    def _answer_error(self, error: Exception) -> Response:
        exchange: Exchange = request.environ["mlship.exchange"]
        return _response(self.desk.refuse(exchange, _of_werkzeug(error) if isinstance(error, HTTPException) else error))


_CODE = "X-Mlship-Code"  # never leaves: it carries the code of an error to the end of the request
_SET_AT_THE_END = frozenset(("content-type", "content-length", _CODE.lower()))
_PHRASES = {item.value: f"{item.value} {item.phrase}" for item in HTTPStatus}


def status_line(status: int) -> str:
    """Return a status as WSGI wants it."""
    return _PHRASES.get(status) or f"{status} Unknown"


def _get(view: View) -> Callable[[], Response]:
    return lambda: _response(view(request))


def _response(reply: Reply) -> Response:
    headers = [*reply.headers, *([(_CODE, reply.code)] if reply.code else [])]
    return Response(reply.body, reply.status, headers, content_type=reply.content_type)


def _whole_body(asked: Request, limit: int) -> bytes:
    """Read the whole body, or refuse it: a body that is cut is never scored."""
    if "mlship.body" in asked.environ:
        found: bytes = asked.environ["mlship.body"]
        return found
    declared = asked.content_length
    if declared is not None and declared > limit:
        raise too_large(limit)
    body = _read(asked, limit + 1)  # one byte more tells a body at the limit from one beyond it
    if len(body) > limit:
        raise too_large(limit)
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


def too_large(limit: int) -> RequestRefused:
    """Return the refusal of a body that is too large."""
    return RequestRefused(
        413, "body_too_large", f"The body is larger than {limit:,} bytes, the most that this server takes."
    )


def _of_werkzeug(error: HTTPException) -> MlshipError:
    status = error.code or 500
    if isinstance(error, MethodNotAllowed):
        methods = ", ".join(sorted(error.valid_methods or ()))
        return RequestRefused(405, "method_not_allowed", f"This path takes {methods}.", {"Allow": methods})
    if status == 404:
        return not_found()
    code = error.name.lower().replace(" ", "_")
    return RequestRefused(status, code, f"The request cannot be answered: {error.name}.")
