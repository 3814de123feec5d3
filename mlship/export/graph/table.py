"""What flows between the steps of a model: columns of numbers and of texts, and where each came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mlship.errors import NotConvertible
from mlship.export.graph.expr import Expr, concat


@dataclass(frozen=True)
class Lane:
    """An input column of the model on its way through the steps: what a step sees of it is `value * times + plus`.

    Attributes:
        column: The input column's place in the schema.
        times: The factor.
        plus: What is added then.
    """

    column: int
    times: float = 1.0
    plus: float = 0.0

    def then(self, times: float, plus: float) -> Lane:
        """Return the lane after one more multiplication and addition."""
        return Lane(self.column, self.times * times, self.plus * times + plus)

    def back(self, seen: float) -> float:
        """Return the input value of which a step sees this; NaN when none can be told."""
        return (seen - self.plus) / self.times if self.times else float("nan")


Lanes = tuple[Lane | None, ...]
"""For each column the input column that it is, or None when it is none any more."""


@dataclass(frozen=True)
class Cell:
    """One column.

    Attributes:
        value: The tensor [rows, width] in which it lies, float64 or string.
        place: Its place in it.
        width: How many columns the tensor has.
        lane: Where it came from.
    """

    value: Expr
    place: int
    width: int
    lane: Lane | None = None

    @property
    def text(self) -> bool:
        """Whether it holds texts; null is then `mlship.model.signature.NULL_TEXT`, and NaN in numbers."""
        return self.value.kind == "string"


@dataclass(frozen=True)
class Table:
    """The columns that a step takes or gives. Picking and joining columns adds no nodes; asking for a tensor does.

    Attributes:
        cells: The columns, in order.
        sparse: Whether the original has a sparse table here, on which some steps compute differently.
    """

    cells: tuple[Cell, ...]
    sparse: bool = False

    @staticmethod
    def of(value: Expr, width: int, *, lanes: Lanes | None = None, sparse: bool = False) -> Table:
        """Return a table of one tensor [rows, width]; without lanes its columns are no input columns any more."""
        given = lanes if lanes is not None else (None,) * width
        cells = (Cell(value, place, width, lane) for place, lane in zip(range(width), given, strict=True))
        return Table(tuple(cells), sparse)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.cells)

    @property
    def lanes(self) -> Lanes:
        """Where each column came from."""
        return tuple(cell.lane for cell in self.cells)

    @property
    def text(self) -> bool:
        """Whether any column holds texts."""
        return any(cell.text for cell in self.cells)

    def numbers(self) -> Expr:
        """All columns as one float64 tensor [rows, width].

        Raises:
            NotConvertible: Some hold texts, or there are none.
        """
        self._check(not self.text, "columns of text where it takes numbers")
        return _tensor(self.cells)

    def texts(self) -> Expr:
        """All columns as one string tensor [rows, width].

        Raises:
            NotConvertible: Some hold numbers, or there are none.
        """
        self._check(all(cell.text for cell in self.cells), "columns of numbers where it takes texts")
        return _tensor(self.cells)

    def _check(self, right: bool, wrong: str) -> None:
        if not self.cells:
            raise NotConvertible("it is given no columns at all.", code="not_supported")
        if not right:
            mixed = len({cell.text for cell in self.cells}) > 1
            raise NotConvertible(
                f"it is given {'columns of text and of numbers together' if mixed else wrong}.",
                hint="Give each kind a transformer of its own in a ColumnTransformer." if mixed else None,
                code="not_supported",
            )

    def columns(self) -> Iterator[Expr]:
        """Each column as a tensor [rows, 1], float64 or string."""
        for cell in self.cells:
            yield _tensor([cell])

    def parts(self) -> Iterator[Expr]:
        """The columns as tensors of as many neighbours of one kind as there are, float64 or string, in order."""
        for _, run in groupby(self.cells, key=lambda cell: cell.text):
            yield _tensor(list(run))

    def select(self, places: Sequence[int]) -> Table:
        """The columns at the places, in their order; a place may occur more than once."""
        return replace(self, cells=tuple(self.cells[place] for place in places))

    def with_sparse(self, *, sparse: bool) -> Table:
        """The same columns, said to be sparse in the original or not."""
        return replace(self, sparse=sparse)


def join(tables: Sequence[Table], *, sparse: bool = False) -> Table:
    """The columns of several tables side by side."""
    return Table(tuple(cell for table in tables for cell in table.cells), sparse)


def _tensor(cells: Sequence[Cell]) -> Expr:
    """The columns, which are all of one kind, side by side in one tensor."""
    parts = []
    for _, run in groupby(cells, key=lambda cell: cell.value.name):
        part = list(run)
        places = [cell.place for cell in part]
        whole = places == list(range(part[0].width))
        parts.append(part[0].value if whole else part[0].value.columns(places))
    return concat(parts)
