"""The events of AWS Lambda, told apart by their shape.

No record of a model has the shape of one of them: they hold objects and lists where a record has values.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlship.errors import UsageError
from mlship.targets.records import Record

Event = Mapping[str, Any]
_TAKEN = "API Gateway, function URLs, load balancers, SQS, Kinesis, Kafka, and rows themselves"


@dataclass(frozen=True)
class Batch:
    """The records of an event.

    Attributes:
        records: The records, those of a group in order.
        identifiers: What the event source calls each record, by its `id`, where that is something else.
        ordered: Whether records have to be dealt with in the order of their group.
        to_checkpoint: Whether the source brings everything again from the first record of a group that is reported.
        origin: ARN of what it comes from, empty where there is none.
    """

    records: Sequence[Record]
    identifiers: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = False
    to_checkpoint: bool = False
    origin: str = ""

    def answer(self, kept: Sequence[Record]) -> dict[str, Any]:
        """Return what tells the event source which records it has to keep."""
        groups: set[str] = set()
        told: list[dict[str, Any]] = []
        for record in kept:
            if not (self.to_checkpoint and record.group in groups):
                told.append({"itemIdentifier": self.identifiers.get(record.id, record.id)})
            groups.add(record.group)
        return {"batchItemFailures": told}


def is_http(event: Any) -> bool:
    """Tell whether an event is a request by HTTP."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and ("http" in context or "httpMethod" in event)


def batch_of(event: Any) -> Batch | None:
    """Return the records of an event that brings some, or None.

    Raises:
        UsageError: It is an event of a source that is not taken. Such an event must not pass for a row with columns
            missing: it would be lost.
    """
    if not isinstance(event, dict):
        _check_listed(event)
        return None
    records = event.get("records")
    if event.get("eventSource") in ("aws:kafka", "SelfManagedKafka") and isinstance(records, dict):
        return _kafka(event)
    records = event.get("Records")
    if isinstance(records, list) and records and all(isinstance(record, dict) for record in records):
        source = str(records[0].get("eventSource") or records[0].get("EventSource"))
        reader = _READERS.get(source)
        if reader is None:
            raise _unknown(source)
        return reader(records)
    if "detail-type" in event and isinstance(event.get("detail"), dict):
        raise _unknown("EventBridge")
    _check_source(event)  # Amazon MQ, DocumentDB, and what is to come
    return None


def _check_listed(event: Any) -> None:
    """Refuse the bare list of records that EventBridge Pipes invoke with: what is answered counts as done there."""
    if isinstance(event, list) and event and isinstance(event[0], dict):
        _check_source(event[0])


def _check_source(event: Event) -> None:
    source = event.get("eventSource")
    if isinstance(source, str) and source.startswith(("aws:", "SelfManagedKafka")):
        raise _unknown(source)


def _unknown(source: str) -> UsageError:
    return UsageError(f"An event of '{source}' came, which is not taken here.", hint=f"Taken are {_TAKEN}.")


def _sqs(events: Sequence[Event]) -> Batch:
    origin = str(events[0].get("eventSourceARN", ""))
    records = [
        Record(
            "aws:sqs",
            event["messageId"],
            str(event.get("attributes", {}).get("MessageGroupId", "")),
            event["body"].encode("utf-8", "surrogatepass"),
        )
        for event in events
    ]
    return Batch(records, ordered=origin.endswith(".fifo"), origin=origin)


def _kinesis(events: Sequence[Event]) -> Batch:
    records = [
        Record(
            "aws:kinesis",
            event["eventID"],
            event["eventID"].partition(":")[0],
            b64decode(event["kinesis"]["data"]),
        )
        for event in events
    ]
    names = {event["eventID"]: event["kinesis"]["sequenceNumber"] for event in events}
    return Batch(records, names, ordered=True, to_checkpoint=True, origin=str(events[0].get("eventSourceARN", "")))


def _kafka(event: Event) -> Batch:
    records: list[Record] = []
    names: dict[str, Any] = {}
    for of_partition in event["records"].values():
        for one in of_partition:
            partition = f"{one['topic']}-{one['partition']}"
            name = f"{partition}:{one['offset']}"
            value = one.get("value")
            records.append(Record(event["eventSource"], name, partition, None if value is None else b64decode(value)))
            names[name] = {"partition": partition, "offset": one["offset"]}
    return Batch(records, names, ordered=True, to_checkpoint=True)


_READERS: Mapping[str, Callable[[Sequence[Event]], Batch]] = {"aws:sqs": _sqs, "aws:kinesis": _kinesis}
