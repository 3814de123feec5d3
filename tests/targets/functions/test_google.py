"""Google Cloud Functions, by Google's own framework: requests, messages of Pub/Sub, objects of Cloud Storage."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.targets.functions.conftest import ABSENT, Scored, same
from tests.targets.functions.framework import JSON, Framework
from tests.targets.functions.google_server import Storage, Topics, storage_server, topic_server

MESSAGE, OBJECT = "google.cloud.pubsub.topic.v1.messagePublished", "google.cloud.storage.object.v1.finalized"
TOPIC = "projects/p/topics/scores"
# Google's own addresses are always https, so that only tests need the first lines.
MAIN = """
import sys
from pathlib import Path
from mlship import objects
from obstore.store import from_url
objects._client = lambda root, _: from_url(root, client_options={"allow_http": True})
import functions_framework
from mlship.targets.google_functions.adapter import make_functions
_functions = make_functions(Path(__file__).with_name("model.onnx"))

@functions_framework.http
def predict(request):
    return _functions.predict(request)

@functions_framework.cloud_event
def predict_event(event):
    _functions.predict_event(event)
"""


Start = Callable[..., Framework]


@pytest.fixture(scope="module")
def start(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start functions of the model, each in a folder of its own."""
    started: list[Framework] = []

    def begin(target: str, main: str = MAIN, **environment: str) -> Framework:
        folder = tmp_path_factory.mktemp("function")
        shutil.copy(scored.model, folder / "model.onnx")
        (folder / "main.py").write_text(main, encoding="utf-8")
        started.append(Framework(folder, target, environment))
        return started[-1]

    yield begin
    for one in started:
        one.stop()
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def predict(start: Start) -> Framework:
    """The function for HTTP, without the libraries that it does not need."""
    absent = set(ABSENT) - {"gunicorn"}  # which the framework brings
    blocked = MAIN.replace("import sys\n", f"import sys\nsys.modules.update(dict.fromkeys({sorted(absent)!r}))\n")
    without = "\n".join(
        line for line in blocked.splitlines() if "obstore.store" not in line and "objects._client" not in line
    )
    return start("predict", without).wait()


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    """Cloud Storage."""
    with storage_server() as server:
        yield server


@pytest.fixture(scope="module")
def topics() -> Iterator[Topics]:
    """Pub/Sub."""
    with topic_server() as server:
        yield server


@pytest.fixture(scope="module")
def places(storage: Storage, topics: Topics, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that leads to both."""
    account = {"gcs_base_url": storage.url, "disable_oauth": True}
    file = tmp_path_factory.mktemp("account") / "account.json"
    file.write_text(json.dumps({**account, "client_email": "", "private_key": "", "private_key_id": ""}))
    return {"GOOGLE_SERVICE_ACCOUNT": str(file), "PUBSUB_EMULATOR_HOST": topics.address, "GRPC_VERBOSITY": "NONE"}


@pytest.fixture(scope="module")
def to_topic(start: Start, places: dict[str, str]) -> Framework:
    """A function for events, whose results go to a topic and what it refuses to a folder."""
    return start("predict_event", MLSHIP_RESULTS=TOPIC, MLSHIP_REJECTS="gs://bucket/rejects/", **places).wait()


@pytest.fixture(scope="module")
def to_folder(start: Start, places: dict[str, str]) -> Framework:
    """A function for events, whose results go to a folder."""
    return start("predict_event", MLSHIP_RESULTS="gs://bucket/scored/", **places).wait()


def message(body: str | bytes | None, number: int = 7) -> dict[str, Any]:
    """Return the data of a message's event."""
    told: dict[str, Any] = {"messageId": str(number), "publishTime": "2026-01-01T00:00:00Z", "attributes": {}}
    if body is not None:
        told["data"] = base64.b64encode(body.encode() if isinstance(body, str) else body).decode()
    return {"message": told, "subscription": "projects/p/subscriptions/s"}


def test_http_answers_the_bits_of_batch(predict: Framework, scored: Scored) -> None:
    """POST /predict gives what `mlship batch` gave for the same rows."""
    answer = predict.ask("POST", "/predict", json.dumps({"instances": scored.records}).encode(), JSON)
    assert answer.status == 200
    assert same(json.loads(answer.body)["predictions"], scored.outputs)


def test_requests_at_the_same_time(predict: Framework, scored: Scored) -> None:
    """Several requests at once get each its own answer, with the same bits."""

    def ask(place: int) -> Any:
        body = json.dumps(scored.records[place : place + 7]).encode()
        return json.loads(predict.ask("POST", "/predict", body, JSON).body)["predictions"]

    with ThreadPoolExecutor(8) as pool:
        for place, found in enumerate(pool.map(ask, range(100))):
            assert same(found, scored.outputs[place : place + 7])


def test_the_function_ends_without_a_word(start: Start) -> None:
    """What is opened before a fork breaks when its process ends: nothing of it is."""
    function = start("predict").wait()
    function.close()
    assert "terminate" not in function.log()


@pytest.mark.parametrize(
    ("request_of", "status", "code"),
    [
        pytest.param(("POST", "/predict", b'{"island":', JSON), 400, "bad_json", id="no JSON"),
        pytest.param(("POST", "/predict", b'{"island": 1}', JSON), 422, "input_refused", id="bad row"),
        pytest.param(
            ("POST", "/predict", b"a\n1\n", {"Content-Type": "text/csv"}), 415, "dependency_missing", id="no Polars"
        ),
        pytest.param(("POST", "/", b"{}", JSON), 404, "not_found", id="no such path"),
        pytest.param(("POST", "/predict", b" " * (9 << 20), JSON), 413, "body_too_large", id="too large"),
    ],
)
def test_http_refuses(predict: Framework, request_of: Any, status: int, code: str) -> None:
    """What serve refuses is refused here with the same status and code."""
    answer = predict.ask(*request_of)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)


