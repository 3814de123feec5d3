"""What a function calls: `predict` for HTTP, `predict_event` for messages of Pub/Sub and objects of Cloud Storage.

HTTP goes through the very application that `mlship serve` answers with. An event that can never be scored is told in
the log and taken as dealt with; whatever else fails is raised, so that the event comes again.
"""

from __future__ import annotations

import logging
import os
import threading
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from mlship import objects
from mlship.errors import InputRefused, OutputFailed, UsageError
from mlship.serve.embedded import Embedded
from mlship.serve.preflight import preflight
from mlship.targets.google_functions import stored
from mlship.targets.google_functions.lines import FACTS, log_as_lines
from mlship.targets.google_functions.sinks import folder_of, sink_of
from mlship.targets.places import REJECTS, RESULTS, Places, fed_by, no_results, places_of
from mlship.targets.records import Entry, Record, Sink, errors_of, score
from mlship.targets.starting import started, told_whole

_EXAMPLE = "gs://BUCKET/FOLDER/"
_MESSAGE = "google.cloud.pubsub.topic.v1.messagePublished"
_OBJECT = "google.cloud.storage.object.v1.finalized"
_log = logging.getLogger(__name__)


def make_functions(model: Path) -> Functions:
    """Open a model, and return what answers; to be called once, when the function starts.

    Args:
        model: The ONNX file.

    Raises:
        UsageError: There is no such file, or a variable of the environment makes no sense.
        ModelRefused: The model is refused, or its golden rows differ.
        DependencyMissing: A library is missing that the function needs.
    """
    log_as_lines()
    with told_whole():
        return Functions(model)


class Functions:
    """Answers requests and events.

    Args:
        model: The ONNX file.
    """

    def __init__(self, model: Path) -> None:
        self._opened = _Opened(model)
        self._model = model
        self._places = places_of(sink_of)
        if self._places is None and os.environ.get("FUNCTION_TARGET") == "predict_event":
            raise no_results(_EXAMPLE)

    def predict(self, request: Any) -> Any:
        """Answer a request of another Flask application, as `mlship serve` answers it."""
        return self._opened.here().forward(request)

    def predict_event(self, event: Any) -> None:
        """Deal with a CloudEvent.

        Raises:
            MlshipError: It could not be dealt with now, and should come again.
        """
        with told_whole():
            if self._places is None:
                raise no_results(_EXAMPLE)
            if event["type"] == _MESSAGE:
                self._message(event, self._places)
            elif event["type"] == _OBJECT:
                self._object(event.data, self._places)
            else:
                kind = str(event["type"])[:100]
                raise UsageError(f"An event of '{kind}' came.", hint=f"Taken are {_MESSAGE} and {_OBJECT}.")

    def _message(self, event: Any, places: Places) -> None:
        for variable, place in ((RESULTS, places.results), (REJECTS, places.rejects)):
            if place and str(event["source"]).endswith(f"/{place}"):
                raise fed_by(variable)
        message = event.data["message"]
        served = self._opened.here().served
        (outcome,) = score(served, [_record(message)])
        kept = places.delivery(served).failures([outcome], ordered=False)
        if outcome.errors:
            _report(outcome.record.source, outcome.record.id, errors_of(outcome))
        if kept and (not outcome.errors or places.reject_sink is not None):
            raise OutputFailed("What came of a message could not be handed over; the log tells why.")

    def _object(self, data: Mapping[str, Any], places: Places) -> None:
        place = objects.Location("gs", str(data["bucket"]), str(data["name"]))
        results = folder_of(places.results)
        if results is None:
            raise UsageError(
                f"An object came, whose results cannot go to '{places.results}'.",
                hint=f"Set {RESULTS} to {_EXAMPLE}.",
            )
        rejects = folder_of(places.rejects) if places.rejects else None
        if stored.is_passed_over(place, [results] if rejects is None else [results, rejects]):
            _log.info("'%s' is none to score.", place.uri)
            return
        try:
            report = stored.score_object(self._model, place, results)
        except (InputRefused, UsageError) as error:  # it will be no better next time
            errors = [{"column": None, "code": error.code}]
            _report(stored.SOURCE, place.uri, errors, error.message)
            _reject(places.reject_sink, stored.SOURCE, place.uri, errors)
            return
        rows = report["rows"]
        _log.info(
            "'%s': %d rows in, %d out, %d rejected.", place.uri, rows["in"], rows["out"], rows["rejected"],
            extra={FACTS: {"rows": rows, "rejects": report["rejects"], "rejects_file": report["rejects_file"]}},
        )  # fmt: skip


class _Opened:
    """The model, open in whatever process answers.

    functions-framework loads a function's code in the process that forks its workers, and onnxruntime does not survive
    a fork (https://github.com/microsoft/onnxruntime/issues/9800). So a child tries the model first, which ends the
    start when it is refused, and each process opens it for itself, as soon as it is there.
    """

    def __init__(self, model: Path) -> None:
        preflight("model", str(model))
        self._model = model
        self._opening = threading.Lock()
        self._now: tuple[int, Embedded] | None = None
        os.register_at_fork(after_in_child=self.here)

    def here(self) -> Embedded:
        """Return it, opened in this very process."""
        if (now := self._now) is not None and now[0] == os.getpid():
            return now[1]
        with self._opening:
            if self._now is None or self._now[0] != os.getpid():
                self._now = (os.getpid(), started(self._model))
            return self._now[1]


def _record(message: Mapping[str, Any]) -> Record:
    name = str(message.get("messageId", ""))
    try:
        body = b64decode(message["data"], validate=True) if "data" in message else None
    except ValueError:
        body = None
    return Record("pubsub", name, str(message.get("orderingKey", "")), body)


def _report(source: str, name: str, errors: list[dict[str, Any]], message: str = "") -> None:
    """Tell what will never be scored, without a value of it."""
    codes = sorted({error["code"] for error in errors})
    text = message or f"A record of {source} was refused: {', '.join(codes)}."
    _log.error("%s", text, extra={FACTS: {"source": source, "id": name, "errors": errors}})


def _reject(sink: Sink | None, source: str, name: str, errors: list[dict[str, Any]]) -> None:
    if sink is None:
        return
    entry = Entry(name, "", orjson.dumps({"source": source, "id": name, "errors": errors}))
    if sink.send([entry]):
        raise OutputFailed("What was refused could not be handed over; the log tells why.")
