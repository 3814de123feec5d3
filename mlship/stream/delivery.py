"""Writing a micro-batch: what every way of doing it has in common, and offsets after what was written.

The other way, all in one transaction, is in `stream.transactions`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlship.stream.clients import error_of, failed, producer_of
from mlship.stream.options import StreamOptions
from mlship.stream.reader import place_of

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

_log = logging.getLogger("mlship.stream")
CALL_SECONDS = 5.0
"""How long one attempt may take; between two the consumer shows that it lives."""

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to write.

    Attributes:
        topic: Where to.
        key: Its key.
        value: Its value, or None for a tombstone.
        headers: Its headers.
        source: The record that it was made of.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    source: Message = field(repr=False)


@dataclass(frozen=True)
class MicroBatch:
    """What one micro-batch writes.

    Attributes:
        records: The records to write, in the order of what was read.
        offsets: The next offset to read of each partition that it was read from.
    """

    records: Sequence[Sent] = field(repr=False)
    offsets: Sequence[TopicPartition]


class Again(Exception):
    """Nothing of a micro-batch was written, or it cannot be known: go back to what is committed."""


class Delivery(Protocol):
    """Writes micro-batches."""

    def start(self) -> None:
        """Get ready to write.

        Raises:
            OutputFailed: The broker does not answer or refuses.
        """
        ...

    def deliver(self, batch: MicroBatch) -> None:
        """Write a micro-batch.

        Raises:
            Again: Nothing is committed; the caller reads again from what is.
            OutputFailed: It cannot be written, now and later.
        """
        ...

    def close(self) -> None:
        """Let go, with nothing left open where the broker can be reached."""
        ...


class Writer:
    """What both ways have in common.

    Args:
        options: What the stream is told.
        consumer: What is read with; shows that it lives while writing takes long.
        keep_alive: Called between attempts.
    """

    def __init__(self, options: StreamOptions, consumer: Consumer, keep_alive: Callable[[], None]) -> None:
        self._options = options
        self._consumer = consumer
        self._keep_alive = keep_alive
        self._refused: KafkaError | None = None
        self._refused_record: tuple[Any, Any, Any] | None = None
        self._producer: Any = None

    def produce(self, records: Sequence[Sent]) -> None:
        """Hand records over to the client, which writes them in order for each key."""
        from confluent_kafka import KafkaException

        producer: Producer = self._producer
        produce, on_delivery = producer.produce, self._on_delivery
        for sent in records:
            while True:
                try:
                    produce(sent.topic, sent.value, sent.key, headers=sent.headers, on_delivery=on_delivery)
                    break
                except KafkaException as raised:
                    self.note_refused(error_of(raised), (sent.topic, sent.key, sent.value))
                    raise
                except BufferError:  # its line is full: the broker is slower than we are
                    producer.poll(0.1)
                    self._keep_alive()

    def _on_delivery(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.note_refused(error, (message.topic(), message.key(), message.value()))

    def note_refused(self, error: KafkaError, record: tuple[Any, Any, Any] | None = None) -> None:
        """Keep why something was not written, for `raise_refused`; what is final is kept before what is not.

        Args:
            error: Why.
            record: Topic, key and value of what was not written, where that is known.
        """
        known = self._refused
        if known is None or (_is_final(error) and (self._refused_record is None or not _is_final(known))):
            self._refused, self._refused_record = error, record

    def forget_refused(self) -> None:
        """Begin with the next micro-batch."""
        self._refused = self._refused_record = None

    def _has_failed(self) -> bool:
        return self._refused is not None

    def raise_refused(self, batch: MicroBatch) -> None:
        """End the stream where the broker refuses a record for good: to write it again would do no better.

        Args:
            batch: What was to be written.

        Raises:
            OutputFailed: With the place of the record that was read, where it is known.
        """
        error = self._refused
        if error is None or not _is_final(error):
            return
        found = (sent for sent in batch.records if (sent.topic, sent.key, sent.value) == self._refused_record)
        first = next(found, None)
        what = "Records could not be written"
        if first is not None:
            place = "/".join(map(str, place_of(first.source)))
            what = f"What came of record {place} could not be written to '{first.topic}'"
        raise failed(what, error, hint="Look at the topic's settings and rights; a new start comes to the same record.")


class AtLeastOnce(Writer):
    """Offsets are committed after what was scored has been written; see `Delivery`."""

    def start(self) -> None:
        """Make the producer."""
        self._producer = producer_of(self._options.producer, None)

    def deliver(self, batch: MicroBatch) -> None:
        """Write records, then offsets; what happens between the two makes records be written twice."""
        from confluent_kafka import KafkaException

        self.forget_refused()
        try:
            self.produce(batch.records)
        except KafkaException as raised:
            self.raise_refused(batch)
            raise failed("Records could not be written", error_of(raised)) from raised
        for _ in _until(float(self._options.producer.get("message.timeout.ms", "300000")) / 1000 + CALL_SECONDS):
            if self._producer.flush(CALL_SECONDS) == 0:
                break
            self._keep_alive()
        self.raise_refused(batch)
        if self._has_failed() or len(self._producer):
            self._producer.purge()
            raise Again
        try:
            self._consumer.commit(offsets=list(batch.offsets), asynchronous=False)
        except KafkaException as raised:
            _log.warning("Offsets were not committed: %s.", error_of(raised).name())
            raise Again from raised

    def close(self) -> None:
        """Let go."""
        self._producer = None


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    yield
    while time.monotonic() < end:
        yield


def _is_final(error: KafkaError) -> bool:
    """Whether the broker refuses a record itself, and not the state that a transaction or a connection is in."""
    from confluent_kafka import KafkaError

    return error.code() in (
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    )
