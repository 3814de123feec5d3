"""Batches of events: no result is lost, no record harms another, and each source is told what it has to keep."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import onnx
import pytest
from onnx import TensorProto, helper

from mlship.errors import ModelRefused, UsageError
from mlship.model.artifact import Card, Proof, sign
from mlship.model.signature import Column, Output, Signature, Tensor
from mlship.targets.aws_lambda import adapter
from mlship.targets.aws_lambda.adapter import make_handler
from tests.batch.models import town_model
from tests.targets.functions import lambda_events as events
from tests.targets.functions.conftest import Scored, same

ANOTHER_QUEUE = f"https://sqs.{events.REGION}.amazonaws.com/{events.ACCOUNT}/other"
POISON = '{"island": '


@pytest.fixture
def aws(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bucket of a server of Amazon's services, which the environment leads to."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", events.REGION)
    return bucket


@pytest.fixture
def set_places(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set where results and rejects go."""

    def put(results: str, rejects: str = "", keep: str = "") -> None:
        for name, value in (("RESULTS", results), ("REJECTS", rejects), ("KEEP", keep)):
            monkeypatch.setenv(f"MLSHIP_{name}", value)

    return put


def objects_of(bucket: str, folder: str = "") -> list[list[Any]]:
    """Return the lines of each object in a folder of a bucket."""
    found = boto3.resource("s3").Bucket(bucket.removeprefix("s3://")).objects.filter(Prefix=folder)
    return [[json.loads(line) for line in one.get()["Body"].read().splitlines()] for one in found]


def results_in(bucket: str) -> list[Any]:
    """Return what lies in `results/`."""
    return [line for lines in objects_of(bucket, "results/") for line in lines]


def in_queue(name: str, **attributes: str) -> tuple[str, Callable[[], list[Any]]]:
    """Make a queue, and return its URL and what reads it."""
    client = boto3.client("sqs")
    url: str = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def read() -> list[Any]:
        found: list[Any] = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return url, read


def _to_queue(_: str) -> tuple[str, Callable[[], list[Any]]]:
    return in_queue("scores")


def _to_fifo(_: str) -> tuple[str, Callable[[], list[Any]]]:
    return in_queue("scores.fifo", FifoQueue="true")


def _to_kinesis(_: str, name: str = "scores") -> tuple[str, Callable[[], list[Any]]]:
    client = boto3.client("kinesis")
    client.create_stream(StreamName=name, ShardCount=1)
    arn = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]

    def read() -> list[Any]:
        (shard,) = client.list_shards(StreamARN=arn)["Shards"]
        start = client.get_shard_iterator(StreamARN=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        records = client.get_records(StreamARN=arn, ShardIterator=start["ShardIterator"])["Records"]
        return [json.loads(one["Data"]) for one in records]

    return arn, read


def _to_firehose(bucket: str) -> tuple[str, Callable[[], list[Any]]]:
    client = boto3.client("firehose")
    role = f"arn:aws:iam::{events.ACCOUNT}:role/a"
    target = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket.removeprefix('s3://')}", "Prefix": "results/"}
    arn = client.create_delivery_stream(DeliveryStreamName="scores", ExtendedS3DestinationConfiguration=target)[
        "DeliveryStreamARN"
    ]
    return arn, lambda: results_in(bucket)


def _to_s3(bucket: str) -> tuple[str, Callable[[], list[Any]]]:
    return f"{bucket}/results", lambda: results_in(bucket)


@pytest.mark.parametrize(
    "sink", [_to_queue, _to_fifo, _to_kinesis, _to_firehose, _to_s3], ids=lambda sink: sink.__name__
)
def test_every_place_gets_every_result(aws: str, set_places: Any, scored: Scored, sink: Any) -> None:
    """Results come to each kind of place, all of them, with the bits of batch."""
    place, read = sink(aws)
    set_places(place)
    handler = make_handler(scored.model)
    assert handler(events.sqs(events.lines(scored.records[:35])), None) == {"batchItemFailures": []}
    found = {result["id"]: result for result in read()}
    assert len(found) == 35
    for number in range(35):
        result = found[f"m{number}"]
        assert same(result["outputs"], scored.outputs[number])
        assert (result["source"], result["record"]) == ("aws:sqs", scored.records[number])
        assert result["model"]["name"] == "model"