def test_readyz_tells_of_the_model(predict: Framework) -> None:
    """The golden rows were replayed when the function started."""
    told = json.loads(predict.ask("GET", "/readyz", None, {}).body)
    assert told["status"] == "ready"
    assert told["golden"]["agrees"] is True
    assert told["golden"]["rows"] > 0


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "structured"])
def test_messages_are_scored_to_a_topic(to_topic: Framework, topics: Topics, scored: Scored, *, binary: bool) -> None:
    """A message is one record; its result is published with the bits of batch."""
    topics.messages.clear()
    for number in range(5):
        body = json.dumps(scored.records[number])
        assert to_topic.event(MESSAGE, message(body, number), binary=binary).status == 200
    results = [json.loads(data) for data in topics.messages[TOPIC]]
    assert same([result["outputs"] for result in results], scored.outputs[:5])
    assert [(result["source"], result["id"]) for result in results] == [("pubsub", str(number)) for number in range(5)]
    assert same([result["record"] for result in results], scored.records[:5])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param('{"bill_length_mm": "SECRET-4711"}', "not_a_number", id="bad value"),
        pytest.param("SECRET-4711", "bad_json", id="no JSON"),
        pytest.param(None, "bad_json", id="no data"),
        pytest.param(b"\xff\xfeSECRET-4711", "bad_json", id="no text"),
    ],
)
def test_poison_is_acknowledged_and_told(
    to_topic: Framework, storage: Storage, topics: Topics, body: Any, code: str
) -> None:
    """What can never be scored does not come again: the log tells it without a value, and it is put aside untouched."""
    topics.messages.clear()
    storage.objects.clear()
    assert to_topic.event(MESSAGE, message(body)).status == 200
    assert topics.messages == {}
    told = to_topic.lines()[-1]
    assert told["severity"] == "ERROR"
    assert code in {error["code"] for error in told["errors"]}
    assert "SECRET-4711" not in to_topic.log()
    (name,) = storage.names("bucket/rejects/")
    reject = json.loads(storage.objects[name][1])
    if isinstance(body, bytes):
        assert base64.b64decode(reject["body_base64"]) == body
    else:
        assert reject["body"] == body


def test_a_message_whose_result_is_not_taken_comes_again(
    to_folder: Framework, storage: Storage, scored: Scored
) -> None:
    """What fails in the system is answered with 500, so that Pub/Sub brings the message again."""
    storage.objects.clear()
    event = message(json.dumps(scored.records[0]))
    storage.refuses = True
    try:
        assert to_folder.event(MESSAGE, event).status == 500
    finally:
        storage.refuses = False
    assert to_folder.event(MESSAGE, event).status == 200
    assert to_folder.event(MESSAGE, event).status == 200  # delivered twice: one object
    (name,) = storage.names("bucket/scored/")
    assert same(json.loads(storage.objects[name][1])["outputs"], scored.outputs[0])


def stored(bucket: str, name: str) -> dict[str, Any]:
    """Return the data of an object's event."""
    return {"bucket": bucket, "name": name, "contentType": "application/octet-stream", "generation": "1", "size": "1"}


