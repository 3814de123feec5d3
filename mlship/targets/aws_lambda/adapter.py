"""The handler of a function: HTTP events, direct invocations, and batches of SQS, Kinesis and Kafka.

HTTP goes through the very application that `mlship serve` answers with. Rows that are given to the function directly
are answered as `POST /predict` answers them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from mlship import extras
from mlship.errors import ModelRefused
from mlship.serve.embedded import Embedded
from mlship.targets.aws_lambda.events import Batch, batch_of, is_http
from mlship.targets.aws_lambda.sinks import is_same, sink_of
from mlship.targets.places import REJECTS, RESULTS, fed_by, no_results, places_of
from mlship.targets.records import Outcome, codes_of, score
from mlship.targets.starting import started, told_whole

Handler = Callable[[Any, Any], Any]
_MOST_NAMED = 20
_MOST_BYTES, _MOST_BYTES_TO_BALANCER = 6 << 20, 1 << 20
"""Of what a function returns: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, and for a load
balancer https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html. With more, the
runtime ends the process, and the client is told nothing of use."""
_TOO_LARGE = {"code": "answer_too_large", "message": "The answer is larger than AWS Lambda passes on. Send fewer rows."}
_log = logging.getLogger(__name__)


def make_handler(model: Path) -> Handler:
    """Open a model, and return what Lambda calls with each event; to be called once, when the function starts.

    Args:
        model: The ONNX file.

    Raises:
        UsageError: There is no such file, or a variable of the environment makes no sense.
        ModelRefused: The model is refused, or its golden rows differ.
        DependencyMissing: A library is missing that the function needs.
    """
    with told_whole():
        return _Function(started(model))


class _Function:
    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._http: Handler = _http_of(embedded)
        self._places = places_of(sink_of)

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer an event."""
        with told_whole():
            if is_http(event):
                return _fitting(self._http(_without_stage(event), context), event)
            batch = batch_of(event)
            return self._direct(event) if batch is None else self._batch(batch)

    def _direct(self, event: Any) -> Any:
        """Answer rows.

        What is wrong with the rows is returned, in the shape that `/predict` tells it: the same rows will never be
        right, so that Lambda need not try them again. What is wrong here is raised, so that it does.
        """
        reply = self._embedded.predict(json.dumps(event).encode())  # NaN, which is no JSON, is refused there
        if reply.status >= 500:
            raise ModelRefused("The rows could not be scored; the log tells why.", code=reply.code)
        answer = orjson.loads(reply.body)
        return answer if _fits(answer, len(reply.body), _MOST_BYTES) else {"error": _TOO_LARGE}

    def _batch(self, batch: Batch) -> dict[str, Any]:
        places = self._places
        if places is None:
            raise no_results("s3://BUCKET/FOLDER/")
        for variable, sink in ((RESULTS, places.sink), (REJECTS, places.reject_sink)):
            if is_same(sink, batch.origin):
                raise fed_by(variable)
        served = self._embedded.served
        outcomes = score(served, batch.records)
        kept = places.delivery(served).failures(outcomes, ordered=batch.ordered)
        _tell(outcomes, len(kept))
        return batch.answer(kept)


def _http_of(embedded: Embedded) -> Handler:
    adapter = extras.load("apig_wsgi", needed_for="A function of AWS Lambda", hint="pip install 'mlship[aws-lambda]'")
    prefixes = (*adapter.DEFAULT_NON_BINARY_CONTENT_TYPE_PREFIXES, "application/x-ndjson")
    handler: Handler = adapter.make_lambda_handler(
        embedded.app, binary_support=True, non_binary_content_type_prefixes=prefixes
    )
    return handler


def _fitting(answer: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """An answer by HTTP, or in place of one that Lambda does not pass on another that says so."""
    most = _MOST_BYTES_TO_BALANCER if "elb" in event["requestContext"] else _MOST_BYTES
    if _fits(answer, len(answer["body"]), most):
        return answer
    headers: dict[str, Any] = {"headers": {"content-type": "application/json"}}
    if "multiValueHeaders" in answer:
        headers = {"multiValueHeaders": {"content-type": ["application/json"]}}
    return {"statusCode": 413, "body": json.dumps({"error": _TOO_LARGE}), "isBase64Encoded": False, **headers}


def _fits(answer: Any, size: int, most: int) -> bool:
    """Whether what the runtime makes of an answer is no larger: it puts in spaces, and escapes quotation marks.

    Args:
        answer: The answer.
        size: Bytes or letters of it, of each of which it makes less than six.
        most: The most bytes.
    """
    return size * 6 < most or len(json.dumps(answer, ensure_ascii=False).encode()) <= most


def _without_stage(event: dict[str, Any]) -> dict[str, Any]:
    """An event whose path is what was asked for: API Gateway's second version puts a stage's name in front."""
    stage = event["requestContext"].get("stage", "$default")
    path = event.get("rawPath")
    if path is None or stage == "$default" or not path.startswith(f"/{stage}/"):
        return event
    return {**event, "rawPath": path.removeprefix(f"/{stage}")}


def _tell(outcomes: list[Outcome], kept: int) -> None:
    """Tell in the log what was not scored, without a value of it."""
    refused = [outcome.record.id for outcome in outcomes if outcome.errors]
    failed = sum(outcome.failed for outcome in outcomes)
    codes = codes_of(outcomes)
    facts = {"records": len(outcomes), "refused": len(refused), "failed": failed, "kept": kept, "codes": codes}
    if refused or failed or kept:
        why = ", ".join(f"{code} {count}" for code, count in codes.items()) or "none"
        _log.warning(
            "Of %d records %d were refused (%s), the model failed on %d, and %d are left with their source.",
            len(outcomes), len(refused), why, failed, kept,
            extra={**facts, "ids": refused[:_MOST_NAMED]},
        )  # fmt: skip
    else:
        _log.info("%d records were scored.", len(outcomes), extra=facts)
