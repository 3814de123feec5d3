"""OpenTelemetry: a span for each exchange, where its environment variables name who takes them."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from mlship import __version__, extras
from mlship.errors import DependencyMissing
from mlship.serve.exchange import Exchange
from mlship.serve.watchers import Load

_ASKED_BY = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NEEDED_FOR = "Sending traces, which OTEL_EXPORTER_OTLP_ENDPOINT asks for,"
_HINT = "pip install 'mlship[otel]'"
_CLOSE_SECONDS = 3.0  # whoever takes the spans may be gone
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
_STAGES = ("parse", "queue", "score", "write")

_log = logging.getLogger(__name__)


def is_asked_for() -> bool:
    """Tell whether the environment names who takes spans."""
    return any(os.environ.get(name) for name in _ASKED_BY)


def tracing(*, warns: bool) -> Tracing | None:
    """Return an observer that makes spans, or None where the libraries are absent; requests are answered all the same.

    Args:
        warns: Whether to log that they are absent: one worker of several does.
    """
    try:
        return Tracing()
    except DependencyMissing as error:
        if warns:
            _log.warning("%s No trace is sent. %s", error.message, error.hint)
        return None


class Tracing:
    """An observer that makes a span of each exchange.

    Raises:
        DependencyMissing: The libraries of the extra `otel` are absent.
    """

    def __init__(self) -> None:
        sdk, export, sending, resources, self._api, propagation = (
            extras.load(f"opentelemetry.{name}", needed_for=_NEEDED_FOR, hint=_HINT)
            for name in (
                "sdk.trace", "sdk.trace.export", "exporter.otlp.proto.http.trace_exporter", "sdk.resources", "trace",
                "trace.propagation.tracecontext",
            )
        )  # fmt: skip
        named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        told = {"service.version": __version__, **({} if named else {"service.name": "mlship"})}
        self._provider = sdk.TracerProvider(resource=resources.Resource.create(told))
        self._provider.add_span_processor(export.BatchSpanProcessor(sending.OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("mlship", __version__)
        self._extract = propagation.TraceContextTextMapPropagator().extract

    def __call__(self, exchange: Exchange) -> None:
        """Make the span of an exchange, which has ended now."""
        ended = time.time_ns()
        began = ended - int((time.perf_counter() - exchange.started) * 1e9)
        method = exchange.environ.get("REQUEST_METHOD", "")
        method = method if method in _METHODS else "HTTP"
        name = method if exchange.endpoint is None else f"{method} {exchange.environ['PATH_INFO']}"
        carried = {"traceparent": exchange.environ["HTTP_TRACEPARENT"]} if exchange.trace else {}
        if carried and "HTTP_TRACESTATE" in exchange.environ:
            carried["tracestate"] = exchange.environ["HTTP_TRACESTATE"]
        span = self._tracer.start_span(
            name,
            context=self._extract(carried),
            kind=self._api.SpanKind.SERVER,
            attributes=_attributes(exchange, method),
            start_time=began,
        )
        if exchange.status >= 500:
            span.set_status(self._api.StatusCode.ERROR)
        span.end(end_time=ended)

    def tick(self, load: Load) -> None:
        """Do nothing: the library sends on a thread of its own."""

    def close(self) -> None:
        """Send what is left, as far as that can be done in 3 seconds."""
        thread = threading.Thread(target=self._provider.shutdown, name="mlship-traces", daemon=True)
        thread.start()
        thread.join(_CLOSE_SECONDS)


def _attributes(exchange: Exchange, method: str) -> dict[str, Any]:
    """What is told of an exchange; no value of a row, and no path that a client made up."""
    told: dict[str, Any] = {
        "http.request.method": method,
        "http.response.status_code": exchange.status,
        "mlship.request_id": exchange.request_id,
    }
    if exchange.code:
        told["error.type"] = exchange.code
    endpoint = exchange.endpoint
    if endpoint is not None:
        told["http.route"] = exchange.environ["PATH_INFO"]
        told["mlship.model"] = endpoint.served.name
        told["mlship.digest"] = endpoint.served.identity["digest"]
        told |= {f"mlship.{stage}_seconds": getattr(exchange, stage) for stage in _STAGES}
    if exchange.call is not None:
        told["mlship.rows"] = exchange.call.feed.rows
    return told
