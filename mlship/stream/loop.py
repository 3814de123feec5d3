"""The work of one process: read what is there, score it, write it; over and over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

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
"""What the names of our headers begin with; those of a record that do so too are others' and go on as they came."""

Takeover = Callable[[], "Session | None"]
"""Returns a model to take over from now on, or None."""


class Loop:
    """Scores a topic.

    Args:
        options: What the stream is told.
        reader: What reads.
        session: The model.
        observed: What counts.
        takeover: Asked between micro-batches for another model.
    """

    def __init__(
        self, options: StreamOptions, reader: Reader, session: Session, observed: Observed, takeover: Takeover
    ) -> None:
        self._topics = options.topics
        self._keep = options.keep
        self._reader = reader
        self._observed = observed
        self._takeover = takeover
        self._stop_until: float | None = None
        self._tick_at = 0.0
        self._rebalances = 0
        self._take(session)

    def _take(self, session: Session) -> None:
        self._scorer = RecordScorer(session, self._keep)
        self._headers: Headers = [
            (f"{_OWN}model", f"{session.card.name}/{session.card.version}".encode()),
            (f"{_OWN}digest", session.digest.encode()),
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
            self._tick(tell)
            session = self._takeover()
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
        self._reader.pause()

    def _work(self, messages: list[Message], delivery: Delivery) -> None:
        start = time.monotonic()
        scored = self._scorer.score([message.value() for message in messages])
        self._reader.took(len(messages), time.monotonic() - start)
        records = self._records(messages, scored)
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

    def _records(self, messages: list[Message], scored: Scored) -> list[Sent]:
        """What is written for each record, in the same order."""
        records = []
        sink, headers = self._topics.sink, self._headers
        for place, (message, value) in enumerate(zip(messages, scored.values, strict=True)):
            given = message.headers()
            carried = list(given.items()) if isinstance(given, dict) else given or []
            if place in scored.refused:
                records.append(self._reject(message, carried, *scored.refused[place]))
            else:
                records.append(Sent(sink, message.key(), value, [*carried, *headers] if carried else headers))
        return records

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
        return Sent(self._topics.rejects, message.key(), message.value(), told)

    def _tick(self, tell: Callable[[], None]) -> None:
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + _TICK_SECONDS
        rebalances, self._rebalances = self._reader.rebalances - self._rebalances, self._reader.rebalances
        self._observed.tick(self._reader.lags(), rebalances)
        tell()


def _offsets(messages: list[Message]) -> list[TopicPartition]:
    """The next offset of each partition; within one, records come in order."""
    from confluent_kafka import TopicPartition

    last = {(message.topic(), message.partition()): message for message in messages}
    places = map(place_of, last.values())
    return [TopicPartition(topic, partition, offset + 1) for topic, partition, offset in places]
