"""AWS Lambda, by its real runtime client: every kind of event, good and bad, without the libraries that it lacks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.batch.models import town_model
from tests.targets.functions import lambda_events as events
from tests.targets.functions.conftest import HANDLER, Scored, Start, same
from tests.targets.functions.runtime import Emulated, Own

HTTP = (events.api_gateway_1, events.api_gateway_2, events.staged, events.function_url, events.load_balancer)
Request = Callable[[str, str, str | None, dict[str, str]], dict[str, Any]]
every_http = pytest.mark.parametrize("event", HTTP, ids=lambda event: event.__name__)


@pytest.fixture(scope="module")
def bucket_name(s3: str) -> str:
    """Name of an empty bucket."""
    connection = HTTPConnection(s3.removeprefix("http://"), timeout=10)
    connection.request("PUT", "/function-results")
    assert connection.getresponse().status == 200
    connection.close()
    return "function-results"


@pytest.fixture(scope="module")
def aws(s3: str) -> dict[str, str]:
    """The environment that leads a function to a server of Amazon's services."""
    return {
        "AWS_ENDPOINT_URL": s3,
        "AWS_REGION": events.REGION,
        "AWS_DEFAULT_REGION": events.REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "SECRET-of-nobody",
    }


@pytest.fixture(scope="module")
def function(start: Start, aws: dict[str, str], bucket_name: str) -> Emulated | Own:
    """A function that runs, and hands results and rejects over to a bucket."""
    places = {"MLSHIP_RESULTS": f"s3://{bucket_name}/results/", "MLSHIP_REJECTS": f"s3://{bucket_name}/rejects/"}
    return start({**aws, **places})


def answer_of(event: dict[str, Any]) -> Any:
    """Return the body of an answer as JSON values."""
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"]
    return json.loads(body)


@every_http
def test_http_answers_the_bits_of_batch(function: Emulated | Own, scored: Scored, event: Request) -> None:
    """POST /predict by each kind of event gives what `mlship batch` gave for the same rows."""
    body = json.dumps({"instances": scored.records})
    answer = function.invoke(event("POST", "/predict", body, events.JSON_HEADER))
    assert answer["statusCode"] == 200
    assert same(answer_of(answer)["predictions"], scored.outputs)


@pytest.mark.parametrize(
    ("event", "rows", "status"),
    [
        pytest.param(events.load_balancer, 10_000, 413, id="load balancer"),
        pytest.param(events.load_balancer, 1_000, 200, id="less of it"),
        pytest.param(events.function_url, 10_000, 200, id="function URL"),
    ],
)
def test_an_answer_that_is_not_passed_on_is_told(
    function: Emulated | Own, scored: Scored, event: Request, rows: int, status: int
) -> None:
    """A load balancer takes 1 MiB from a function: what is larger is answered as such, and others get it."""
    records = [scored.records[place % len(scored.records)] for place in range(rows)]
    columns = list(records[0])
    body = json.dumps({"columns": columns, "data": [list(record.values()) for record in records]})
    answer = function.invoke(event("POST", "/predict", body, events.JSON_HEADER))
    assert answer["statusCode"] == status
    if status == 413:
        assert answer_of(answer)["error"]["code"] == "answer_too_large"
    else:
        assert len(answer_of(answer)["predictions"]) == rows


class Refused(NamedTuple):
    """A request that is refused, and how."""

    method: str
    path: str
    body: str | None
    kind: str
    status: int
    code: str


