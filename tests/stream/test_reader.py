"""How much a micro-batch is, whatever waits to be read."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from mlship.stream.options import Bounds
from mlship.stream.reader import Reader

MIB = 1 << 20


class Record(bytes):
    """A value, as far as a reader looks at it."""

    def error(self) -> None:
        """None: it is a record."""


class Line:
    """A consumer behind which records wait, all fetched already."""

    def __init__(self, sizes: list[int]) -> None:
        self._waiting = deque(Record(size) for size in sizes)

    def subscribe(self, *_: Any, **__: Any) -> None:
        """Do nothing: there are no partitions."""

    def poll(self, _seconds: float) -> Record | None:
        """Return the next record."""
        return self._waiting.popleft() if self._waiting else None

    def consume(self, most: int, _seconds: float) -> list[Record]:
        """Return so many records, or as many as there are."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]


@pytest.mark.parametrize(
    ("sizes", "rows", "most"),
    [
        pytest.param([100] * 12_000, 10_000, 1 * MIB, id="small: bounded by rows"),
        pytest.param([15_000] * 12_000, 1_119, 16 * MIB + 15_000, id="15 kB: bounded by bytes"),
        pytest.param([MIB] * 60, 16, 16 * MIB, id="1 MiB: no slice of a thousand"),
        pytest.param([0] * 3_000, 3_000, 0, id="tombstones"),
        pytest.param([5], 1, 5, id="one"),
    ],
)
def test_a_micro_batch_keeps_to_its_bounds(sizes: list[int], rows: int, most: int) -> None:
    """It ends with the record that reaches 16 MiB or 10,000 rows, and leaves nothing out."""
    consumer: Any = Line(sizes)
    reader = Reader(consumer, "topic", Bounds())
    for _ in range(5):
        reader.took(10_000, 1e-3)  # so fast that time bounds nothing
    taken: Any = reader.read()

    assert len(taken) == rows
    assert sum(map(len, taken)) <= most
    rest = sum(len(batch) for batch in iter(reader.read, []))
    assert len(taken) + rest == len(sizes)
