"""Where results go: an SQS queue, a Kinesis or Firehose stream, or objects in S3.

    https://sqs.eu-west-1.amazonaws.com/123456789012/scores
    arn:aws:kinesis:eu-west-1:123456789012:stream/scores
    arn:aws:firehose:eu-west-1:123456789012:deliverystream/scores
    s3://bucket/scores/

boto3 is part of Lambda's own Python runtimes and images, so that bundles need not bring it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlship import extras, objects
from mlship.errors import UsageError
from mlship.targets.records import Entry, Sink

_log = logging.getLogger(__name__)
_FORMS = "the URL of an SQS queue, the ARN of a Kinesis or Firehose stream, or s3://BUCKET/PREFIX/"
_ARN = re.compile(r"arn:[a-z-]+:(kinesis|firehose):([a-z0-9-]+):\d{12}:(?:stream|deliverystream)/([\w.-]+)")
_QUEUE = re.compile(r"/(?:[^/]+/)*([^/]+)/([\w-]+(?:\.fifo)?)")
_HINT = "pip install 'mlship[aws-lambda]'"
# A call that hangs must not take all of the function's time: what was not told as failed then would be scored twice.
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 3, 10, 3

Send = Callable[[Sequence[Entry]], Sequence[int]]
"""Sends some entries in one call, and returns the places of those that were not taken."""


@dataclass(frozen=True)
class _InCalls:
    """A sink that takes a bounded number of entries in a call.

    Attributes:
        place: What it is called in messages.
        origin: How the ARN of an event source that is the very same ends, or empty.
        call: Sends some.
        most: Entries in a call.
        most_bytes: Bytes in a call.
        most_each: Bytes of an entry; one with more goes alone, so that it is refused alone.
    """

    place: str
    origin: str
    call: Send
    most: int
    most_bytes: int
    most_each: int

    def send(self, entries: Sequence[Entry]) -> set[int]:
        """See `records.Sink`."""
        failed: set[int] = set()
        for start, stop in self._calls(entries):
            failed.update(start + place for place in self._sent(entries[start:stop]))
        if failed:
            _log.error("%d of %d entries could not be handed over to '%s'.", len(failed), len(entries), self.place)
        return failed

    def _calls(self, entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
        start = size = 0
        alone = False
        for place, entry in enumerate(entries):
            more, last_alone = len(entry.data) + _AROUND, alone
            alone = more > self.most_each
            if place > start and (place - start == self.most or size + more > self.most_bytes or alone or last_alone):
                yield start, place
                start, size = place, 0
            size += more
        if entries:
            yield start, len(entries)

    def _sent(self, entries: Sequence[Entry]) -> Sequence[int]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self.call(entries)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            _log.error("'%s' refused a call: %s.", self.place, code)
        except BotoCoreError as error:
            _log.error("'%s' could not be reached: %s.", self.place, type(error).__name__)
        return range(len(entries))


_AROUND = 512  # bytes of names and keys that count beside the data, at most


def sink_of(place: str, variable: str) -> Sink:
    """Return the sink that a place names; nothing is sent yet.

    Args:
        place: The place, in one of the forms above.
        variable: The variable of the environment that holds it, for messages.

    Raises:
        UsageError: It has none of the forms.
        DependencyMissing: boto3 is not installed.
    """
    if place.startswith(("https://", "http://")):
        queue = _QUEUE.fullmatch(urlsplit(place).path)
        if queue is not None:
            return _sqs(place, f":{queue[1]}:{queue[2]}")
    elif (stream := _ARN.fullmatch(place)) is not None:
        return _kinesis(place, stream[2]) if stream[1] == "kinesis" else _firehose(place, stream[2], stream[3])
    elif objects.is_uri(place) and objects.parse(place).scheme == "s3":
        return _s3(objects.parse(place if place.endswith("/") else f"{place}/"))
    raise UsageError(f"{variable} names no place that results can go to.", hint=f"Set it to {_FORMS}.")


def is_same(sink: Sink | None, origin: str) -> bool:
    """Tell whether a sink is what an event came from: each result would come back as the next record."""
    return isinstance(sink, _InCalls) and bool(sink.origin) and origin.endswith(sink.origin)


def _client(service: str, region: str | None = None) -> Any:
    boto3 = extras.load("boto3", needed_for="A place for results", hint=_HINT)
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    return boto3.client(service, region_name=region, config=config)


def _region_of(url: str) -> str | None:
    """The region in the URL of a queue; None for the function's own where it has none."""
    found = re.match(r"(?:sqs\.)?([a-z]{2}(?:-[a-z]+)+-\d+)\.", urlsplit(url).netloc)
    return found[1] if found else None


def _sqs(url: str, origin: str) -> Sink:
    client = _client("sqs", _region_of(url))
    fifo = url.endswith(".fifo")

    def call(entries: Sequence[Entry]) -> Sequence[int]:
        sent = [
            {"Id": str(place), "MessageBody": entry.data.decode(), **(_in_order(entry) if fifo else {})}
            for place, entry in enumerate(entries)
        ]
        answer = client.send_message_batch(QueueUrl=url, Entries=sent)
        return [int(failed["Id"]) for failed in answer.get("Failed", ())]

    return _InCalls(url, origin, call, most=10, most_bytes=256 << 10, most_each=256 << 10)


def _in_order(entry: Entry) -> dict[str, str]:
    """What a FIFO queue asks for: the group, and a name by which a result that comes twice is taken once."""
    group = re.sub(r"[^\w!-/:-@\[-`{-~]", "_", entry.group or entry.id, flags=re.ASCII)[:128]
    return {"MessageGroupId": group, "MessageDeduplicationId": hashlib.sha256(entry.data).hexdigest()}


def _kinesis(arn: str, region: str) -> Sink:
    client = _client("kinesis", region)

    def call(entries: Sequence[Entry]) -> Sequence[int]:
        sent = [{"Data": entry.data, "PartitionKey": (entry.group or entry.id)[:256]} for entry in entries]
        answer = client.put_records(StreamARN=arn, Records=sent)
        return [place for place, one in enumerate(answer["Records"]) if one.get("ErrorCode")]

    return _InCalls(arn, arn, call, most=500, most_bytes=4 << 20, most_each=1 << 20)


def _firehose(arn: str, region: str, name: str) -> Sink:
    client = _client("firehose", region)

    def call(entries: Sequence[Entry]) -> Sequence[int]:
        sent = [{"Data": entry.data + b"\n"} for entry in entries]  # it writes one after the other, as they are
        answer = client.put_record_batch(DeliveryStreamName=name, Records=sent)
        return [place for place, one in enumerate(answer["RequestResponses"]) if one.get("ErrorCode")]

    return _InCalls(arn, "", call, most=500, most_bytes=4 << 20, most_each=1000 << 10)


def _s3(folder: objects.Location) -> Sink:
    client = _client("s3")

    def call(entries: Sequence[Entry]) -> Sequence[int]:
        data = b"".join(entry.data + b"\n" for entry in entries)
        # Named after what is in it, so that a batch that comes again as it was replaces its own object.
        key = f"{folder.key}{hashlib.sha256(data).hexdigest()[:32]}.ndjson"
        client.put_object(Bucket=folder.bucket, Key=key, Body=data, ContentType="application/x-ndjson")
        return ()

    return _InCalls(folder.uri, "", call, most=1 << 20, most_bytes=64 << 20, most_each=64 << 20)