@every_http
@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(Refused("POST", "/predict", '[{"island": ', "application/json", 400, "bad_json"), id="no JSON"),
        pytest.param(
            Refused("POST", "/predict", '{"island": 1}', "application/json", 422, "input_refused"), id="bad row"
        ),
        pytest.param(
            Refused("POST", "/predict", "island\nDream\n", "text/csv", 415, "dependency_missing"), id="no Polars"
        ),
        pytest.param(Refused("POST", "/nothing", "{}", "application/json", 404, "not_found"), id="no such path"),
        pytest.param(
            Refused("GET", "/predict", None, "application/json", 405, "method_not_allowed"), id="wrong method"
        ),
    ],
)
def test_http_refuses(function: Emulated | Own, event: Request, refused: Refused) -> None:
    """What serve refuses is refused here with the same status and code."""
    answer = function.invoke(event(refused.method, refused.path, refused.body, {"content-type": refused.kind}))
    assert (answer["statusCode"], answer_of(answer)["error"]["code"]) == (refused.status, refused.code)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        pytest.param("/livez", "status", "live", id="livez"),
        pytest.param("/readyz", "status", "ready", id="readyz"),
        pytest.param("/v2/health/ready", "ready", True, id="v2"),
        pytest.param("/v2/models/model", "platform", "onnx_onnxv1", id="metadata"),
    ],
)
def test_probes_and_metadata_answer(function: Emulated | Own, path: str, key: str, value: Any) -> None:
    """The paths of serve that tell of it are there too."""
    assert answer_of(function.invoke(events.api_gateway_2("GET", path, None, {})))[key] == value


def test_other_protocols_answer(function: Emulated | Own, scored: Scored) -> None:
    """MLflow's `/invocations` and KServe's path give the same bits."""
    rows = scored.records[:20]
    for path, body in (
        ("/invocations", {"dataframe_records": rows}),
        ("/v1/models/model:predict", {"instances": rows}),
    ):
        answer = function.invoke(events.api_gateway_2("POST", path, json.dumps(body), events.JSON_HEADER))
        assert same(answer_of(answer)["predictions"], scored.outputs[:20])


def test_bytes_leave_in_base64(function: Emulated | Own) -> None:
    """Tensors in binary form are bytes, which leave every kind of event in base64."""
    columns = {"bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181.0, "body_mass_g": 3750.0}
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in columns.items()]
    inputs += [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
        for name, value in (("island", "Torgersen"), ("sex", "male"))
    ]
    body = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})
    for event in HTTP:
        answer = function.invoke(event("POST", "/v2/models/model/infer", body, events.JSON_HEADER))
        assert answer["statusCode"] == 200, answer
        assert answer["isBase64Encoded"] is True
        assert b'"Adelie"' not in base64.b64decode(answer["body"])


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda rows: rows, id="list"),
        pytest.param(lambda rows: {"instances": rows}, id="instances"),
        pytest.param(
            lambda rows: {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}, id="columns"
        ),
    ],
)
def test_direct_invocation_answers_the_bits_of_batch(
    function: Emulated | Own, scored: Scored, form: Callable[[list[Any]], Any]
) -> None:
    """Rows that are given to the function itself are answered as /predict answers them."""
    answer = function.invoke(form(scored.records))
    assert same(answer["predictions"], scored.outputs)
    assert answer["model"]["name"] == "model"


def test_one_record_is_a_direct_invocation(function: Emulated | Own, scored: Scored) -> None:
    """A record alone is taken too."""
    assert same(function.invoke(scored.records[3])["predictions"], scored.outputs[3:4])


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param({"island": "Dream"}, "input_refused", id="columns missing"),
        pytest.param(b'{"bill_length_mm": 1e400}', "bad_json", id="infinity"),
        pytest.param("text", "bad_shape", id="text"),
        pytest.param(None, "bad_shape", id="null"),
        pytest.param([{}] * 10_001, "too_many_rows", id="too many rows"),
        pytest.param({"requestContext": 1, "Records": 2, "httpMethod": 3}, "input_refused", id="names of events"),
    ],
)
def test_bad_rows_are_answered_not_raised(function: Emulated | Own, event: Any, code: str) -> None:
    """The same rows will never be right: Lambda is not to try them again."""
    answer = function.invoke(event)
    assert answer["error"]["code"] == code
    assert "errorMessage" not in answer


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"Records": [{"eventSource": "aws:s3", "s3": {}}]}, id="S3"),
        pytest.param({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, id="SNS"),
        pytest.param({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]}, id="DynamoDB"),
        pytest.param({"detail-type": "Order", "source": "shop", "detail": {"a": 1}}, id="EventBridge"),
        pytest.param({"eventSource": "aws:mq", "eventSourceArn": "arn", "messages": [{"data": ""}]}, id="Amazon MQ"),
        pytest.param({"eventSource": "aws:docdb", "events": [{"event": {}}]}, id="DocumentDB"),
        pytest.param([{"messageId": "m", "body": "{}", "eventSource": "aws:sqs"}], id="SQS by a pipe"),
    ],
)
def test_events_that_are_not_taken_are_raised(function: Emulated | Own, event: Any) -> None:
    """Such an event must not pass for a row: answered with an error it would be lost."""
    answer = function.invoke(event)
    assert answer["errorType"] == "UsageError"
    assert "not taken here" in answer["errorMessage"]


