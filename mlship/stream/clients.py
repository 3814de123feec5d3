"""The two clients of Kafka, and what their errors mean. The only module that knows confluent-kafka by name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlship import extras
from mlship.errors import MlshipError, OutputFailed, UsageError
from mlship.stream.options import StreamOptions, Topics

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer

_SECONDS = 10.0
_MOST_HEARD = 50
_log = logging.getLogger("mlship.stream")
_QUIET = {"log.connection.close": "false"}


def require_kafka() -> None:
    """Check that the library is there.

    Raises:
        DependencyMissing: It is not.
    """
    extras.load("confluent_kafka", needed_for="mlship serve --kafka-config", hint="pip install 'mlship[kafka]'")


def consumer_of(options: StreamOptions, instance: str | None, heard: list[KafkaError]) -> Consumer:
    """Return a consumer that commits nothing by itself.

    Args:
        options: What the stream is told.
        instance: Its place in the group for a static member, or None.
        heard: Gets what the client tells besides, such as that a password is not right.

    Raises:
        UsageError: A property is none, or has a value that it cannot have.
    """
    from confluent_kafka import Consumer

    own = {"enable.auto.commit": "false", "enable.auto.offset.store": "false"}
    if instance is not None:
        own["group.instance.id"] = instance

    def note(error: KafkaError) -> None:
        _note(error)
        del heard[:-_MOST_HEARD]
        heard.append(error)

    made: Consumer = _made(Consumer, {**_QUIET, **options.consumer, **own}, note)
    return made


def producer_of(properties: Mapping[str, Any], transactional_id: str | None) -> Producer:
    """Return a producer that writes nothing twice.

    Args:
        properties: librdkafka's properties.
        transactional_id: By which the broker knows its transactions, or None for none.

    Raises:
        UsageError: A property is none, or has a value that it cannot have.
    """
    from confluent_kafka import Producer

    own: dict[str, Any] = {"enable.idempotence": "true", "delivery.report.only.error": True}
    if transactional_id is not None:
        own["transactional.id"] = transactional_id
    made: Producer = _made(Producer, {**_QUIET, **properties, **own}, _note)
    return made


def _made(kind: Callable[..., Any], properties: Mapping[str, Any], note: Callable[[KafkaError], None]) -> Any:
    from confluent_kafka import KafkaException

    try:
        return kind({**properties, "error_cb": note}, logger=_log)
    except KafkaException as error:  # its texts name the property, and hold no password
        raise UsageError(
            f"The Kafka configuration is not right: {error_of(error).str()}",
            hint="Look the property up in librdkafka's CONFIGURATION.md.",
        ) from error


def _note(error: KafkaError) -> None:
    """Log what the client tells besides; it goes on by itself."""
    _log.warning("Kafka: %s.", error.str())


def error_of(raised: BaseException) -> KafkaError:
    """Return what a KafkaException carries."""
    error: KafkaError = raised.args[0]
    return error


def check_topics(consumer: Consumer, topics: Topics, brokers: str, heard: list[KafkaError]) -> None:
    """Look whether a broker answers, and whether the topics are there.

    Args:
        consumer: What asks.
        topics: The topics.
        brokers: Where it asks.
        heard: What the client tells besides.

    Raises:
        OutputFailed: No broker answers, or it refuses.
        UsageError: There is no such topic.
    """
    from confluent_kafka import KafkaError, KafkaException

    for topic in dict.fromkeys(filter(None, (topics.source, topics.sink, topics.rejects))):
        try:
            found = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
        except KafkaException as error:
            consumer.poll(0)  # which is when it tells
            telling = [one for one in heard if one.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)]
            why = telling[-1] if telling else error_of(error)
            raise OutputFailed(
                f"No broker of '{brokers}' answered in {_SECONDS:g} s: {why.str()}.",
                hint="Check bootstrap.servers and the security settings in the Kafka configuration.",
            ) from error
        if found.error is not None:
            raise UsageError(
                f"The topic '{topic}' cannot be used: {found.error.str()}.",
                hint=f"Make it: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}",
            )


def failed(what: str, error: KafkaError, hint: str = "Start the stream again: it goes on there.") -> MlshipError:
    """Return our error for one of Kafka's that ends the stream.

    Args:
        what: What could not be done.
        error: Why.
        hint: What to do.
    """
    return OutputFailed(f"{what}: {error.str()} ({error.name()}).", hint=hint)
