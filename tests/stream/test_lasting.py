"""What a stream outlives, and what ends it: parents, models, names, places and rights."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from mlship.stream.identity import Identity
from tests.serve.models import sum_model
from tests.serve.server import Server
from tests.stream.broker import Broker
from tests.stream.conftest import Refused
from tests.stream.test_stream import ended
from tests.stream.topics import SOON, Topics, records_of, wait_for


def test_a_killed_parent_ends_all(topics: Topics, model: Path) -> None:
    """Without the process that answers for them and minds them, those that read end, and leave nothing behind."""
    with topics.scored(model, workers=2) as server:
        workers = server.children()
        files = [file for file in _open_files(workers[-1]) if "mlship-stream-" in str(file)]
        server.process.kill()
        server.process.wait()
        until = time.monotonic() + 30
        while any(map(_runs, workers)) and time.monotonic() < until:
            time.sleep(0.2)
        assert not any(map(_runs, workers))
    assert files
    assert not any(file.exists() for file in files)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _open_files(pid: int) -> list[Path]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(link.readlink())
    return found


def test_who_replaces_a_process_has_its_model(
    broker: Broker, model: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A model that was refused, or a file that is gone, is not what a replacement scores with."""
    topics = Topics.new(broker, **SOON)
    own = tmp_path / "own.onnx"
    shutil.copy(model, own)
    with topics.scored(own) as server:
        digest = server.ready["model"]["digest"]
        own.write_bytes(sum_model(("a",)))
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "was not taken over" in server.stderr())
        own.unlink()
        _kill_reader(server)
        topics.put(records_of(rows, 50))
        found = topics.committed(topics.sink, 50)
        assert {record.headers["mlship.digest"].decode() for record in found} == {digest}
        assert server.stop() == 0


def _kill_reader(server: Server) -> None:
    for pid in server.children():
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


@pytest.mark.whole
def test_a_process_that_hangs_is_replaced(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """One without a sign of life for max.poll.interval.ms is killed, and another one scores on."""
    with topics.config.open("a", encoding="utf-8") as stream:
        stream.write("max.poll.interval.ms=7000\n")
    with topics.scored(model) as server:
        time.sleep(2)
        before = set(server.children())
        for pid in before:
            if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: "no sign of life" in server.stderr(), 60)
        topics.put(records_of(rows, 50))
        assert len(topics.committed(topics.sink, 50)) == 50
        assert server.stop() == 0


def test_records_that_cannot_be_handed_on_are_named(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """A record that no topic takes ends the stream with its place."""
    producer = Producer({"bootstrap.servers": topics.broker.address, "message.max.bytes": 20_000_000})
    large = json.dumps({**rows[0], "mean area": "x" * 2_000_000})
    producer.produce(topics.source, large, b"large")
    producer.flush(30)
    small = topics.broker.topic(f"{topics.rejects}.small", 1, **{"max.message.bytes": "1000000"})
    here = Topics(topics.broker, topics.source, topics.sink, small, topics.config)
    code, result, _ = ended(here.command(model))
    assert code == 6
    assert f"What came of record {topics.source}/" in result["error"]["message"]


@pytest.mark.parametrize("keep", [pytest.param("prediction", marks=pytest.mark.whole), "id,probability_1"])
def test_kept_fields_that_are_outputs(topics: Topics, model: Path, refused: Refused, keep: str) -> None:
    """A field that would stand beside an output column of its name is refused, as in batch."""
    code, result, _ = refused(*topics.arguments(model, "--keep", keep))
    assert code == 2
    assert "is an output column of the model" in result["error"]["message"]


def test_an_empty_name_is_no_topic(topics: Topics, model: Path) -> None:
    """A variable of a shell that is not set names no topic of rejects."""
    topics.put([(b"a", b"{bad")])
    options = ["--kafka-config", str(topics.config), "--topic-in", topics.source, "--topic-out", topics.sink]
    command = [sys.executable, "-m", "mlship", "serve", str(model), "--port", "0", "--json", *options]
    code, _, text = ended([*command, "--topic-rejects", "", "--workers", "1"])
    assert code == 3
    assert "bad_json" in text


def test_a_broker_that_assigns(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """The newer protocol of groups, in which the broker assigns partitions, is as good."""
    lines = topics.config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("session.timeout.ms", "heartbeat.interval.ms"))]
    topics.config.write_text("\n".join([*kept, "group.protocol=consumer", ""]), encoding="utf-8")
    topics.put(records_of(rows, 200))
    with topics.scored(model, workers=2) as server:
        assert len(topics.committed(topics.sink, 200)) == 200
        assert server.stop() == 0


