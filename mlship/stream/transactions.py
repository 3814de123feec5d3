"""Exactly once: scores, rejects and offsets of a micro-batch in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlship.errors import OutputLocked
from mlship.stream.calls import Calls
from mlship.stream.clients import error_of, failed, producer_of
from mlship.stream.delivery import CALL_SECONDS, Again, MicroBatch, Writer
from mlship.stream.options import StreamOptions

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError

_log = logging.getLogger("mlship.stream")
_HANG_SECONDS = 2 * CALL_SECONDS  # after which a call does not come back any more
_MOST_RENEWALS = 5
_RENEWAL_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
_START_SECONDS = 60.0


class ExactlyOnce(Writer):
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
        self._calls = Calls()

    def start(self) -> None:
        """Take the name over: what a predecessor left open is ended, and it can write no more."""
        self._begin(_START_SECONDS)

    def _begin(self, seconds: float | None) -> None:
        from confluent_kafka import KafkaException

        self._producer = producer_of(self._options.producer, self._id)
        self._calls.end()
        self._calls = Calls()
        try:
            self._attempt(self._producer.init_transactions, seconds=seconds)
        except KafkaException as raised:
            raise failed("Transactions cannot be begun", error_of(raised)) from raised

    def deliver(self, batch: MicroBatch) -> None:
        """Write records and offsets in one transaction."""
        from confluent_kafka import KafkaException

        self.forget_refused()
        # From before anything else: when partitions go meanwhile, the broker sees by it that they are not ours any more
        group = self._membership()
        try:
            self._producer.begin_transaction()
            self.produce(batch.records)
            self._attempt(self._producer.send_offsets_to_transaction, list(batch.offsets), group)
            self._attempt(self._producer.commit_transaction)
        except KafkaException as raised:
            self._take_back(error_of(raised), batch)
        except TimeoutError:
            _log.warning("A call to Kafka did not come back; its transaction is ended by the next one.")
            self._begin(None)
            raise Again from None

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

    def _take_back(self, error: KafkaError, batch: MicroBatch) -> None:
        """Abort, or begin anew with another producer where that cannot be done or its outcome is not known."""
        from confluent_kafka import KafkaException

        _log.warning("A transaction was not committed: %s.", error.name())
        self.note_refused(error)
        if error.txn_requires_abort():
            try:
                self._attempt(self._producer.abort_transaction)
                self.raise_refused(batch)
                raise Again
            except KafkaException as raised:
                error = error_of(raised)
            except TimeoutError:
                self._begin(None)
                raise Again from None
        self.raise_refused(batch)
        self._renew(error)
        raise Again

    def _renew(self, error: KafkaError) -> None:
        """Make the producer again: the broker ends what the last one left, one way or the other, before it begins."""
        now = time.monotonic()
        self._renewed = [at for at in self._renewed if now - at < _RENEWAL_SECONDS] + [now]
        if len(self._renewed) > _MOST_RENEWALS:
            raise OutputLocked(
                f"Something else writes with the transactional id '{self._id}' ({error.name()}).",
                hint="Give each machine or container a host name of its own.",
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
            TimeoutError: The call did not come back.
        """
        from confluent_kafka import KafkaException

        end = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                self._calls.do(lambda: call(*arguments, CALL_SECONDS), _HANG_SECONDS, self._keep_alive)
                return
            except KafkaException as raised:
                if not error_of(raised).retriable() or (end is not None and time.monotonic() > end):
                    raise
            self._keep_alive()
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Let go; a transaction that is open is aborted by whoever takes the name over, or by the broker in time."""
        self._calls.end()
        self._producer = None
