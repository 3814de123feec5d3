"""Rows that are ready to be scored, in the one of two forms that cost least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlship.model.signature import Signature
from mlship.model.values.codes import Array


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows to score: typed columns, or the one matrix that a model of numbers takes.

    Attributes:
        rows: How many.
        columns: An array [rows] for each input column, or None.
        matrix: An array [rows, columns], with at least one row, or None.
    """

    rows: int
    columns: Mapping[str, Array] | None = None
    matrix: Array | None = None

    @property
    def form(self) -> bool:
        """Which of the two it is: feeds of one form can be joined."""
        return self.matrix is None


def joined(feeds: Sequence[Feed]) -> Feed:
    """Return the rows of several feeds of one form for the same model, one after the other."""
    if len(feeds) == 1:
        return feeds[0]
    rows = sum(feed.rows for feed in feeds)
    matrices = [feed.matrix for feed in feeds if feed.matrix is not None]
    if matrices:
        return Feed(rows, matrix=np.concatenate(matrices))
    columns = [feed.columns for feed in feeds if feed.columns is not None]
    return Feed(rows, columns={name: np.concatenate([one[name] for one in columns]) for name in columns[0]})


def joined_outputs(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the output columns of several feeds, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def columns_of(feed: Feed, signature: Signature) -> Mapping[str, Array]:
    """Return a feed as typed columns.

    Args:
        feed: The rows.
        signature: The columns of the model that they are for.
    """
    if feed.columns is not None:
        return feed.columns
    assert feed.matrix is not None
    matrix = feed.matrix
    return {column.name: matrix[:, place] for place, column in enumerate(signature.feeding(signature.tensors[0]))}