@pytest.fixture(scope="module")
def poisoned(scored: Scored) -> list[str]:
    """Bodies of records: the third is no JSON, the fifth lacks columns and holds what no log may tell."""
    bodies = events.lines(scored.records[:8])
    bodies[2] = '{"island": '
    bodies[4] = json.dumps({"bill_length_mm": "SECRET-4711"})
    return bodies


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(events.sqs, id="SQS"),
        pytest.param(lambda bodies: events.sqs(bodies, groups=["a", "b"] * 4), id="SQS FIFO"),
        pytest.param(events.kinesis, id="Kinesis"),
        pytest.param(lambda bodies: events.kafka({0: bodies[:4], 1: bodies[4:]}), id="MSK"),
        pytest.param(
            lambda bodies: events.kafka({0: bodies[:4], 1: bodies[4:]}, source="SelfManagedKafka"), id="Kafka"
        ),
    ],
)
def test_batches_of_events(
    function: Emulated | Own, scored: Scored, s3: str, bucket_name: str, poisoned: list[str], make: Any
) -> None:
    """Results of good records and the untouched bodies of bad ones go to their places, and nothing is left over."""
    event = make(poisoned)
    with emptied(s3, bucket_name) as bucket:
        assert function.invoke(event) == {"batchItemFailures": []}
        results, rejects = bucket("results/"), bucket("rejects/")
    good = [place for place in range(8) if place not in (2, 4)]
    assert same([result["outputs"] for result in results], [scored.outputs[place] for place in good])
    assert same([result["record"] for result in results], [scored.records[place] for place in good])
    assert [reject["body"] for reject in rejects] == [poisoned[2], poisoned[4]]
    assert rejects[0]["errors"] == [{"column": None, "code": "bad_json"}]
    assert {error["code"] for error in rejects[1]["errors"]} == {"not_a_number", "missing_column"}
    assert len({result["id"] for result in [*results, *rejects]}) == 8
    told = function.lines()[-1]
    assert (told["level"], told["refused"], told["kept"]) == ("WARNING", 2, 0)
    assert "SECRET-4711" not in function.log()


def test_failures_travel_as_each_source_wants_them(
    start: Start, aws: dict[str, str], s3: str, bucket_name: str, poisoned: list[str]
) -> None:
    """Without a place for rejects, what the runtime hands back names them: all, or the first of each shard."""
    function = start({**aws, "MLSHIP_RESULTS": f"s3://{bucket_name}/results/"})
    told: list[tuple[dict[str, Any], list[Any]]] = [
        (events.sqs(poisoned), ["m2", "m4"]),
        (events.sqs(poisoned, groups=["a", "b"] * 4), ["m2", "m4", "m6"]),
        (events.kinesis(poisoned), ["102"]),
        (
            events.kafka({0: poisoned[:4], 1: poisoned[4:]}),
            [{"partition": "in-0", "offset": 12}, {"partition": "in-1", "offset": 10}],
        ),
    ]
    with emptied(s3, bucket_name):
        for event, kept in told:
            assert function.invoke(event) == {"batchItemFailures": [{"itemIdentifier": name} for name in kept]}


