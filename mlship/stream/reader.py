"""Reading records: a micro-batch is what is there, and never waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlship.stream.clients import error_of, failed
from mlship.stream.options import Bounds

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

_log = logging.getLogger("mlship.stream")
_SLICE = 1_000  # records taken at once; between two it is looked how many bytes there are
_IDLE_SECONDS = 0.25
_QUIET_SECONDS = 3.0
"""After so long without a record it is looked whether the broker is there."""
_CALL_SECONDS = 10.0


class Reader:
    """Reads one topic as a member of a group.

    Args:
        consumer: What reads.
        topic: The topic.
        bounds: The most that one micro-batch may be.

    Attributes:
        consumer: What reads.
        rebalances: How often partitions came or went.
    """

    def __init__(self, consumer: Consumer, topic: str, bounds: Bounds) -> None:
        self.consumer = consumer
        self.rebalances = 0
        self._bounds = bounds
        self._rows = min(_SLICE, bounds.rows)
        self._taken: list[Message] = []
        self._paused = False
        self._topic = topic
        self._reached_at = time.monotonic()
        self._asked_at = 0.0
        consumer.subscribe([topic], on_assign=self._came, on_revoke=self._went, on_lost=self._went)

    def _came(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        self._paused = True  # those that went while they were paused come back paused
        _log.info("Partitions came: %s.", _numbers(partitions))

    def _went(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Forget what was taken of partitions that are others' now: they read it again."""
        self.rebalances += 1
        gone = _numbers(partitions)
        _log.info("Partitions went: %s.", gone)
        self._taken = [message for message in self._taken if message.partition() not in gone]

    def read(self) -> list[Message]:
        """Return the records that are there, of all partitions and in order in each; none after a quarter of a second.

        Raises:
            OutputFailed: The broker refuses for good, such as one without rights.
        """
        self._resume()
        if not self._taken:
            first = self.consumer.poll(_IDLE_SECONDS)
            self._take([] if first is None else [first])
        size = sum(map(len, self._taken))
        while 0 < (rows := len(self._taken)) < self._rows and size < self._bounds.bytes:
            fitting = -((size - self._bounds.bytes) * rows // max(size, 1))  # if they go on as large as they were
            more = self.consumer.consume(min(_SLICE, self._rows - rows, fitting), 0)
            if not more:
                break
            self._take(more)
            size += sum(map(len, more))
        taken, self._taken = self._taken, []
        if taken:
            self._reached_at = time.monotonic()
        return taken

    def is_reached(self) -> bool:
        """Tell whether the broker answers and has the topic; it is asked when nothing has come for a while."""
        from confluent_kafka import KafkaException

        now = time.monotonic()
        if now - self._reached_at >= _QUIET_SECONDS and now - self._asked_at >= _QUIET_SECONDS:
            self._asked_at = now
            try:
                found = self.consumer.list_topics(self._topic, timeout=1.0).topics[self._topic]
            except KafkaException as raised:
                _log.warning("The broker does not answer: %s.", error_of(raised).str())
                return False
            if found.error is not None:
                _log.warning("The topic '%s' cannot be read: %s.", self._topic, found.error.str())
                return False
            self._reached_at = now
        return now - self._reached_at < 2 * _QUIET_SECONDS

    def took(self, rows: int, seconds: float) -> None:
        """Learn how long scoring takes, so that a micro-batch stays within its time.

        Args:
            rows: Records of a micro-batch.
            seconds: How long it took to score them.
        """
        fitting = int(rows * self._bounds.seconds / max(seconds, 1e-6))
        self._rows = max(1, min(self._bounds.rows, fitting, self._rows * 2 if rows >= self._rows else self._rows))

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            error = message.error()
            if error is None:
                self._taken.append(message)
            elif error.fatal() or error.code() in _final_codes():
                raise failed("Records cannot be read", error)
            else:
                _log.warning("Kafka: %s.", error.str())

    def pause(self) -> None:
        """Show that we live while writing takes long, and take nothing more meanwhile.

        Raises:
            OutputFailed: The broker refuses for good.
        """
        assignment = self.consumer.assignment()
        if assignment:
            self.consumer.pause(assignment)
        self._paused = True
        message = self.consumer.poll(0)
        if message is not None:  # of a partition that has just come, which is not paused
            self._take([message])

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            assignment = self.consumer.assignment()
            if assignment:
                self.consumer.resume(assignment)

    def rewind(self, messages: list[Message], keep_alive: Callable[[], None]) -> None:
        """Go back to what is committed, once the broker knows what is.

        Args:
            messages: Records that were read and, as far as is known, not committed.
            keep_alive: Called between attempts.

        Raises:
            OutputFailed: That cannot be found out.
        """
        from confluent_kafka import KafkaException

        first: dict[int, int] = {}
        while True:
            for message in (*messages, *self._taken):
                _, partition, offset = place_of(message)
                first[partition] = min(first.get(partition, offset), offset)
            self._taken = []
            try:
                assignment = self.consumer.assignment()
                if assignment:
                    self._seek(self.consumer.committed(assignment, _CALL_SECONDS), first)
                return
            except KafkaException as raised:
                error = error_of(raised)
                if not error.retriable() and error.code() not in _passing_codes():
                    raise failed("It cannot be found out what is committed", error) from raised
                _log.warning("Going back to what is committed: %s.", error.name())
            keep_alive()
            time.sleep(_IDLE_SECONDS)

    def _seek(self, committed: list[TopicPartition], first: dict[int, int]) -> None:
        """Go to what is committed, or where nothing ever was, to the first record that was read."""
        from confluent_kafka import TopicPartition

        for place in committed:
            offset = place.offset if place.offset >= 0 else first.get(place.partition)
            if offset is not None:
                self.consumer.seek(TopicPartition(place.topic, place.partition, offset))

    def lags(self) -> dict[int, int]:
        """Return for each partition of ours how many records are still to be read, as far as it is known."""
        found = {}
        for place in self.consumer.position(self.consumer.assignment()):
            low, high = self.consumer.get_watermark_offsets(place, cached=True)
            if high >= 0:
                found[place.partition] = max(high - (place.offset if place.offset >= 0 else max(low, 0)), 0)
        return found


def place_of(message: Message) -> tuple[str, int, int]:
    """Return topic, partition and offset of a record that was read."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return topic, partition, offset


def _numbers(partitions: list[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)


def _final_codes() -> tuple[int, ...]:
    """Errors that no waiting mends."""
    from confluent_kafka import KafkaError

    return (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._AUTHENTICATION,
        KafkaError._FATAL,
    )


def _passing_codes() -> tuple[int, ...]:
    """Errors of partitions that have just come or gone, and of brokers that are away."""
    from confluent_kafka import KafkaError

    return (
        KafkaError._STATE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._WAIT_COORD,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
    )
