"""A file of librdkafka's properties, as its tools read it: `name=value` lines, `#` begins a comment.

https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md lists them. `consumer.` or `producer.` before a
name gives it to one of the two clients alone.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from mlship.errors import UsageError
from mlship.files import others_may_read

_OURS = {
    "enable.auto.commit": "offsets are committed with what was scored",
    "enable.auto.offset.store": "offsets are committed with what was scored",
    "delivery.report.only.error": "what is written is told by commits",
    "enable.idempotence": "nothing is written twice, nor out of order",
    "transactional.id": "each process makes its own",
    "isolation.level": "records and offsets that are not committed may be taken back",
    "enable.partition.eof": "the end of a partition is no record",
}
"""Properties that the promises of a stream rest on, and why nobody else may set them."""
_SECRET = re.compile(r"passw|passphrase|secret|private\.key\.pem|ssl\.key\.pem|oauthbearer\.config|jaas")
_OF_PYTHON = re.compile(r".*_cb|on_commit|on_delivery|logger|.*\.(de)?serializer")
"""What confluent-kafka takes beside librdkafka's properties: functions, which no file can hold."""
QUEUED_KIBIBYTES = 65_536
"""Of keys and values that a consumer reads ahead, unless the file says otherwise."""
_CONSUMER = {
    "auto.offset.reset": "earliest",  # a new group begins at the beginning: nothing is passed over
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    "queued.max.messages.kbytes": str(QUEUED_KIBIBYTES),
    "queued.min.messages": "20000",
    "fetch.wait.max.ms": "50",
    "fetch.queue.backoff.ms": "20",
}
_PRODUCER = {
    "partitioner": "murmur2_random",  # as Java's clients do it: a key stays where others would put it
    "linger.ms": "5",
    "queue.buffering.max.messages": "1000000",
    "message.max.bytes": "100000000",  # the broker says what is too large
}
_MOST_BYTES = 1 << 20


def read_properties(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the properties of the consumer and of the producer.

    Raises:
        UsageError: The file cannot be read, a line is no property, one is ours to set, no broker is named, or the file
            holds a password and others may read it.
    """
    try:
        with file.open("rb") as stream:
            others = others_may_read(stream.fileno())
            data = stream.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"The Kafka configuration '{file}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise UsageError(f"The Kafka configuration '{file}' is not UTF-8.") from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"The Kafka configuration '{file}' has more than {_MOST_BYTES:,} bytes.")
    consumer, producer = _split(text, file)
    if others and any(map(_SECRET.search, (*consumer, *producer))):
        raise UsageError(
            f"The Kafka configuration '{file}' holds a password, and others than its owner may read it.",
            hint=f"chmod 600 {shlex.quote(str(file))}",
        )
    if not consumer.get("bootstrap.servers"):
        raise UsageError(
            f"The Kafka configuration '{file}' names no broker.", hint="Add a line: bootstrap.servers=HOST:9092"
        )
    ours = dict(_CONSUMER)
    if consumer.get("group.protocol", "classic").lower() == "consumer":
        del ours["partition.assignment.strategy"]  # the broker assigns
    return {**ours, **consumer}, {**_PRODUCER, **producer}


def _split(text: str, file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The properties of each client; of one that is there twice the last counts, as in librdkafka's tools."""
    consumer: dict[str, str] = {}
    producer: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not name:
            raise UsageError(
                f"The Kafka configuration '{file}', line {number}: it is not name=value.",
                hint="For example: bootstrap.servers=localhost:9092",
            )
        client, dot, rest = name.partition(".")
        only = client if dot and client in ("consumer", "producer") else None
        name = rest if only else name
        if _OF_PYTHON.fullmatch(name):
            raise UsageError(
                f"The Kafka configuration '{file}', line {number}: '{name}' is none of librdkafka's properties.",
                hint="Take the line out.",
            )
        if name in _OURS:
            raise UsageError(
                f"The Kafka configuration '{file}', line {number}: '{name}' is not to be set: {_OURS[name]}.",
                hint="Take the line out.",
            )
        for kind, properties in (("consumer", consumer), ("producer", producer)):
            if only in (None, kind) and _belongs(name, kind):
                properties[name] = value
    return consumer, producer


_OF_CONSUMERS = (
    "group.", "session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms", "auto.offset.reset", "fetch.",
    "queued.", "isolation.level", "partition.assignment.strategy", "check.crcs", "allow.auto.create.topics",
    "client.rack", "max.partition.fetch.bytes",
)  # fmt: skip
_OF_PRODUCERS = (
    "acks", "request.required.acks", "linger.ms", "queue.buffering.", "batch.", "compression.",
    "message.send.max.retries", "retries", "delivery.timeout.ms", "message.timeout.ms",
    "transaction.timeout.ms", "partitioner", "sticky.",
    "request.timeout.ms",
)  # fmt: skip


def _belongs(name: str, kind: str) -> bool:
    """Whether a client knows a property; librdkafka warns of each that is of the other kind."""
    others = _OF_PRODUCERS if kind == "consumer" else _OF_CONSUMERS
    return not any(name.startswith(other) if other.endswith(".") else name == other for other in others)
