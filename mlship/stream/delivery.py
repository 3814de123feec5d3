"""Writing a micro-batch: scores, rejects and offsets together, or offsets after what was written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlship.errors import OutputLocked
from mlship.stream.clients import error_of, failed, producer_of
from mlship.stream.options import StreamOptions

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

_log = logging.getLogger("mlship.stream")
_CALL_SECONDS = 5.0  # of one attempt; between two the consumer shows that it lives
_MOST_RENEWALS = 5
_RENEWAL_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
_START_SECONDS = 60.0

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to write.

    Attributes:
        topic: Where to.
        key: Its key.
        value: Its value, or None for a tombstone.
        headers: Its headers.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


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


class _Writer:
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
        self._producer: Any = None

    def _produce(self, records: Sequence[Sent]) -> None:
        """Hand records over to the client, which writes them in order for each key."""
        producer: Producer = self._producer
        produce, on_delivery = producer.produce, self._on_delivery
        for sent in records:
            while True:
                try:
                    produce(sent.topic, sent.value, sent.key, headers=sent.headers, on_delivery=on_delivery)
                    break
                except BufferError:  # its line is full: the broker is slower than we are
                    producer.poll(0.1)
                    self._keep_alive()

    def _on_delivery(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None and (self._refused is None or _is_final(error)):
            self._refused = error

    def _has_failed(self) -> bool:
        return self._refused is not None

    def _raise_refused(self) -> None:
        """End the stream where the broker refuses a record for good: to write it again would do no better."""
        if self._refused is not None and _is_final(self._refused):
            raise failed("A record could not be written", self._refused)


class ExactlyOnce(_Writer):
    """One transaction for each micro-batch; see `Delivery`.

    Args:
        options: What the stream is told.
        consumer: What is read with.
        keep_alive: Called between attempts.
        transactional_id: The name by which the broker knows the transactions.
    """

    def __init__(
        self, options: StreamOptions, consumer: Consumer, keep_alive: Callable[[], None], transactional_id: str
    ) -> None:
        super().__init__(options, consumer, keep_alive)
        self._id = transactional_id
        self._renewed: list[float] = []

    def start(self) -> None:
        """Take the name over: what a predecessor left open is ended, and it can write no more."""
        self._begin(_START_SECONDS)

    def _begin(self, seconds: float | None) -> None:
        from confluent_kafka import KafkaException

        self._producer = producer_of(self._options.producer, self._id)
        try:
            self._attempt(self._producer.init_transactions, seconds=seconds)
        except KafkaException as raised:
            raise failed("Transactions cannot be begun", error_of(raised)) from raised

    def deliver(self, batch: MicroBatch) -> None:
        """Write records and offsets in one transaction."""
        from confluent_kafka import KafkaException

        self._refused = None
        # From before anything else: when partitions go meanwhile, the broker sees by it that they are not ours any more
        group = self._membership()
        try:
            self._producer.begin_transaction()
            self._produce(batch.records)
            self._attempt(self._producer.send_offsets_to_transaction, list(batch.offsets), group)
            self._attempt(self._producer.commit_transaction)
        except KafkaException as raised:
            self._take_back(error_of(raised))

    def _membership(self) -> object:
        """Return by what the broker knows this member of the group.

        Raises:
            Again: It is none just now; offsets of who is no member would not be fenced.
        """
        before = self._consumer.memberid()
        group = self._consumer.consumer_group_metadata()
        if not before or self._consumer.memberid() != before:
            raise Again
        return group

    def _take_back(self, error: KafkaError) -> None:
        """Abort, or begin anew with another producer where that cannot be done or its outcome is not known."""
        from confluent_kafka import KafkaException

        _log.warning("A transaction was not committed: %s.", error.name())
        if error.txn_requires_abort():
            try:
                self._attempt(self._producer.abort_transaction)
                self._raise_refused()
                raise Again
            except KafkaException as raised:
                error = error_of(raised)
        self._raise_refused()
        self._renew(error)
        raise Again

    def _renew(self, error: KafkaError) -> None:
        """Make the producer again: the broker ends what the last one left, one way or the other, before it begins."""
        now = time.monotonic()
        self._renewed = [at for at in self._renewed if now - at < _RENEWAL_SECONDS] + [now]
        if len(self._renewed) > _MOST_RENEWALS:
            raise OutputLocked(
                f"Something else writes with the transactional id '{self._id}' ({error.name()}).",
                hint="Give each machine a host name of its own.",
            )
        self._begin(None)

    def _attempt(self, call: Callable[..., Any], *arguments: Any, seconds: float | None = None) -> None:
        """Call again as long as the client says that this may help; the group is shown meanwhile that we live.

        Args:
            call: What to call; its last argument is how many seconds it may take.
            arguments: Its arguments before that.
            seconds: How long to go on, or None for as long as it takes: a broker that is away comes back.

        Raises:
            KafkaException: It does not help, or the time is over.
        """
        from confluent_kafka import KafkaException

        end = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                call(*arguments, _CALL_SECONDS)
                return
            except KafkaException as raised:
                if not error_of(raised).retriable() or (end is not None and time.monotonic() > end):
                    raise
            self._keep_alive()
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Let go; a transaction that is open is aborted by whoever takes the name over, or by the broker in time."""
        self._producer = None


class AtLeastOnce(_Writer):
    """Offsets are committed after what was scored has been written; see `Delivery`."""

    def start(self) -> None:
        """Make the producer."""
        self._producer = producer_of(self._options.producer, None)

    def deliver(self, batch: MicroBatch) -> None:
        """Write records, then offsets; what happens between the two makes records be written twice."""
        from confluent_kafka import KafkaException

        self._refused = None
        self._produce(batch.records)
        for _ in _until(float(self._options.producer.get("message.timeout.ms", "300000")) / 1000 + _CALL_SECONDS):
            if self._producer.flush(_CALL_SECONDS) == 0:
                break
            self._keep_alive()
        self._raise_refused()
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
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    )
