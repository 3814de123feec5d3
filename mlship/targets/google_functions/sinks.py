"""Where results go: `projects/PROJECT/topics/TOPIC` of Pub/Sub, or `gs://BUCKET/FOLDER/` of Cloud Storage."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlship import extras, objects
from mlship.errors import MlshipError, UsageError
from mlship.targets.records import Entry, Sink

_log = logging.getLogger(__name__)
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_FORMS = "projects/PROJECT/topics/TOPIC or gs://BUCKET/PREFIX/"
_SECONDS = 30.0
"""How long Pub/Sub may take to say that it has a message."""


def sink_of(place: str, variable: str) -> Sink:
    """Return the sink that a place names; nothing is sent yet.

    Args:
        place: The place, in one of the forms above.
        variable: The variable of the environment that holds it, for messages.

    Raises:
        UsageError: It has none of the forms.
        DependencyMissing: The library for it is not installed.
    """
    if _TOPIC.fullmatch(place):
        return _Topic(place)
    if (folder := folder_of(place)) is not None:
        return _Folder(folder)
    raise UsageError(f"{variable} names no place that results can go to.", hint=f"Set it to {_FORMS}.")


def folder_of(place: str) -> objects.Location | None:
    """Return the place in Cloud Storage, or None when it is none."""
    if not objects.is_uri(place) or objects.parse(place).scheme != "gs":
        return None
    return objects.parse(place if place.endswith("/") else f"{place}/")


class _Topic:
    """See `records.Sink`."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._library = extras.load(
            "google.cloud.pubsub_v1", needed_for=f"'{topic}'", hint="pip install 'mlship[google-cloud-function]'"
        )
        self._client: Any = None

    def send(self, entries: Sequence[Entry]) -> set[int]:
        """Publish each as one message, and wait until Pub/Sub has it."""
        if self._client is None:  # not before: what it opens does not survive a fork
            self._client = self._library.PublisherClient()
        futures = [self._client.publish(self.topic, entry.data) for entry in entries]
        failed: set[int] = set()
        for place, future in enumerate(futures):
            try:
                future.result(timeout=_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the message may not have got there
                _log.error("'%s' did not take a message: %s.", self.topic, type(error).__name__)
                failed.add(place)
        return failed


@dataclass(frozen=True)
class _Folder:
    """See `records.Sink`.

    Attributes:
        folder: Where the objects go.
    """

    folder: objects.Location

    def send(self, entries: Sequence[Entry]) -> set[int]:
        """Put all into one object, named after what is in it: what comes again as it was replaces itself."""
        data = b"".join(entry.data + b"\n" for entry in entries)
        key = f"{self.folder.key}{hashlib.sha256(data).hexdigest()[:32]}.ndjson"
        try:
            objects.put(self.folder.at(key), data)
        except MlshipError as error:
            _log.error("%s", error.message)
            return set(range(len(entries)))
        return set()