def test_static_members(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """With `group.instance.id` each member has a name of its own, which is the same after a restart."""
    with topics.config.open("a", encoding="utf-8") as stream:
        stream.write("group.instance.id=scores\n")
    names = []
    for total in (200, 400):
        topics.put(records_of(rows, 200))
        with topics.scored(model, workers=2) as server:
            assert len(topics.committed(topics.sink, total)) == total
            names.append(_members(topics))
            assert server.stop() == 0
    assert names[0] == names[1]
    assert len(names[0]) == 2
    assert all(name.startswith("scores.") for name in names[0])


def _members(topics: Topics) -> set[str]:
    admin = AdminClient({"bootstrap.servers": topics.broker.address})
    found: Any = admin.describe_consumer_groups([topics.group])[topics.group].result(30)
    return {member.group_instance_id for member in found.members}


def test_numbers_of_processes() -> None:
    """Those of a group on a machine have numbers of their own, given back when one ends; other groups count anew."""
    with contextlib.ExitStack() as held:

        def taken(group: str) -> Identity:
            identity = Identity(group)
            held.callback(identity.free)
            return identity

        first, second = taken("numbers"), taken("numbers")
        assert (first.number, second.number, taken("others").number) == (0, 1, 0)
        assert first.transactional_id != second.transactional_id
        first.free()
        assert taken("numbers").number == 0


def test_a_chain_of_streams(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """A record that was scored before tells the last model only, once; all its other headers are carried along."""
    topics.put(records_of(rows, 20), **{"mlship.digest": b"old", "mlship.model": b"old/1", "mlship.code": b"mine"})
    with topics.scored(model) as server:
        found = topics.committed(topics.sink, 20)
        assert server.stop() == 0
        told = server.ready["model"]
    assert {tuple(record.all_headers) for record in found} == {
        (
            ("mlship.code", b"mine"),
            ("mlship.model", f"{told['name']}/{told['version']}".encode()),
            ("mlship.digest", told["digest"].encode()),
        )
    }


def test_a_header_whose_name_is_no_text(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """Other clients may write one; the record is a reject, and the stream goes on."""
    key, value = records_of(rows, 1)[0]
    topics.put(records_of(rows, 300))
    with topics.scored(model) as server:
        assert len(topics.committed(topics.sink, 300)) == 300  # Python makes short work of calls that it made often
        _put_with_header(topics, b"caf\xe9", key, value)
        topics.put(records_of(rows, 10))
        (refused,) = topics.committed(topics.rejects, 1)
        assert len(topics.committed(topics.sink, 310)) == 310
        assert server.stop() == 0
    assert (refused.value, refused.headers["mlship.code"]) == (value, b"bad_encoding")


def _put_with_header(topics: Topics, name: bytes, key: bytes, value: bytes) -> None:
    """Write a record by librdkafka itself, since its Python client takes texts only."""
    package = Path(confluent_kafka.__file__).parent
    (library,) = package.with_name("confluent_kafka.libs").glob("librdkafka-*.so*")
    kafka = ctypes.CDLL(str(library))
    for function in ("rd_kafka_new", "rd_kafka_conf_new", "rd_kafka_headers_new"):
        getattr(kafka, function).restype = ctypes.c_void_p
    told = ctypes.create_string_buffer(500)
    conf = ctypes.c_void_p(kafka.rd_kafka_conf_new())
    kafka.rd_kafka_conf_set(conf, b"bootstrap.servers", topics.broker.address.encode(), told, 500)
    producer = ctypes.c_void_p(kafka.rd_kafka_new(0, conf, told, 500))
    headers = ctypes.c_void_p(kafka.rd_kafka_headers_new(ctypes.c_size_t(1)))
    kafka.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(len(name)), b"x", ctypes.c_ssize_t(1))
    number, size, text = ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
    topic, its_value, its_key, its_flags, its_headers, end = 1, 4, 5, 7, 10, 0  # RD_KAFKA_VTYPE_... of rdkafka.h
    refused = kafka.rd_kafka_producev(
        producer,
        *(number(topic), text(topics.source.encode())),
        *(number(its_value), text(value), size(len(value)), number(its_key), text(key), size(len(key))),
        *(number(its_flags), number(2), number(its_headers), headers),  # 2: the value is copied
        number(end),
    )
    assert refused == 0
    assert kafka.rd_kafka_flush(producer, 30_000) == 0
    kafka.rd_kafka_destroy(producer)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param((), id="exactly once", marks=pytest.mark.whole),
        pytest.param(("--at-least-once",), id="at least once"),
    ],
)
def test_what_the_client_does_not_take(topics: Topics, model: Path, how: tuple[str, ...]) -> None:
    """A record beyond the file's own bound ends the stream with its place, in either way of writing."""
    with topics.config.open("a", encoding="utf-8") as stream:
        stream.write("producer.message.max.bytes=2000\n")
    topics.put([(b"a", b"{bad" + b" " * 5_000)])
    code, result, _ = ended(topics.command(model, *how))
    assert code == 6
    assert f"What came of record {topics.source}/" in result["error"]["message"]


