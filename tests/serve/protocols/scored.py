"""What batch wrote of a sample, and how the answers of a protocol are compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from flask.testing import FlaskClient

from mlship.model.signature import Signature


@dataclass(frozen=True)
class Scored:
    """A sample.

    Attributes:
        name: The name that it is served by.
        folder: Where its model and its files are.
        signature: The model's columns.
        frame: The rows as pandas reads them, with only the model's columns.
        expected: What batch wrote, every field as its text.
        client: A client of an application that serves it.
    """

    name: str
    folder: Path
    signature: Signature
    frame: pd.DataFrame
    expected: pd.DataFrame
    client: FlaskClient

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows as JSON values, a missing one as null."""
        frame = self.frame.astype(object)
        return [dict(row) for row in frame.where(frame.notna(), None).to_dict("records")]

    @property
    def lists(self) -> list[list[Any]]:
        """The rows as lists of JSON values in the model's order."""
        return [list(record.values()) for record in self.records]

    @property
    def is_numeric(self) -> bool:
        """Whether the model takes numbers only."""
        return all(column.dtype in ("float64", "float32", "int64") for column in self.signature.inputs)

    def check_columns(self, columns: Mapping[str, Sequence[Any]], first: int = 0) -> None:
        """Check that output columns have the bits that batch wrote for the rows from one on."""
        assert list(columns) == list(self.expected)
        for name, values in columns.items():
            texts = self.expected[name].tolist()[first : first + len(values)]
            assert [_bits(value) for value in values] == [
                float(text).hex() if isinstance(value, float) else text
                for text, value in zip(texts, values, strict=True)
            ], name

    def check_records(self, records: Sequence[Mapping[str, Any]], first: int = 0) -> None:
        """Check the same of records."""
        self.check_columns({name: [record[name] for record in records] for name in self.expected}, first)


def _bits(value: Any) -> str:
    return value.hex() if isinstance(value, float) else str(value)
