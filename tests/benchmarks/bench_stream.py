"""How fast a topic is scored, beside a hand-written loop that does the same.

Run with `make bench-stream`, or `python -m tests.benchmarks.bench_stream [--pairs N] [--records N] [--lag SECONDS]`. A
rate is taken from the times of the first and the last record that were written: start-up is left out on both sides.
Runs are paired and interleaved; a ratio is the median of those of the pairs. With --lag it is measured instead how long
a stream takes to catch up that was stopped for so long, while 8,000 records a second came.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from confluent_kafka import Consumer, Message, Producer

from tests.stream.broker import Broker
from tests.stream.topics import Topics, records_of

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_models" / "breast_cancer"
LINE = "{:34} {:>7} {:>7}   {:>10} {:>10}   {:>9} {:>9}"
_SECONDS = 180


@dataclass(frozen=True)
class Rate:
    """How a run went.

    Attributes:
        rows: Records a second.
        cpu: Seconds of CPU a record, start-up included.
    """

    rows: float
    cpu: float


@dataclass(frozen=True)
class Setup:
    """What is measured with.

    Attributes:
        broker: The broker.
        model: The model.
        source: A topic that is full.
        records: How many are in it.
        rows: What they are made of.
    """

    broker: Broker
    model: Path
    source: str
    records: int
    rows: list[dict[str, float]] = field(repr=False)

    def ours(self, exactly: bool) -> Rate:
        """Measure a stream of one process."""
        topics = self._topics()
        how = () if exactly else ("--at-least-once",)
        return self._run(topics, topics.command(self.model, *how))

    def theirs(self, exactly: bool) -> Rate:
        """Measure the loop."""
        topics = self._topics()
        names = [self.broker.address, topics.source, topics.sink, topics.rejects, str(self.model), topics.sink]
        loop = [sys.executable, "-m", "tests.benchmarks.kafka_loop", *names, "exactly" if exactly else "atleast"]
        return self._run(topics, loop)

    def _topics(self) -> Topics:
        made = Topics.new(self.broker)
        return Topics(self.broker, self.source, made.sink, made.rejects, made.config)

    def _run(self, topics: Topics, command: list[str]) -> Rate:
        before = os.times()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            first, last = self._written(topics)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return Rate(self.records / max((last - first) / 1000, 1e-3), spent / self.records)

    def _written(self, topics: Topics) -> tuple[int, int]:
        """Wait until all is written, and return the times [ms] of the first and the last record."""
        settings = {"bootstrap.servers": self.broker.address, "group.id": uuid.uuid4().hex}
        consumer = Consumer({**settings, "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
        consumer.subscribe([topics.sink])
        times: list[int] = []
        until = time.monotonic() + _SECONDS
        while len(times) < self.records and time.monotonic() < until:
            times += map(_time, consumer.consume(10_000, 0.5))
        consumer.close()
        assert len(times) == self.records, f"{len(times):,} of {self.records:,} records were written"
        return min(times), max(times)


def _time(message: Message) -> int:
    _, at = message.timestamp()
    return at


def main() -> None:
    """Measure, and print ratios: ours to theirs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--lag", type=float, help="seconds to stop for")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "kafka")
        broker.format()
        broker.start()
        try:
            setup = _setup(broker, Path(folder), given.records if given.lag is None else 0)
            if given.lag is None:
                _measure(setup, given.pairs)
            else:
                _recover(setup, given.lag)
        finally:
            broker.stop()


def _setup(broker: Broker, folder: Path, records: int) -> Setup:
    model = folder / "model.onnx"
    command = [sys.executable, "-m", "mlship", "export", str(SAMPLE / "model.joblib"), "-o", str(model), "-q"]
    subprocess.run(command, check=True)
    with (SAMPLE / "input.csv").open(encoding="utf-8", newline="") as stream:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    topics = Topics.new(broker)
    topics.put(records_of(rows, records))
    return Setup(broker, model, topics.source, records, rows)


def _measure(setup: Setup, pairs: int) -> None:
    print(LINE.format("", "rows/s", "bar", "ours", "theirs", "us CPU", "theirs"))
    for exactly in (True, False):
        runs = [(setup.ours(exactly), setup.theirs(exactly)) for _ in range(pairs)]
        ratio = median(ours.rows / theirs.rows for ours, theirs in runs)
        name = "exactly once" if exactly else "at least once"
        rates = [f"{median(run.rows for run in side):,.0f}" for side in zip(*runs, strict=True)]
        cpus = [f"{median(run.cpu for run in side) * 1e6:.1f}" for side in zip(*runs, strict=True)]
        print(LINE.format(name, f"{ratio:.2f}", "0.90", *rates, *cpus))


def _recover(setup: Setup, stopped: float) -> None:
    """Stop a stream for a while, and print how long it takes to catch up."""
    topics = Topics.new(setup.broker)
    ended = threading.Event()
    feeder = threading.Thread(target=_feed, args=(setup, topics, ended), daemon=True)
    feeder.start()
    with topics.scored(setup.model) as server:
        time.sleep(5)
        server.stop()
    time.sleep(stopped)
    behind = topics.left()
    with topics.scored(setup.model) as server:
        began = time.monotonic()
        while topics.left() > _A_SECOND:
            time.sleep(0.2)
        print(
            f"{behind:,} records behind after {stopped:g} s; less than a second behind {time.monotonic() - began:.1f} s"
        )
        print(f"after the start, while {_A_SECOND:,} a second came")
        ended.set()
        feeder.join()
        server.stop()


_A_SECOND = 8_000


def _feed(setup: Setup, topics: Topics, ended: threading.Event) -> None:
    """Put records at a steady rate."""
    part = records_of(setup.rows, _A_SECOND // 10)
    producer = Producer({"bootstrap.servers": setup.broker.address, "queue.buffering.max.messages": 1_000_000})
    due = time.monotonic()
    while not ended.is_set():
        for key, value in part:
            producer.produce(topics.source, value, key)
        producer.poll(0)
        due += 0.1
        time.sleep(max(0.0, due - time.monotonic()))
    producer.flush(30)


if __name__ == "__main__":
    main()