def lines_of(storage: Storage, prefix: str) -> list[Any]:
    """Return the lines of the parts below a prefix."""
    parts = [name for name in storage.names(prefix) if "/part-" in name and name.endswith(".ndjson")]
    return [json.loads(line) for name in parts for line in storage.objects[name][1].splitlines()]


def test_objects_are_scored_as_batch_does(to_folder: Framework, storage: Storage, scored: Scored) -> None:
    """An object's rows come to a folder of its name, with the bits of batch; the same event again is no work."""
    storage.objects.clear()
    data = "".join(json.dumps(record) + "\n" for record in [*scored.records, {"island": 1}]).encode()
    storage.put("bucket/in/rows.ndjson", data)
    for _ in range(2):
        assert to_folder.event(OBJECT, stored("bucket", "in/rows.ndjson")).status == 200
    results = lines_of(storage, "bucket/scored/in/rows.ndjson/")
    columns = list(scored.outputs[0])
    assert same([{name: row[name] for name in columns} for row in results], scored.outputs)
    told = to_folder.lines()[-1]
    assert told["rows"] == {"in": len(scored.records) + 1, "out": len(scored.records), "rejected": 1}


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        pytest.param("in/notes.txt", b"hello", "unknown_format", id="no table"),
        pytest.param("in/empty.csv", b"", "empty_input", id="empty"),
        pytest.param("in/other.csv", b"a,b\n1,2\n", "missing_column", id="columns missing"),
        pytest.param("in/gone.csv", None, "input_refused", id="gone"),
    ],
)
def test_poison_objects_are_acknowledged_and_told(
    to_folder: Framework, storage: Storage, name: str, data: bytes | None, code: str
) -> None:
    """An object that can never be scored does not come again, and leaves no results."""
    storage.objects.clear()
    if data is not None:
        storage.put(f"bucket/{name}", data)
    assert to_folder.event(OBJECT, stored("bucket", name)).status == 200
    told = to_folder.lines()[-1]
    assert (told["severity"], told["errors"]) == ("ERROR", [{"column": None, "code": code}])
    assert lines_of(storage, "bucket/scored/") == []


@pytest.mark.parametrize("name", ["scored/in/rows.ndjson/part-0.ndjson", "in/folder/"])
def test_own_results_and_folders_are_passed_over(to_folder: Framework, storage: Storage, name: str) -> None:
    """What the function wrote itself is never scored, although it too makes an event."""
    storage.objects.clear()
    storage.put(f"bucket/{name}", b'{"island": 1}\n')
    assert to_folder.event(OBJECT, stored("bucket", name)).status == 200
    assert storage.names("") == [f"bucket/{name}"]
    assert "is none to score" in to_folder.lines()[-1]["message"]


@pytest.mark.parametrize(
    ("place", "kind", "data", "told"),
    [
        pytest.param("gs://bucket", OBJECT, stored("bucket", "in/rows.csv"), "each would be scored again", id="bucket"),
        pytest.param("projects/p/topics/in", MESSAGE, message("{}"), "is what records come from", id="topic"),
    ],
)
def test_a_place_that_leads_back_is_refused(
    start: Start, places: dict[str, str], place: str, kind: str, data: Any, told: str
) -> None:
    """Results that would come back as the next events are refused, and what came is kept."""
    function = start("predict_event", MLSHIP_RESULTS=place, **places).wait()
    assert function.event(kind, data).status == 500
    assert told in function.log()


def test_unknown_events_are_kept(to_folder: Framework) -> None:
    """An event of another kind is an error of whoever set the function up, and is not lost."""
    assert to_folder.event("google.cloud.audit.log.v1.written", {"a": 1}).status == 500


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        pytest.param({"FUNCTION_TARGET": "predict_event"}, "MLSHIP_RESULTS is not set", id="no results"),
        pytest.param({"MLSHIP_RESULTS": "s3://bucket/a/"}, "names no place that results can go to", id="no place"),
        pytest.param({"MLSHIP_GOLDEN": "maybe"}, "MLSHIP_GOLDEN is 'maybe'", id="golden"),
    ],
)
def test_a_start_that_fails_tells_why(start: Start, environment: dict[str, str], message: str) -> None:
    """What is wrong at the cold start ends it, so that the deployment fails."""
    function = start("predict_event", **environment)
    assert function.ended() != 0
    assert message in function.log()