class emptied:  # noqa: N801 - read as a statement
    """The objects of a bucket while something happens, as lists of lines by folder; none are left after it."""

    def __init__(self, s3: str, bucket: str) -> None:
        import boto3

        account = {"aws_access_key_id": "nobody", "aws_secret_access_key": "SECRET-of-nobody"}
        self._bucket = boto3.resource("s3", endpoint_url=s3, region_name=events.REGION, **account).Bucket(bucket)

    def __enter__(self) -> Callable[[str], list[Any]]:
        return lambda folder: [
            json.loads(line)
            for found in self._bucket.objects.filter(Prefix=folder)
            for line in found.get()["Body"].read().splitlines()
        ]

    def __exit__(self, *_: object) -> None:
        self._bucket.objects.delete()


@pytest.fixture
def refused_start(function_folder: Path, request: pytest.FixtureRequest) -> Iterator[Own]:
    """A function that does not start, for the environment that the test gives."""
    runtime = Own(function_folder, request.param)
    try:
        assert runtime.ended() != 0
        yield runtime
    finally:
        runtime.close()


@pytest.mark.parametrize(
    ("refused_start", "kind", "message"),
    [
        pytest.param({"MLSHIP_GOLDEN": "maybe"}, "UsageError", "MLSHIP_GOLDEN is 'maybe'", id="golden"),
        pytest.param({"MLSHIP_RESULTS": "nowhere"}, "UsageError", "MLSHIP_RESULTS names no place", id="results"),
        pytest.param(
            {"MLSHIP_RESULTS": "s3://a/b/", "MLSHIP_REJECTS": "s3://a/b/"}, "UsageError", "the same place", id="same"
        ),
        pytest.param({"MLSHIP_KEEP": "a,,b"}, "UsageError", "MLSHIP_KEEP has an empty name", id="keep"),
    ],
    indirect=["refused_start"],
)
def test_a_start_that_fails_tells_why(refused_start: Own, kind: str, message: str) -> None:
    """What is wrong at the cold start is an error of the start, told with what to type."""
    assert refused_start.init_error is not None
    assert refused_start.init_error["errorType"] == kind
    assert message in refused_start.init_error["errorMessage"]


def test_golden_rows_are_replayed_at_the_cold_start(tmp_path: Path) -> None:
    """A model that no longer answers as its original did never answers anything here."""
    (tmp_path / "model.onnx").write_bytes(town_model(golden_shift=1.0))
    (tmp_path / "handler.py").write_text(HANDLER, encoding="utf-8")
    runtime = Own(tmp_path, {"AWS_LAMBDA_LOG_FORMAT": "Text"})
    try:
        assert runtime.ended() != 0
        assert runtime.init_error is not None
        assert runtime.init_error["errorType"] == "ModelRefused"
        assert "no longer answers as its original did" in runtime.init_error["errorMessage"]
        assert "[ERROR] ModelRefused: " in runtime.log()
    finally:
        runtime.close()


def test_golden_rows_that_differ_can_be_a_warning(tmp_path: Path) -> None:
    """With MLSHIP_GOLDEN=warn the function starts, and the log says what is the matter."""
    (tmp_path / "model.onnx").write_bytes(town_model(golden_shift=1.0))
    (tmp_path / "handler.py").write_text(HANDLER, encoding="utf-8")
    runtime = Own(tmp_path, {"MLSHIP_GOLDEN": "warn"})
    try:
        assert runtime.invoke({"my age": 2.0, "income": 1.0, "city": "Porto"})["predictions"][0]["score"] == 3.5
        (told,) = (line for line in runtime.lines() if line["level"] == "WARNING")
        assert "no longer answers as its original did" in told["message"]
    finally:
        runtime.close()


def test_records_without_a_place_for_results_are_kept(start: Start, scored: Scored) -> None:
    """Nothing is scored into the void: the event fails, which its source keeps, and the message names the variable."""
    function = start({})
    answer = function.invoke(events.sqs(events.lines(scored.records[:2])))
    assert answer["errorType"] == "UsageError"
    assert "MLSHIP_RESULTS is not set. Set MLSHIP_RESULTS" in answer["errorMessage"]
