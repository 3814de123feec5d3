"""A topic of a real broker is scored: what is written where, how it stops, and what it tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.serve.server import Server, environment
from tests.stream.broker import PASSWORD, USER, Broker, free_port
from tests.stream.conftest import Refused
from tests.stream.topics import SOON, Record, Topics, records_of, wait_for


def background(command: list[str]) -> subprocess.Popen[str]:
    """Start a stream that ends by itself."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True, env=environment())


def end_of(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """Return the exit code of a stream that ends by itself, its JSON and what it told people."""
    try:
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, json.loads(stdout.splitlines()[-1]), stderr


def ended(command: list[str]) -> tuple[int, dict[str, Any], str]:
    """Run a stream that ends by itself, and return its exit code, its JSON and what it told people."""
    with background(command) as process:
        return end_of(process)


def metrics_of(server: Server, told: str) -> str:
    """Return what is told of a stream, once it has this in it."""
    wait_for(lambda: told in server.ask("GET", "/metrics").body.decode())
    return server.ask("GET", "/metrics").body.decode()


@pytest.fixture(scope="module")
def unanswered(broker: Broker, model: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Streams that wait ten seconds for an answer, by why there is none; other tests run meanwhile."""
    safe, absent = secured(Topics.new(broker), "hunter2-hunter2"), Topics.new(broker, f"127.0.0.1:{free_port()}")
    with background([*safe.command(model), "-v"]) as password, background(absent.command(model)) as broker_away:
        yield {"password": password, "no broker": broker_away}
        password.kill()
        broker_away.kill()


def secured(topics: Topics, password: str) -> Topics:
    """Write TLS and a password into the file of the topics."""
    broker = topics.broker
    lines = topics.config.read_text(encoding="utf-8").replace(broker.address, f"127.0.0.1:{broker.safe_port}")
    security = f"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nssl.ca.location={broker.authority}\n"
    topics.config.write_text(f"{lines}{security}sasl.username={USER}\nsasl.password={password}\n", encoding="utf-8")
    topics.config.chmod(0o600)
    return topics


@pytest.mark.usefixtures("unanswered")  # so that they begin to wait
def test_scores_are_those_of_batch(
    topics: Topics, model: Path, rows: list[dict[str, Any]], batch: list[dict[str, Any]]
) -> None:
    """Each record is answered once with the bits of batch, with its key and headers, in the order of its key."""
    topics.put(records_of(rows, 1_000), trace=b"t1")
    with topics.scored(model, "--keep", "id", workers=2) as server:
        found = topics.committed(topics.sink, 1_000)
        assert server.stop() == 0
        digest = server.ready["model"]["digest"].encode()
    assert sorted(record.json["id"] for record in found) == list(range(1_000))
    last: dict[bytes | None, int] = {}
    for record in found:
        told = record.json
        at = told.pop("id")
        assert told == batch[at % len(batch)]
        assert record.key == str(at % 50).encode()
        assert record.headers["trace"] == b"t1"
        assert record.headers["mlship.digest"] == digest
        assert last.get(record.key, -1) < at
        last[record.key] = at
    assert topics.all_committed(topics.rejects) == []


def test_records_that_the_model_cannot_take_go_elsewhere(
    topics: Topics, model: Path, rows: list[dict[str, Any]]
) -> None:
    """Poison is written to the rejects untouched, with the reason and its place; a tombstone goes on as one."""
    poison: dict[bytes, tuple[bytes, str, str | None]] = {
        b"a": (b"{bad", "bad_json", None),
        b"b": (b"", "bad_json", None),
        b"c": (b"[1]", "bad_json", None),
        b"d": (b'{"x": "\xff"}', "bad_encoding", None),
        b"e": (json.dumps({**rows[0], "mean area": "big"}).encode(), "not_a_number", "mean area"),
        b"g": (b"{}", "missing_column", "mean radius"),
        b"h": (b" " * 10_000_000, "bad_json", None),
        b"i": (json.dumps(rows[0]).replace(str(rows[0]["mean area"]), "NaN").encode(), "bad_json", None),
    }
    topics.put([(key, value) for key, (value, _, _) in poison.items()], trace=b"t2")
    topics.put([(b"dead", None), *records_of(rows, 10)])
    with topics.scored(model) as server:
        refused = topics.committed(topics.rejects, len(poison))
        found = topics.committed(topics.sink, 11)
        metrics = metrics_of(server, "mlship_stream_tombstones_total 1.0")
        assert server.stop() == 0
    assert {record.key for record in refused} == set(poison)
    assert len(refused) == len(poison)
    for record in refused:
        value, code, column = poison[record.key or b""]
        assert (record.value, record.headers["mlship.code"].decode()) == (value, code)
        assert record.headers.get("mlship.column", b"").decode() == (column or "")
        assert record.headers["mlship.source"].decode().startswith(f"{topics.source}/")
        assert record.headers["trace"] == b"t2"
    assert len(found) == 11
    assert [record.value for record in found if record.key == b"dead"] == [None]
    assert 'mlship_rejects_total{code="bad_json"} 5.0' in metrics
    assert "mlship_stream_tombstones_total 1.0" in metrics


def test_without_a_place_for_them_a_bad_record_ends_the_stream(
    topics: Topics, model: Path, rows: list[dict[str, Any]]
) -> None:
    """The record's place is named, the exit code is 3, and it is not committed: the next run ends there too."""
    topics.put([*records_of(rows, 5), (b"k", b'{"secret": 1}')])
    command = topics.command(model)
    at = command.index("--topic-rejects")
    command = command[:at] + command[at + 2 :]
    for _ in range(2):
        code, told, text = ended(command)
        assert (code, told["error"]["code"]) == (3, "missing_column")
        assert f"Record {topics.source}/" in told["error"]["message"]
        assert "secret" not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("keep", ["all", "id,note"])
def test_kept_fields_are_written_as_they_came(
    topics: Topics, model: Path, rows: list[dict[str, Any]], keep: str
) -> None:
    """Fields that are carried along come first, and no number of them is written in another way."""
    number = b"12345678901234567890.10"
    value = b'{"id": 1, "note": ' + number + b", " + json.dumps(rows[0]).encode()[1:]
    topics.put([(b"k", value), (b"k", value.replace(b'"note"', b'"prediction"'))])
    with topics.scored(model, "--keep", keep) as server:
        found = topics.committed(topics.sink, 1 if keep == "all" else 2)
        refused = topics.all_committed(topics.rejects)
        assert server.stop() == 0
    assert found[0].value is not None
    assert found[0].value.startswith(b'{"id":1,"note":' + number)
    assert list(found[0].json)[-3:] == ["prediction", "probability_0", "probability_1"]
    if keep == "all":  # two fields of one name are one too many
        assert [record.headers["mlship.code"] for record in refused] == [b"wrong_field_count"]
    else:
        assert found[1].json["note"] is None


def test_without_transactions_all_is_there_at_least_once(
    topics: Topics, model: Path, rows: list[dict[str, Any]]
) -> None:
    """--at-least-once writes the same records, and goes on after what it has committed."""
    found: list[Record] = []
    for part in range(2):
        topics.put(records_of(rows, 100))
        with topics.scored(model, "--at-least-once", "--keep", "id") as server:
            assert server.ready["delivery"] == "at_least_once"
            found = topics.committed(topics.sink, 100 * (part + 1))
            assert server.stop() == 0
    assert sorted(record.json["id"] for record in found) == sorted([*range(100), *range(100)])


def test_another_model_takes_over_between_two_records(
    topics: Topics, model: Path, second: bytes, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """SIGHUP takes over a model that was replaced; no record is scored twice, and each tells by which it was."""
    own = tmp_path / "own.onnx"
    shutil.copy(model, own)
    with topics.scored(own, "--keep", "id") as server:
        first = server.ready["model"]["digest"]
        topics.put(records_of(rows, 200))
        topics.committed(topics.sink, 200)
        own.write_bytes(second)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.ask("GET", "/readyz").json["models"][0]["version"] == "2")
        own.write_bytes(b"no model")
        server.process.send_signal(signal.SIGHUP)  # which is refused, and the stream goes on
        topics.put(records_of(rows, 100))
        found = topics.committed(topics.sink, 300)
        wait_for(lambda: "The model was not taken over" in server.stderr())
        metrics = metrics_of(server, 'version="2"} 1.0').splitlines()
        assert server.stop() == 0
    told = {line.partition('version="')[2][:1]: line[-3:] for line in metrics if line.startswith("mlship_model_info")}
    assert told.pop("2") == "1.0"
    assert set(told.values()) == {"0.0"}, "one model scores"
    assert len(found) == 300
    digests = [record.headers["mlship.digest"].decode() for record in found]
    assert digests.count(first) == 200
    assert len(set(digests)) == 2


def test_health_and_metrics(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """Probes and metrics are answered beside the stream: lag per partition, rows, commits, drift."""
    topics.put(records_of(rows, 500))
    with topics.scored(model) as server:
        topics.committed(topics.sink, 500)
        metrics = metrics_of(server, 'mlship_stream_lag{partition="0"} 0.0')
        assert server.ask("GET", "/livez").json == {"status": "live"}
        ready = server.ask("GET", "/readyz")
        assert (ready.status, ready.json["reading"]) == (200, 1)
        assert server.ask("POST", "/metrics").status == 405
        assert server.ask("GET", "/predict").status == 404
        assert server.stop() == 0
    assert 'mlship_stream_lag{partition="0"} 0.0' in metrics
    assert "mlship_stream_records_total 500.0" in metrics
    assert "mlship_stream_commit_seconds_count" in metrics
    assert 'mlship_predictions_total{label="1",model=' in metrics


def test_a_worker_that_is_killed_is_replaced(broker: Broker, model: Path, rows: list[dict[str, Any]]) -> None:
    """A kill -9 of the process that reads costs no record and doubles none."""
    topics = Topics.new(broker, **SOON)
    topics.put(records_of(rows, 20_000))
    with topics.scored(model, "--keep", "id") as server:
        (worker,) = [pid for pid in server.children() if _is_worker(pid)]
        os.kill(worker, signal.SIGKILL)
        found = topics.committed(topics.sink, 20_000)
        assert server.stop() == 0
    assert sorted(record.json["id"] for record in found) == list(range(20_000))


def _is_worker(pid: int) -> bool:
    """Whether a child is a process of the stream, and not Python's own helper for those."""
    return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("no.such.property=1", 2, 'No such configuration property: "no.such.property"'),
        ("transactional.id=mine", 2, "'transactional.id' is not to be set"),
        ("bootstrap.servers", 2, "line 6: it is not name=value"),
        ("sasl.password=hunter2", 2, "holds a password, and others than its owner may read it"),
        ("sasl.oauthbearer.assertion.private.key.passphrase=hunter2", 2, "holds a password, and others"),
        ("isolation.level=read_uncommitted", 2, "'isolation.level' is not to be set"),
        ("stats_cb=1", 2, "'stats_cb' is none of librdkafka's properties"),
    ],
)
def test_configuration_that_is_not_right(
    topics: Topics, model: Path, refused: Refused, line: str, code: int, told: str
) -> None:
    """What is wrong with the file of properties is told with its line, and no password is."""
    with topics.config.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
    found, result, text = refused(*topics.arguments(model))
    assert found == code
    assert told in result["error"]["message"]
    assert "hunter2" not in text


def test_broker_that_does_not_answer(unanswered: dict[str, subprocess.Popen[str]]) -> None:
    """Without a broker the stream ends with 6, which schedulers try again."""
    code, result, _ = end_of(unanswered["no broker"])
    assert code == 6
    assert "No broker of" in result["error"]["message"]


def test_tls_and_a_password(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """A broker that wants TLS and a password gets both from the file, and the password is told nowhere."""
    secured(topics, PASSWORD)
    topics.put(records_of(rows, 100))
    with topics.scored(model, "-v") as server:
        assert len(topics.committed(topics.sink, 100)) == 100
        assert server.stop() == 0
        assert PASSWORD not in server.stderr()


def test_a_wrong_password(unanswered: dict[str, subprocess.Popen[str]]) -> None:
    """It is told that the password is wrong, and never which one it is."""
    code, result, text = end_of(unanswered["password"])
    assert code == 6
    assert "Authentication failed" in result["error"]["message"]
    assert "hunter2" not in text


def test_topic_that_is_not_there(topics: Topics, model: Path, refused: Refused) -> None:
    """A topic that nobody made is a usage error, with the command that makes it."""
    code, result, _ = refused(*replace(topics, sink="nowhere").arguments(model))
    assert code == 2
    assert "The topic 'nowhere' cannot be used" in result["error"]["message"]
    assert "--create --topic nowhere" in result["error"]["hint"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--topic-in", "a"), "--topic-in is for a topic"),
        (
            ("--kafka-config", "k", "--topic-in", "a", "--topic-out", "b", "--shadow", "o.onnx"),
            "--shadow is for requests",
        ),
        (("--kafka-config", "k", "--topic-in", "a"), "--topic-out is missing"),
        (("--kafka-config", "k", "--topic-in", "a", "--topic-out", "a"), "Two of the topics are the same"),
        (("--kafka-config", "/none", "--topic-in", "a", "--topic-out", "b"), "'/none' cannot be read"),
        (("other.onnx", "--kafka-config", "k", "--topic-in", "a", "--topic-out", "b"), "2 models are named"),
        (("--max-rows", "5", "--kafka-config", "k"), "--max-rows is for requests"),
    ],
)
def test_options_that_do_not_belong_together(
    model: Path, refused: Refused, options: tuple[str, ...], told: str
) -> None:
    """Options of another way to serve are refused, never passed over."""
    code, result, _ = refused(str(model), *options)
    assert code == 2
    assert told in result["error"]["message"]


@pytest.mark.parametrize("named", [("churn=m.onnx",), ("s3://models/m.onnx", "--watch")])
def test_models_as_a_topic_has_none(refused: Refused, named: tuple[str, ...]) -> None:
    """A name for the path of requests, and a watch of what is no file, would do nothing, and are refused."""
    code, result, _ = refused(*named, "--kafka-config", "k", "--topic-in", "a", "--topic-out", "b")
    assert code == 2
    assert named[0] in result["error"]["message"]


def test_without_the_library(model: Path, tmp_path: Path) -> None:
    """Without confluent-kafka the exit code is 8, and the extra is named."""
    blocked = "import sys; sys.modules['confluent_kafka'] = None; from mlship.cli.main import main; main()"
    options = ["--kafka-config", str(tmp_path / "k"), "--topic-in", "a", "--topic-out", "b", "--json"]
    code, result, _ = ended([sys.executable, "-c", blocked, "serve", str(model), *options])
    assert (code, result["error"]["hint"]) == (8, "pip install 'mlship[kafka]'")
