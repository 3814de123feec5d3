"""The records of a batch of events: each is one JSON object and is scored like a row of any other path.

A record that cannot be scored never harms the others, and no result is lost: what was not handed over to where it
belongs is named to the event source, which keeps it and brings it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import orjson

from mlship.errors import ModelRefused
from mlship.model.feed import Feed, joined
from mlship.model.values.codes import CellError
from mlship.serve.answers import records_of
from mlship.serve.payload import read_rows, rows_at_once
from mlship.serve.protocols.bodies import feed_of
from mlship.serve.served import Served

Keep = Literal["all", "none"] | tuple[str, ...]
"""The fields of a record that its result carries along."""

_IN_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as an event source brought it.

    Attributes:
        source: Name of the source's kind, such as `aws:sqs`.
        id: The record's name at its source.
        group: Records of one group are in order.
        body: What is to be scored; None where the source has a record without a body.
    """

    source: str
    id: str
    group: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a record: one of the three is not empty.

    Attributes:
        record: The record.
        outputs: Its output columns.
        errors: Why the model does not accept it, however often it is brought.
        failed: Whether the model's runtime failed on it.
    """

    record: Record
    outputs: Mapping[str, Any] | None = None
    errors: Sequence[CellError] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to hand over.

    Attributes:
        id: The name of its record.
        group: The group of its record.
        data: One line of JSON in UTF-8, without its end.
    """

    id: str
    group: str
    data: bytes


class Sink(Protocol):
    """Where entries go."""

    def send(self, entries: Sequence[Entry]) -> set[int]:
        """Hand entries over, in order, and return the places of those that were not taken."""
        ...


def score(served: Served, records: Sequence[Record]) -> list[Outcome]:
    """Score records, all that can be in one call of the model, and return what came of each, in order."""
    documents = [_parsed(record.body) for record in records]
    refused: dict[int, list[CellError]] = {}
    feeds: list[Feed] = []
    step = rows_at_once(served.signature)  # read at once they could be refused as a whole: past a number of errors
    for start in range(0, len(documents), step):
        read = read_rows(documents[start : start + step], None, served.signature, step, reject=True)
        for error in read.refused:
            refused.setdefault(start + error.row, []).append(error)
        feeds.append(feed_of(read))
    outputs = iter(_outputs(served, [feed for feed in feeds if feed.rows]))
    outcomes: list[Outcome] = []
    for place, record in enumerate(records):
        if place in refused:
            outcomes.append(Outcome(record, errors=refused[place]))
        else:
            found = next(outputs)
            outcomes.append(Outcome(record, outputs=found, failed=found is None))
    return outcomes


def _parsed(body: bytes | None) -> Any:
    """The record; None, which is refused as `bad_json` like all that is no object, for what cannot be parsed."""
    if body is None:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _outputs(served: Served, feeds: Sequence[Feed]) -> Iterator[Mapping[str, Any] | None]:
    """The output columns of each row; None for one on which the runtime fails, which others do not have to bear."""
    if not feeds:
        return
    feed = joined(feeds)
    assert feed.columns is not None
    try:
        yield from records_of(served.score(feed))
    except ModelRefused:
        for row in range(feed.rows):
            alone = Feed(1, {name: values[row : row + 1] for name, values in feed.columns.items()})
            try:
                yield from records_of(served.score(alone))
            except ModelRefused:
                yield None


@dataclass(frozen=True)
class Delivery:
    """Hands over what came of records.

    Attributes:
        model: Name, version and digest of the model.
        results: Where results go.
        rejects: Where records go that the model does not accept; None to leave them with their source.
        keep: The fields of a record that its result carries along.
    """

    model: Mapping[str, str]
    results: Sink
    rejects: Sink | None
    keep: Keep = "all"

    def failures(self, outcomes: Sequence[Outcome], *, ordered: bool) -> list[Record]:
        """Hand over what came of records, and return those that their source has to keep, in order.

        Args:
            outcomes: What came of them.
            ordered: Whether nothing of a group is handed over after a record of it that is kept.
        """
        kept: set[int] = set()
        stopped: set[str] = set()
        good: list[int] = []
        bad: list[int] = []
        for place, outcome in enumerate(outcomes):
            if ordered and outcome.record.group in stopped:
                kept.add(place)
            elif outcome.outputs is not None:
                good.append(place)
            elif outcome.errors and self.rejects is not None:
                bad.append(place)
            else:
                kept.add(place)
                stopped.add(outcome.record.group)
        kept |= _sent(self.results, good, [self._result(outcomes[place]) for place in good])
        if self.rejects is not None:
            kept |= _sent(self.rejects, bad, [_reject(outcomes[place]) for place in bad])
        if ordered:
            kept = _and_what_follows(kept, outcomes)
        return [outcomes[place].record for place in sorted(kept)]

    def _result(self, outcome: Outcome) -> Entry:
        record = outcome.record
        told: dict[str, Any] = {"source": record.source, "id": record.id}
        assert record.body is not None
        if self.keep == "all":
            # Unchanged but for the ends of lines, which can only stand between the words of JSON, and end entries.
            told["record"] = orjson.Fragment(record.body.translate(_IN_ONE_LINE))
        elif self.keep != "none":
            fields = orjson.loads(record.body)
            told["record"] = {name: fields[name] for name in self.keep if name in fields}
        return Entry(
            record.id, record.group, orjson.dumps({**told, "outputs": outcome.outputs, "model": dict(self.model)})
        )


def _reject(outcome: Outcome) -> Entry:
    """A record that was refused, untouched, and why."""
    record = outcome.record
    told: dict[str, Any] = {"source": record.source, "id": record.id, "errors": errors_of(outcome), **_body(record)}
    return Entry(record.id, record.group, orjson.dumps(told))


def errors_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Return why a record is refused, as JSON values."""
    return [{"column": error.column, "code": error.code} for error in outcome.errors]


def _body(record: Record) -> dict[str, str | None]:
    if record.body is None:
        return {"body": None}
    try:
        return {"body": record.body.decode()}
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"body_base64": b64encode(record.body).decode()}


def _sent(sink: Sink, places: Sequence[int], entries: Sequence[Entry]) -> set[int]:
    return {places[number] for number in sink.send(entries)} if entries else set()


def _and_what_follows(kept: set[int], outcomes: Sequence[Outcome]) -> set[int]:
    """Add what comes after a kept record of the same group: a source brings it again anyway, or has to."""
    stopped: set[str] = set()
    found: set[int] = set()
    for place, outcome in enumerate(outcomes):
        if place in kept or outcome.record.group in stopped:
            stopped.add(outcome.record.group)
            found.add(place)
    return found


def codes_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many records were refused for each reason; one can have several."""
    found: Counter[str] = Counter()
    for outcome in outcomes:
        found.update({error.code for error in outcome.errors})
    return dict(sorted(found.items()))
