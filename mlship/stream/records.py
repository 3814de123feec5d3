"""Values of records become rows, and rows become values again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from mlship.errors import UsageError
from mlship.model.feed import Feed
from mlship.model.session import Session
from mlship.model.values.codes import Array, CellError, Code
from mlship.model.values.matrix import MatrixReader
from mlship.model.values.records import read_records
from mlship.stream.options import Keep
from mlship.tables.objects import members, read_object

_EXACT = frozenset((str, bool, int, type(None)))
"""Kinds of JSON values that are written again as they were; 1.50 and 15e-1 are the same number in other words."""


@dataclass
class Scored:
    """What came of the values of a micro-batch.

    Attributes:
        values: The output value of each place [records]: JSON in UTF-8, or None for a tombstone or a rejected one.
        refused: For each rejected place the column, None for the whole record, and the reason.
        tombstones: The places of records without a value.
        feed: The accepted rows as they were scored, or None when there were none.
        outputs: An array [accepted rows] for each output column.
    """

    values: list[bytes | None]
    refused: dict[int, tuple[str | None, Code]] = field(default_factory=dict)
    tombstones: set[int] = field(default_factory=set)
    feed: Feed | None = None
    outputs: Mapping[str, Array] = field(default_factory=dict)


def check_keep(keep: Keep, session: Session) -> None:
    """Refuse to carry a field along that would stand beside an output column of the same name.

    Raises:
        UsageError: There is one.
    """
    outputs = {output.name for output in session.signature.outputs}
    name = next((name for name in keep if name in outputs), None) if isinstance(keep, tuple) else None
    if name is not None:
        raise UsageError(f"--keep names '{name}', which is an output column of the model.", hint="Leave it out.")


class RecordScorer:
    """Scores JSON records with one model.

    Args:
        session: The model.
        keep: The fields that are carried along, ahead of the output columns.
    """

    def __init__(self, session: Session, keep: Keep) -> None:
        self.session = session
        self._keep = keep
        self._outputs = frozenset(output.name for output in session.signature.outputs)
        self._matrix = MatrixReader(session.signature) if MatrixReader.fits(session.signature) else None

    def score(self, values: Sequence[bytes | None]) -> Scored:
        """Score the values of a micro-batch; the rules are those of JSON in batch and over HTTP.

        A record without a value, a tombstone, is none to score: it says that its key is no more. An empty value is
        refused as `bad_json`, and so is one that is no object.

        Raises:
            ModelRefused: The runtime failed on rows that the signature accepts.
        """
        scored = Scored([None] * len(values))
        scored.tombstones = {place for place, value in enumerate(values) if value is None}
        places = [place for place, value in enumerate(values) if value is not None]
        texts = [value for value in values if value is not None]
        records = self._read(places, texts, scored)
        places = [place for place in places if place not in scored.refused]
        if len(places) < len(records):
            texts = [text for text, record in zip(texts, records, strict=True) if record is not None]
        found = [record for record in records if record is not None]
        accepted = self._predict(places, found, scored)
        if accepted is not None:
            places, texts, found = _some(places, accepted), _some(texts, accepted), _some(found, accepted)
        self._write(places, texts, found, scored)
        return scored

    def _read(self, places: Sequence[int], texts: Sequence[bytes], scored: Scored) -> list[dict[str, Any] | None]:
        """The records; None for what is none, which is noted as refused."""
        try:
            records = list(map(orjson.loads, texts))
        except orjson.JSONDecodeError:
            records = []
        if len(records) == len(texts) and {dict}.issuperset(map(type, records)):
            whole: list[dict[str, Any] | None] = records
        else:
            whole = [self._read_one(place, text, scored) for place, text in zip(places, texts, strict=True)]
        if self._keep == "all":  # two fields of one name would be one too many
            for at, record in enumerate(whole):
                if record is not None and not self._outputs.isdisjoint(record):
                    name = next(name for name in record if name in self._outputs)
                    scored.refused[places[at]] = (name, "wrong_field_count")
                    whole[at] = None
        return whole

    def _read_one(self, place: int, text: bytes, scored: Scored) -> dict[str, Any] | None:
        found = read_object(text)
        if isinstance(found, dict):
            return found
        scored.refused[place] = (None, found[0])
        return None

    def _predict(self, places: Sequence[int], records: Sequence[dict[str, Any]], scored: Scored) -> Array | None:
        """Score records, and return which were accepted, or None when all were."""
        if not records:
            return None
        matrix = None if self._matrix is None else self._matrix.read(records)
        if matrix is not None:
            scored.feed = Feed(len(records), matrix=matrix)
            scored.outputs = self.session.predict_matrix(matrix)
            return None
        coerced = read_records(self.session.signature, records)
        for error in coerced.errors:
            _note(scored.refused, places[error.row], error)
        columns = coerced.accepted_columns()
        accepted = coerced.accepted
        rows = int(accepted.sum())
        if rows:
            scored.feed = Feed(rows, columns=columns)
            scored.outputs = self.session.predict(columns)
        return None if rows == len(records) else accepted

    def _write(
        self, places: Sequence[int], texts: Sequence[bytes], records: Sequence[dict[str, Any]], scored: Scored
    ) -> None:
        """Write the output values of the accepted rows."""
        if scored.feed is None:
            return
        names = list(scored.outputs)
        columns = [values.tolist() for values in scored.outputs.values()]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        if self._keep == "none":
            for place, row in zip(places, rows, strict=True):
                scored.values[place] = orjson.dumps(row)
            return
        for place, text, record, row in zip(places, texts, records, rows, strict=True):
            scored.values[place] = _joined(self._kept(text, record), orjson.dumps(row))

    def _kept(self, text: bytes, record: dict[str, Any]) -> bytes:
        """The fields that are carried along, as a JSON object; each as the record writes it."""
        kept = record if self._keep == "all" else {name: record.get(name) for name in self._keep}
        if _EXACT.issuperset(map(type, kept.values())):
            return orjson.dumps(kept)
        written = members(text.decode())
        parts = (orjson.dumps(name) + b":" + (written[name].encode() if name in written else b"null") for name in kept)
        return b"{" + b",".join(parts) + b"}"


def _joined(first: bytes, second: bytes) -> bytes:
    """Two JSON objects as one."""
    return second if first == b"{}" else first[:-1] + b"," + second[1:]


def _note(refused: dict[int, tuple[str | None, Code]], place: int, error: CellError) -> None:
    """Keep the first reason of a record."""
    refused.setdefault(place, (error.column, error.code))


def _some(items: Sequence[Any], accepted: Array) -> list[Any]:
    return [items[row] for row in np.flatnonzero(accepted).tolist()]
