"""What a monitor has to offer: it counts chunks one by one, and counts of chunks add up to those of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlship.model.values.codes import Array

Counts = dict[str, Any]
"""Plain JSON values, a few kB; empty before the first chunk."""


@dataclass(frozen=True)
class Seen:
    """The accepted rows of one chunk.

    Attributes:
        rows: Their places [n] within the chunk, from 0.
        columns: An array [n] for each input column, by the model's names, as `model.values` makes them.
        outputs: An array [n] for each output column.
        other: The same of the model that is compared with, or None.
        actual: What came true [n], read with `actual.actual_signature`, and a mask [n], True where it is known;
            None when nobody asked.
    """

    rows: NDArray[np.int64]
    columns: Mapping[str, Array]
    outputs: Mapping[str, Array]
    other: Mapping[str, Array] | None = None
    actual: tuple[Array, NDArray[np.bool_]] | None = None


class Monitor(Protocol):
    """Counts rows as they are scored; keeps no state, so that chunks may be counted at the same time.

    Attributes:
        name: What it watches; the key of its result in reports.
    """

    @property
    def name(self) -> str:
        """What it watches; the key of its result in reports."""
        ...

    def count(self, seen: Seen) -> Counts:
        """Count one chunk."""
        ...

    def place(self, counts: Counts, file: int, first_row: int | None) -> Counts:
        """Turn rows within the chunk into rows of a file.

        Args:
            counts: What `count` gave.
            file: Place of the chunk's file among the inputs, from 0.
            first_row: How many rows of that file come before the chunk; None where nobody knows, as on Spark.

        Returns:
            The counts, in which each row is told by its file and its number there, from 1, or none is.
        """
        ...

    def add(self, total: Counts, more: Counts) -> Counts:
        """Add the counts of a chunk, `place`d, to those of the chunks before it.

        Integers are exact in any grouping, floats up to rounding; neither argument is changed.

        Args:
            total: What `add` gave for the chunks before, `{}` at the beginning.
            more: The chunk's counts.
        """
        ...

    def result(self, total: Counts) -> dict[str, Any]:
        """Return what came of it as plain JSON values, also when there was no chunk at all."""
        ...