def test_clients_that_send_nothing(topics: Topics, model: Path) -> None:
    """Connections that stay silent keep no probe waiting; IPv6 is listened on as well."""
    with topics.scored(model, "--host", "::1") as server, contextlib.ExitStack() as held:
        for _ in range(5):
            held.enter_context(socket.create_connection(("::1", server.port), timeout=5))
        began = time.monotonic()
        with contextlib.closing(http.client.HTTPConnection("::1", server.port, timeout=30)) as connection:
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
        assert time.monotonic() - began < 3
        assert server.ready["url"] == f"http://[::1]:{server.port}"
        assert server.stop() == 0


@pytest.mark.whole
def test_a_stop_that_could_not_commit_says_so(topics: Topics, model: Path, rows: list[dict[str, Any]]) -> None:
    """Where the broker does not answer a stop ends in its time all the same, tells so, and the next start goes on."""
    told = [_stopped_amid(topics, model, records_of(rows, 40_000))]
    while "is not committed" not in told[-1]:  # between two micro-batches there is nothing to tell
        assert len(told) < 6
        told.append(_stopped_amid(topics, model, records_of(rows, 40_000)))
    with topics.scored(model, "--keep", "id") as server:
        assert len(topics.committed(topics.sink, 40_000 * len(told), 240)) == 40_000 * len(told)
        assert server.stop() == 0


def _stopped_amid(topics: Topics, model: Path, records: list[Any]) -> str:
    """Stop a stream in the midst of its work while the broker stands still, and return what it told."""
    with topics.scored(model, "--keep", "id") as server:
        topics.put(records)
        left = topics.left()
        wait_for(lambda: topics.left() < left - 1_000)
        topics.broker.signal(signal.SIGSTOP)
        try:
            time.sleep(3)
            assert server.stop() == 0
        finally:
            topics.broker.signal(signal.SIGCONT)
        return server.stderr()
