"""A model that is open in a worker, under the name that it is served by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlship.model.feed import Feed
from mlship.model.session import Session
from mlship.model.values.codes import Array
from mlship.model.values.matrix import MatrixReader
from mlship.serve.settings import Limits, Pace


class Served:
    """One open model.

    Attributes:
        name: The name in paths.
        session: The model.
        limits: The most that one request may ask for.
        pace: How long it takes to answer.
        identity: Name, version and digest, as they stand in answers.
        matrix: Reads plain records of numbers, where the model takes one matrix; None otherwise.
    """

    def __init__(self, name: str, session: Session, limits: Limits, pace: Pace) -> None:
        self.name = name
        self.session = session
        self.signature = session.signature
        self.limits = limits
        self.pace = pace
        self.identity = {"name": name, "version": session.card.version, "digest": session.digest}
        self.matrix = MatrixReader(session.signature) if MatrixReader.fits(session.signature) else None

    def plain(self, records: Sequence[Any] | None) -> Feed | None:
        """Return records as the one matrix that the model takes, or None when it takes the rules to read them.

        Args:
            records: What may be records, or None.
        """
        if self.matrix is None or records is None or len(records) > self.limits.rows:
            return None
        matrix = self.matrix.read(records)
        return None if matrix is None else Feed(len(matrix), matrix=matrix)

    def score(self, feed: Feed) -> Mapping[str, Array]:
        """Score rows.

        Raises:
            ModelRefused: The runtime failed.
        """
        if feed.matrix is not None:
            return self.session.predict_matrix(feed.matrix)
        assert feed.columns is not None
        return self.session.predict(feed.columns)
