"""What a user would write instead of a stream: a loop around confluent-kafka with one transaction a micro-batch.

    python kafka_loop.py BROKERS SOURCE SINK REJECTS MODEL GROUP exactly|atleast

It checks nothing but that a record is JSON and has the columns as numbers, and takes back nothing when it fails.
"""

from __future__ import annotations

import signal
import sys

import numpy as np
import onnxruntime
import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from mlship.model.artifact import read_artifact

ROWS = 10_000


class Model:
    """The model's graph, as a user would run it.

    Args:
        path: The artifact.
    """

    def __init__(self, path: str) -> None:
        with open(path, "rb") as stream:  # noqa: PTH123  as a user would
            data = stream.read()
        card = read_artifact(data).card
        assert card is not None
        self.columns = [column.name for column in card.signature.inputs]
        self._outputs = card.signature.outputs
        self._tensors = list(dict.fromkeys(output.tensor for output in self._outputs))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(data, options)
        self._feed = self._session.get_inputs()[0].name

    def values(self, rows: list[list[float]]) -> list[bytes]:
        """Return an output value for each row."""
        answers = dict(zip(self._tensors, self._session.run(self._tensors, {self._feed: np.array(rows)}), strict=True))
        names = [output.name for output in self._outputs]
        found = [
            answers[output.tensor] if output.index is None else answers[output.tensor][:, output.index]
            for output in self._outputs
        ]
        columns = [values.tolist() for values in found]
        return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def produce(model: Model, messages: list[Message], producer: Producer, sink: str, rejects: str) -> None:
    """Score what can be scored, and write it all."""
    good: list[Message] = []
    rows: list[list[float]] = []
    for message in messages:
        try:
            record = orjson.loads(message.value() or b"")
            rows.append([record[name] for name in model.columns])
            good.append(message)
        except (ValueError, KeyError, TypeError):
            producer.produce(rejects, message.value(), message.key(), headers=[("error", b"bad")])
    if good:
        for message, value in zip(good, model.values(rows), strict=True):
            producer.produce(sink, value, message.key(), headers=[*(message.headers() or []), ("model", b"1")])


def main() -> None:
    """Score until SIGTERM."""
    brokers, source, sink, rejects, path, group, how = sys.argv[1:]
    model = Model(path)
    reading = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    reading |= {"isolation.level": "read_committed", "queued.min.messages": 20000, "fetch.wait.max.ms": 50}
    consumer = Consumer({"bootstrap.servers": brokers, **reading})
    settings = {"bootstrap.servers": brokers, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000}
    exactly = how == "exactly"
    producer = Producer(settings | ({"transactional.id": f"loop-{group}"} if exactly else {"enable.idempotence": True}))
    if exactly:
        producer.init_transactions(60)
    consumer.subscribe([source])
    go_on = [True]
    signal.signal(signal.SIGTERM, lambda *_: go_on.clear())
    while go_on:
        messages = [message for message in consumer.consume(ROWS, 0.05) if message.error() is None]
        if not messages:
            continue
        if exactly:
            producer.begin_transaction()
        produce(model, messages, producer, sink, rejects)
        last = {(message.topic(), message.partition()): message.offset() for message in messages}
        offsets = [TopicPartition(topic or "", place or 0, (at or 0) + 1) for (topic, place), at in last.items()]
        if exactly:
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
            producer.commit_transaction(30)
        else:
            producer.flush()
            consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main()
