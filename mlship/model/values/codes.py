"""The reasons for which a value is refused, and the result of reading columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Column

Code = Literal[
    "missing_column",
    "null_not_allowed",
    "not_a_number",
    "not_an_integer",
    "not_a_bool",
    "not_a_date",
    "not_a_string",
    "not_finite",
    "out_of_range",
    "precision_loss",
    "unknown_category",
    "wrong_field_count",
    "bad_encoding",
    "bad_json",
]
CODES: tuple[Code, ...] = get_args(Code)

Array = NDArray[np.generic]

MEANINGS: dict[Code, str] = {
    "missing_column": "the column is missing",
    "null_not_allowed": "null, which the model does not accept here",
    "not_a_number": "not a number",
    "not_an_integer": "not an integer",
    "not_a_bool": "neither true nor false",
    "not_a_date": "not an ISO 8601 date or time",
    "not_a_string": "not a string",
    "not_finite": "infinite, which the model does not accept",
    "out_of_range": "outside the range that the model accepts",
    "precision_loss": "a number that the graph cannot hold exactly",
    "unknown_category": "a category that the model does not know and does not accept",
    "wrong_field_count": "a row with too few or too many fields",
    "bad_encoding": "not valid text",
    "bad_json": "not valid JSON",
}
"""Each code in words, for messages to people."""


class Refused(Exception):
    """One value is not of its column's dtype; raised and caught within this package.

    Args:
        code: The reason.
    """

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class CellError:
    """One refused value.

    Attributes:
        row: Its row, counted from 0 within the rows that were read.
        column: Its column's name, or None when the whole row is meant.
        code: The reason.
        kind: What was found, without showing it, such as `text, 3 characters`.
    """

    row: int
    column: str | None
    code: Code
    kind: str = ""


@dataclass
class Coerced:
    """Columns that were read.

    Attributes:
        rows: How many rows were read.
        columns: An array [rows] for each column name, in the signature's order; where a value was refused it
            holds a harmless stand-in. Element types are those of `array_dtype`.
        errors: The refused values, ordered by row.
    """

    rows: int
    columns: dict[str, Array]
    errors: list[CellError] = field(default_factory=list)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """A mask [rows], True where every value of the row was accepted."""
        mask = np.ones(self.rows, dtype=np.bool_)
        mask[[error.row for error in self.errors]] = False
        return mask

    def accepted_columns(self) -> dict[str, Array]:
        """Return the columns with only the accepted rows in them."""
        if not self.errors:
            return self.columns
        mask = self.accepted
        return {name: values[mask] for name, values in self.columns.items()}


def array_dtype(column: Column) -> np.dtype[np.generic]:
    """Return the numpy dtype of a column's array.

    Null is NaN in numbers, NaT in dates, None in text; a nullable int64 or bool column therefore is
    float64, which is also how pandas gave it to the model in training.
    """
    match column.dtype:
        case "string" | "category":
            return np.dtype(object)
        case "datetime":
            return np.dtype("datetime64[us]")
        case "date":
            return np.dtype("datetime64[D]")
        case "int64" | "bool" if column.nullable:
            return np.dtype(np.float64)
        case _:
            return np.dtype(column.dtype)
