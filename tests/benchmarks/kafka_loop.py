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


def main() -> None:
    """Score until SIGTERM."""
    brokers, source, sink, rejects, model, group, how = sys.argv[1:]
    with open(model, "rb") as stream:  # noqa: PTH123  as a user would
        data = stream.read()
    card = read_artifact(data).card
    assert card is not None
    columns = [column.name for column in card.signature.inputs]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options)
    feed = session.get_inputs()[0].name
    outputs = [(output.name, output.tensor, output.index) for output in card.signature.outputs]
    names = list(dict.fromkeys(tensor for _, tensor, _ in outputs))
    consumer = Consumer(
        {
            "bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "isolation.level": "read_committed", "queued.min.messages": 20000, "fetch.wait.max.ms": 50,
        }
    )  # fmt: skip
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
        good: list[Message] = []
        rows: list[list[float]] = []
        bad: list[Message] = []
        for message in messages:
            try:
                record = orjson.loads(message.value() or b"")
                rows.append([record[name] for name in columns])
                good.append(message)
            except (ValueError, KeyError, TypeError):
                bad.append(message)
        if exactly:
            producer.begin_transaction()
        if good:
            answers = dict(zip(names, session.run(names, {feed: np.array(rows)}), strict=True))
            found = [answers[tensor] if at is None else answers[tensor][:, at] for _, tensor, at in outputs]
            keys = [name for name, _, _ in outputs]
            for message, row in zip(good, zip(*(values.tolist() for values in found), strict=True), strict=True):
                value = orjson.dumps(dict(zip(keys, row, strict=True)))
                producer.produce(sink, value, message.key(), headers=[*(message.headers() or []), ("model", b"1")])
        for message in bad:
            producer.produce(rejects, message.value(), message.key(), headers=[("error", b"bad")])
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
