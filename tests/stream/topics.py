"""Topics of a test: what is put into them, what a reader of committed records finds, and a stream between them."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.serve.server import Server, running
from tests.stream.broker import Broker

PARTITIONS = 4
_LOOK_SECONDS = 0.05
"""How long it is waited for records before those that came are looked at."""
GROUP = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "transaction.timeout.ms": "10000"}
"""So that tests need not wait for those who are gone."""
SOON = {"session.timeout.ms": "2500", "heartbeat.interval.ms": "300"}
"""Where a process is killed that the broker waits for."""


@dataclass(frozen=True)
class Record:
    """A record of a topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    all_headers: Sequence[tuple[str, bytes]]

    @property
    def headers(self) -> Mapping[str, bytes]:
        """Its headers; of those of one name the last."""
        return dict(self.all_headers)

    @property
    def json(self) -> Any:
        """Its value."""
        assert self.value is not None
        return json.loads(self.value)


@dataclass(frozen=True)
class Topics:
    """Three topics and the file that names their broker."""

    broker: Broker
    source: str
    sink: str
    rejects: str
    config: Path

    @property
    def group(self) -> str:
        """The consumer group that the file names."""
        lines = self.config.read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("group.id="))

    @classmethod
    def new(cls, broker: Broker, address: str | None = None, **settings: str) -> Topics:
        """Make topics that nobody else uses."""
        name = uuid.uuid4().hex[:12]
        config = broker.folder / f"{name}.properties"
        lines = {"bootstrap.servers": address or broker.address, "group.id": name, **GROUP, **settings}
        config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")
        source, sink, rejects = (broker.topic(f"{name}.{part}", PARTITIONS) for part in ("in", "out", "rejects"))
        return cls(broker, source, sink, rejects, config)

    def put(self, records: Iterable[tuple[bytes | None, bytes | None]], **headers: bytes) -> None:
        """Write records of key and value, in order."""
        settings: dict[str, Any] = {"queue.buffering.max.messages": 1_000_000, "message.max.bytes": 20_000_000}
        producer = Producer({"bootstrap.servers": self.broker.address, **settings})
        for key, value in records:
            producer.produce(self.source, value, key, headers=list(headers.items()))
            producer.poll(0)
        assert producer.flush(60) == 0

    def committed(self, topic: str, wanted: int, seconds: float = 60) -> list[Record]:
        """Return all records that a reader of committed ones finds, once there are so many or the time is over."""
        until = time.monotonic() + seconds
        found = 0
        with self._reader(topic) as consumer:
            while found < wanted and time.monotonic() < until:
                found += sum(message.error() is None for message in consumer.consume(1_000, _LOOK_SECONDS))
        return self.all_committed(topic)

    def all_committed(self, topic: str) -> list[Record]:
        """Return all records that a reader of committed ones finds now."""
        found: list[Record] = []
        ended: set[int] = set()
        with self._reader(topic) as consumer:
            while len(ended) < PARTITIONS:
                for message in consumer.consume(1_000, _LOOK_SECONDS):
                    partition = message.partition()
                    assert partition is not None
                    if message.error() is not None:
                        ended.add(partition)
                        continue
                    headers: Any = message.headers() or []
                    found.append(Record(partition, _bytes(message.key()), _bytes(message.value()), headers))
        return found

    @contextlib.contextmanager
    def _reader(self, topic: str) -> Iterator[Consumer]:
        """Committed records from the first on; it joins no group and asks for no offset, which takes time."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.address,
                "group.id": uuid.uuid4().hex,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,  # an end is told when a broker has nothing more, which it waits for
                "enable.auto.commit": False,
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        try:
            yield consumer
        finally:
            consumer.close()

    def left(self) -> int:
        """Return how many records the group has not committed."""
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": self.group})
        places = [TopicPartition(self.source, partition) for partition in range(PARTITIONS)]
        ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
        committed = [max(place.offset, 0) for place in consumer.committed(places, timeout=30)]
        consumer.close()
        return sum(ends) - sum(committed)

    def options(self, *further: str) -> list[str]:
        """Return the options that name the topics."""
        names = ["--kafka-config", str(self.config), "--topic-in", self.source, "--topic-out", self.sink]
        return [*names, "--topic-rejects", self.rejects, *further]

    @contextlib.contextmanager
    def scored(self, model: Path, *further: str, workers: int = 1) -> Iterator[Server]:
        """Score them for the length of a `with` block."""
        with running(self.command(model, *further, workers=workers)) as server:
            yield server

    def command(self, model: Path, *further: str, workers: int = 1) -> list[str]:
        """Return the command line that scores them."""
        return [sys.executable, "-m", "mlship", "serve", *self.arguments(model, *further, workers=workers), "--json"]

    def arguments(self, model: Path, *further: str, workers: int = 1) -> list[str]:
        """Return what that command line says after `mlship serve`, but for the form of what is printed."""
        return [str(model), "--port", "0", *self.options("--workers", str(workers), *further)]


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes | None) else str(value).encode()


def wait_for(done: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so; a process tells how things are each second."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


def records_of(rows: Sequence[Mapping[str, Any]], count: int, keys: int = 50) -> list[tuple[bytes, bytes]]:
    """Return so many records with an `id` each, made of rows over and over, under so many keys."""
    texts = [json.dumps(row)[1:] for row in rows]
    return [(str(at % keys).encode(), f'{{"id": {at}, {texts[at % len(texts)]}'.encode()) for at in range(count)]
