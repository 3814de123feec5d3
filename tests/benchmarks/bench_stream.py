"""How fast a topic is scored, beside a hand-written loop that does the same.

Run with `make bench-stream`, or `python -m tests.benchmarks.bench_stream [--pairs N] [--records N]`. A rate is taken
from the times of the first and the last record that were written: start-up is left out on both sides. Runs are paired
and interleaved; a ratio is the median of those of the pairs.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from confluent_kafka import Consumer, Message

from tests.stream.broker import Broker
from tests.stream.topics import PARTITIONS, Topics, records_of

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
    """

    broker: Broker
    model: Path
    source: str
    records: int

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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "kafka")
        broker.format()
        broker.start()
        try:
            _measure(_setup(broker, Path(folder), given.records), given.pairs)
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
    assert PARTITIONS == 4
    return Setup(broker, model, topics.source, records)


def _measure(setup: Setup, pairs: int) -> None:
    print(LINE.format("", "rows/s", "bar", "ours", "theirs", "us CPU", "theirs"))
    for exactly in (True, False):
        runs = [(setup.ours(exactly), setup.theirs(exactly)) for _ in range(pairs)]
        ratio = median(ours.rows / theirs.rows for ours, theirs in runs)
        name = "exactly once" if exactly else "at least once"
        rates = [f"{median(run.rows for run in side):,.0f}" for side in zip(*runs, strict=True)]
        cpus = [f"{median(run.cpu for run in side) * 1e6:.1f}" for side in zip(*runs, strict=True)]
        print(LINE.format(name, f"{ratio:.2f}", "0.90", *rates, *cpus))


if __name__ == "__main__":
    main()
