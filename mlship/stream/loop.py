"""The work of one process: read what is there, score it, write it; over and over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from mlship.errors import InputRefused, Stopped
from mlship.model.values.codes import MEANINGS, Code
from mlship.stream.delivery import Again, Delivery, Headers, MicroBatch, Sent
from mlship.stream.observed import Observed
from mlship.stream.options import StreamOptions
from mlship.stream.reader import Reader, place_of
from mlship.stream.records import RecordScorer, Scored

if TYPE_CHECKING:
    from confluent_kafka import Message, TopicPartition

    from mlship.model.session import Session

_log = logging.getLogger("mlship.stream")
_TICK_SECONDS = 1.0
_AGAIN_SECONDS = 0.5  # before reading again what could not be committed
_OWN = "mlship."
"""What the names of our headers begin with."""
_headers_of = methodcaller("headers")
"""Asks a record for its headers.

For a name that is no UTF-8 the library returns a broken value and leaves an exception pending. A call out of C notices;
the interpreter, once it has made a call often, does not, and the exception would strike somewhere later.
"""
_TOLD = (f"{_OWN}model", f"{_OWN}digest")
"""By what a record was scored; a record that was scored before has them already."""


@dataclass(frozen=True)
class Between:
    """What a process does beside its micro-batches.

    Attributes:
        session: The model to begin with.
        takeover: Asked between micro-batches for another model to take over from then on.
        live: Called again and again while the process lives, also while it waits for a broker.
    """

    session: Session
    takeover: Callable[[], Session | None]
    live: Callable[[], None]


class Loop:
    """Scores a topic.

    Args:
        options: What the stream is told.
        reader: What reads.
        observed: What counts.
        between: What is done beside it.
    """

    def __init__(self, options: StreamOptions, reader: Reader, observed: Observed, between: Between) -> None:
        self._topics = options.topics
        self._keep = options.keep
        self._reader = reader
        self._observed = observed
        self._between = between
        self._stop_until: float | None = None
        self._tick_at = 0.0
        self._rebalances = 0
        self._take(between.session)

    def _take(self, session: Session) -> None:
        self._scorer = RecordScorer(session, self._keep)
        self._headers: Headers = [
            (_TOLD[0], f"{session.card.name}/{session.card.version}".encode()),
            (_TOLD[1], session.digest.encode()),
        ]

    def stop(self, grace: float) -> None:
        """End after the micro-batch that is under way.

        Args:
            grace: Seconds that it has to be committed in.
        """
        self._stop_until = time.monotonic() + grace

    def run(self, delivery: Delivery, tell: Callable[[], None]) -> None:
        """Work until `stop` is called.

        Args:
            delivery: What writes.
            tell: Called at least once a second while all is well.

        Raises:
            InputRefused: The model cannot take a record, and there is no topic for those.
            OutputFailed: The broker refuses for good.
            OutputLocked: Something else has this process's name.
            ModelRefused: The runtime failed on a record that the signature accepts.
        """
        while self._stop_until is None:
            self._between.live()
            self._tick(tell)
            session = self._between.takeover()
            if session is not None:
                self._take(session)
                self._observed.take(session)
            messages = self._reader.read()
            if messages:
                self._work(messages, delivery)

    def keep_alive(self) -> None:
        """Go on being a member of the group while the broker makes us wait.

        Raises:
            Stopped: The time that a stop leaves is over; whatever is open is aborted by the broker.
        """
        if self._stop_until is not None and time.monotonic() > self._stop_until:
            raise Stopped(15, "The broker did not answer in time; what was under way is not committed.")
        self._between.live()
        self._reader.pause()

    def _work(self, messages: list[Message], delivery: Delivery) -> None:
        start = time.monotonic()
        scored = self._scorer.score([message.value() for message in messages])
        self._reader.took(len(messages), time.monotonic() - start)
        records = [self._record(place, message, scored) for place, message in enumerate(messages)]
        begun = time.monotonic()
        try:
            delivery.deliver(MicroBatch(records, _offsets(messages)))
        except Again:
            self._observed.again()
            time.sleep(_AGAIN_SECONDS)
            self._reader.rewind(messages, self.keep_alive)
            return
        now = time.monotonic()
        self._observed.committed(scored, now - start, now - begun)

    def _record(self, place: int, message: Message, scored: Scored) -> Sent:
        """What is written for a record."""
        try:
            given: Any = _headers_of(message)
        except (SystemError, UnicodeDecodeError):  # a header's name is no UTF-8, and the library has no other way to it
            given = None
            scored.refused[place] = (None, "bad_encoding")
        if place in scored.refused:
            return self._reject(message, given or [], *scored.refused[place])
        headers = self._headers
        if given:  # of a chain of streams the last one tells by what it was scored
            headers = [*(header for header in given if header[0] not in _TOLD), *headers]
        return Sent(self._topics.sink, message.key(), scored.values[place], headers, message)

    def _reject(self, message: Message, carried: Headers, column: str | None, code: Code) -> Sent:
        """A record that the model cannot take, untouched, and why."""
        place = "/".join(map(str, place_of(message)))
        if self._topics.rejects is None:
            where = f", field '{column}'" if column is not None else ""
            raise InputRefused(
                f"Record {place}{where}: {code}, {MEANINGS[code]}. Its micro-batch is not committed.",
                hint="Name a topic for such records: --topic-rejects TOPIC",
                code=code,
            )
        told: Headers = [*carried, (f"{_OWN}code", code.encode()), (f"{_OWN}source", place.encode())]
        if column is not None:
            told.append((f"{_OWN}column", column.encode()))
        return Sent(self._topics.rejects, message.key(), message.value(), told, message)

    def _tick(self, tell: Callable[[], None]) -> None:
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + _TICK_SECONDS
        rebalances, self._rebalances = self._reader.rebalances - self._rebalances, self._reader.rebalances
        try:
            self._observed.tick(self._reader.lags(), rebalances)
        except OSError as error:  # such as a full disk, which is no reason to stop
            _log.warning("Metrics cannot be written: %s.", error.strerror)
        if self._reader.is_reached():
            tell()


def _offsets(messages: list[Message]) -> list[TopicPartition]:
    """The next offset of each partition; within one, records come in order."""
    from confluent_kafka import TopicPartition

    last = {(message.topic(), message.partition()): message for message in messages}
    places = map(place_of, last.values())
    return [TopicPartition(topic, partition, offset + 1) for topic, partition, offset in places]
