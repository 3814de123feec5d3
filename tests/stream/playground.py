"""A broker for a person to try streams with, rows that come, and scores as they are written.

    python -m tests.stream.playground FOLDER [PORT]

makes the topics `requests`, `scores` and `bad` and a file `kafka.properties` in the folder, puts rows of the penguins
into the first, every tenth of them not to be read, and shows what is written to the others. Ctrl-C ends it.
"""

from __future__ import annotations

import csv
import itertools
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer, Producer

from tests.stream.broker import Broker

SAMPLE = Path(__file__).resolve().parents[2] / "sample_models" / "penguins" / "input.csv"
TOPICS = ("requests", "scores", "bad")
_SECONDS = 0.2


def main() -> None:
    """Start a broker, and show what comes of it, until SIGTERM or Ctrl-C."""
    folder = Path(sys.argv[1]).absolute()
    broker = Broker(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 9092)
    ended = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: ended.set())
    if not (folder / "server.properties").exists():
        broker.format()
    try:
        broker.start()
        for topic in TOPICS:
            if not broker.has(topic):
                broker.topic(topic)
        config = folder / "kafka.properties"
        config.write_text(f"bootstrap.servers={broker.address}\n", encoding="utf-8")
        names = " ".join(
            f"--topic-{kind} {topic}" for kind, topic in zip(("in", "out", "rejects"), TOPICS, strict=True)
        )
        say(f"Apache Kafka answers at {broker.address}; in another terminal:")
        say(f"mlship serve penguins.onnx --kafka-config {config} {names}")
        threading.Thread(target=put, args=(broker, ended), daemon=True).start()
        show(broker, ended)
    finally:
        broker.stop()


def say(text: str) -> None:
    """Tell the person something now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def put(broker: Broker, ended: threading.Event) -> None:
    """Put a row again and again."""
    producer = Producer({"bootstrap.servers": broker.address})
    for number, row in enumerate(rows()):
        producer.produce(TOPICS[0], "not JSON" if number % 10 == 9 else row, str(number))
        producer.poll(0)
        if ended.wait(_SECONDS):
            break
    producer.flush(5)


def rows() -> Iterator[str]:
    """Yield the sample's rows as JSON over and over."""
    with SAMPLE.open(encoding="utf-8", newline="") as stream:
        given = list(csv.DictReader(stream))
    for row in itertools.cycle(given):
        yield json.dumps({name: _value(text) for name, text in row.items()})


def _value(text: str) -> float | str | None:
    try:
        return float(text)
    except ValueError:
        return None if text in ("", "NA") else text


def show(broker: Broker, ended: threading.Event) -> None:
    """Show what is written, as a reader of committed records finds it."""
    settings = {"bootstrap.servers": broker.address, "group.id": "shown", "isolation.level": "read_committed"}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
    consumer.subscribe(list(TOPICS[1:]))
    while not ended.is_set():
        message = consumer.poll(_SECONDS)
        if message is None or message.error() is not None:
            continue
        headers = dict(message.headers() or [])
        code = headers.get("mlship.code", b"")
        told = f" ({code.decode()})" if isinstance(code, bytes) and code else ""
        say(f"{message.topic()}: {(message.value() or b'').decode()}{told}")
    consumer.close()


if __name__ == "__main__":
    main()