def test_direct_answers_that_are_not_passed_on_are_told(scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the runtime makes of an answer counts, spaces included: past the limit the answer says so."""
    handler = make_handler(scored.model)
    answer = handler(scored.records, None)
    size = len(json.dumps(answer))
    monkeypatch.setattr(adapter, "_MOST_BYTES", size)
    assert handler(scored.records, None) == answer
    monkeypatch.setattr(adapter, "_MOST_BYTES", size - 1)
    assert handler(scored.records, None)["error"]["code"] == "answer_too_large"


def failures(answer: dict[str, Any]) -> list[Any]:
    """Return what a source is told to keep."""
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


@pytest.mark.parametrize(
    ("make", "kept", "sent"),
    [
        pytest.param(events.sqs, ["m1", "m4"], [0, 2, 3, 5], id="SQS: the others are done"),
        pytest.param(
            lambda bodies: events.sqs(bodies, groups=["a", "a", "b", "b", "b", "a"]),
            ["m1", "m4", "m5"],
            [0, 2, 3],
            id="SQS FIFO: what follows in the group waits",
        ),
        pytest.param(events.kinesis, ["101"], [0], id="Kinesis: all from the first on comes again"),
        pytest.param(
            lambda bodies: events.kafka({0: bodies[:3], 7: bodies[3:]}),
            [{"partition": "in-0", "offset": 11}, {"partition": "in-7", "offset": 11}],
            [0, 3],
            id="Kafka: the same for each partition",
        ),
    ],
)
def test_poison_without_a_place_is_left_with_its_source(
    aws: str, set_places: Any, scored: Scored, make: Any, kept: list[Any], sent: list[int]
) -> None:
    """Each source is told in its own way which records it has to bring again, or to give up."""
    set_places(f"{aws}/results/")
    bodies = events.lines(scored.records[:6])
    bodies[1] = bodies[4] = POISON
    assert failures(make_handler(scored.model)(make(bodies), None)) == kept
    assert same([result["outputs"] for result in results_in(aws)], [scored.outputs[place] for place in sent])


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        pytest.param(events.sqs, ["m0", "m1", "m2"], id="SQS"),
        pytest.param(events.kinesis, ["100"], id="Kinesis"),
        pytest.param(lambda bodies: events.kafka({3: bodies}), [{"partition": "in-3", "offset": 10}], id="Kafka"),
    ],
)
@pytest.mark.parametrize("place", [ANOTHER_QUEUE, "s3://no-such-bucket/results/"], ids=["queue", "bucket"])
def test_results_that_are_not_taken_are_kept(
    aws: str, set_places: Any, scored: Scored, make: Any, kept: list[Any], place: str
) -> None:
    """When the place for results fails, the source keeps every record."""
    del aws
    set_places(place)
    assert failures(make_handler(scored.model)(make(events.lines(scored.records[:3])), None)) == kept


def test_rejects_that_are_not_taken_are_kept(aws: str, set_places: Any, scored: Scored) -> None:
    """When the place for rejects fails, those records are kept, and no others."""
    set_places(f"{aws}/results/", ANOTHER_QUEUE)
    bodies = [json.dumps(scored.records[0]), POISON, json.dumps(scored.records[1])]
    assert failures(make_handler(scored.model)(events.sqs(bodies), None)) == ["m1"]
    assert len(results_in(aws)) == 2


def _to_small_queue(_: str) -> tuple[str, Callable[[], list[Any]]]:
    return in_queue("small", MaximumMessageSize="65536")


@pytest.mark.parametrize(
    ("sink", "size"),
    [(_to_small_queue, 300_000), (lambda bucket: _to_kinesis(bucket, "small"), 1_050_000)],
    ids=["queue", "stream"],
)
def test_a_result_that_is_too_large_is_kept_alone(
    aws: str, set_places: Any, scored: Scored, sink: Any, size: int
) -> None:
    """What no queue and no stream takes does not harm those beside it, which a stream refuses together with it."""
    place, read = sink(aws)
    set_places(place)
    bodies = events.lines(scored.records[:5])
    bodies[2] = json.dumps({**scored.records[2], "note": "x" * size})
    assert failures(make_handler(scored.model)(events.sqs(bodies), None)) == ["m2"]
    assert sorted(result["id"] for result in read()) == ["m0", "m1", "m3", "m4"]


class _Partly(BaseHTTPRequestHandler):
    """Takes all but the second entry of each call, as each of the services says it."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        if action == "SendMessageBatch":
            failed = [{"Id": asked["Entries"][1]["Id"], "Code": "InternalError", "SenderFault": False}]
            answer: dict[str, Any] = {"Successful": [], "Failed": failed}
        else:
            key = "Records" if action == "PutRecords" else "RequestResponses"
            told: list[dict[str, str]] = [
                {"SequenceNumber": "1", "ShardId": "a", "RecordId": "a"} for _ in asked["Records"]
            ]
            told[1] = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "later"}
            answer = {key: told, "FailedRecordCount": 1, "FailedPutCount": 1}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def partly(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Services that take a call in part, which the environment leads to."""
    del aws
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Partly)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.usefixtures("partly")
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(ANOTHER_QUEUE, id="SQS"),
        pytest.param(f"arn:aws:kinesis:{events.REGION}:{events.ACCOUNT}:stream/a", id="Kinesis"),
        pytest.param(f"arn:aws:firehose:{events.REGION}:{events.ACCOUNT}:deliverystream/a", id="Firehose"),
    ],
)
@pytest.mark.parametrize(
    ("make", "kept"),
    [
        pytest.param(events.sqs, ["m1"], id="from SQS"),
        pytest.param(lambda bodies: events.sqs(bodies, groups=["a"] * 4), ["m1", "m2", "m3"], id="from SQS FIFO"),
        pytest.param(events.kinesis, ["101"], id="from Kinesis"),
    ],
)
def test_a_call_that_is_taken_in_part(set_places: Any, scored: Scored, place: str, make: Any, kept: list[Any]) -> None:
    """What a place did not take is kept, and in an ordered source what follows it."""
    set_places(place)
    assert failures(make_handler(scored.model)(make(events.lines(scored.records[:4])), None)) == kept


@pytest.mark.parametrize(
    ("place", "event"),
    [
        pytest.param(f"https://sqs.{events.REGION}.amazonaws.com/{events.ACCOUNT}/in", events.sqs(["{}"]), id="queue"),
        pytest.param(
            f"arn:aws:kinesis:{events.REGION}:{events.ACCOUNT}:stream/in", events.kinesis(["{}"]), id="stream"
        ),
    ],
)
@pytest.mark.parametrize("which", ["MLSHIP_RESULTS", "MLSHIP_REJECTS"])
def test_a_function_does_not_feed_itself(
    aws: str, set_places: Any, scored: Scored, place: str, event: Any, which: str
) -> None:
    """A place that leads back into the function is refused: every result would be scored again."""
    set_places(*((place, "") if which == "MLSHIP_RESULTS" else (f"{aws}/results/", place)))
    with pytest.raises(UsageError, match=f"{which} is what records come from"):
        make_handler(scored.model)(event, None)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        pytest.param("none", None, id="none"),
        pytest.param("species,year,absent", {"species": "Adelie", "year": 2007}, id="some"),
        pytest.param("all", "all", id="all"),
    ],
)
def test_results_carry_what_was_asked_for(aws: str, set_places: Any, scored: Scored, keep: str, expected: Any) -> None:
    """MLSHIP_KEEP says which fields of a record its result has beside the outputs."""
    set_places(f"{aws}/results/", keep=keep)
    make_handler(scored.model)(events.sqs(events.lines(scored.records[:1])), None)
    (result,) = results_in(aws)
    assert result.get("record") == (scored.records[0] if expected == "all" else expected)


def test_a_batch_that_comes_again_replaces_its_object(aws: str, set_places: Any, scored: Scored) -> None:
    """A second delivery of the same records leaves one object in S3, each record in its line."""
    set_places(f"{aws}/results/")
    handler = make_handler(scored.model)
    pretty = [json.dumps(record, indent=2) for record in scored.records[:3]]
    for _ in range(2):
        handler(events.kinesis(pretty), None)
    (lines,) = objects_of(aws, "results/")
    assert same([line["record"] for line in lines], scored.records[:3])


def test_bodies_of_rejects_are_untouched(aws: str, set_places: Any, scored: Scored) -> None:
    """What is no text comes in base64, and a record without a value says so."""
    set_places(f"{aws}/results/", f"{aws}/rejects/")
    event = events.kafka({0: ["[1, 2]", None]})
    event["records"]["in-0"].append({**event["records"]["in-0"][0], "offset": 99, "value": "//79"})
    assert failures(make_handler(scored.model)(event, None)) == []
    ((listed, without, binary),) = objects_of(aws, "rejects/")
    assert (listed["body"], without["body"], base64.b64decode(binary["body_base64"])) == (
        "[1, 2]",
        None,
        b"\xff\xfe\xfd",
    )
    assert all(reject["errors"] == [{"column": None, "code": "bad_json"}] for reject in (listed, without, binary))
    assert [reject["id"] for reject in (listed, without, binary)] == ["in-0:10", "in-0:11", "in-0:99"]


def test_any_number_of_bad_records(aws: str, set_places: Any, tmp_path: Path) -> None:
    """More refused values than one request may have do not keep a good record back."""
    model = tmp_path / "town.onnx"
    model.write_bytes(town_model())
    set_places(f"{aws}/results/")
    good = json.dumps({"my age": 2.0, "income": 1.0, "city": "Porto"})
    bodies = ["{}"] * 40_000 + [good]
    assert len(failures(make_handler(model)(events.sqs(bodies), None))) == 40_000
    assert [result["id"] for result in results_in(aws)] == ["m40000"]


def test_a_record_on_which_the_model_fails_is_kept_alone(aws: str, set_places: Any, tmp_path: Path) -> None:
    """The runtime fails on one record of a call: the others are scored without it, and it is no reject."""
    model = tmp_path / "picky.onnx"
    model.write_bytes(_picky_model())
    set_places(f"{aws}/results/", f"{aws}/rejects/")
    bodies = events.lines([{"place": place} for place in (0, 9, 1, 2)])
    assert failures(make_handler(model)(events.sqs(bodies), None)) == ["m1"]
    assert [result["outputs"] for result in results_in(aws)] == [{"prediction": value} for value in (10.0, 20.0, 30.0)]
    assert objects_of(aws, "rejects/") == []


def test_a_failure_of_the_model_is_a_failed_invocation(tmp_path: Path) -> None:
    """What is wrong here, and not with the rows, is raised, so that Lambda tries again or tells whoever asked."""
    model = tmp_path / "picky.onnx"
    model.write_bytes(_picky_model())
    handler = make_handler(model)
    assert handler({"place": 2}, None)["predictions"] == [{"prediction": 30.0}]
    with pytest.raises(ModelRefused, match="could not be scored"):
        handler({"place": 9}, None)


def _picky_model() -> bytes:
    """Return a model that looks up one of three numbers by its place, and whose runtime fails on any other place."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["numbers", "place"], ["found"])],
        "picky",
        [helper.make_tensor_value_info("place", TensorProto.INT64, [None, 1])],
        [helper.make_tensor_value_info("found", TensorProto.DOUBLE, [None, 1])],
        [onnx.helper.make_tensor("numbers", TensorProto.DOUBLE, [3], [10.0, 20.0, 30.0])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    signature = Signature(
        inputs=(Column("place", "int64", "place", nullable=False),),
        tensors=(Tensor("place", "int64"),),
        outputs=(Output("prediction", "float64", "value", "found"),),
    )
    proof = Proof({"synthetic": 1}, 1.0, 0.0, 1e-12, "float64", "exact")
    return sign(made.SerializeToString(), Card("picky", "v1", {}, signature, parity=proof))
