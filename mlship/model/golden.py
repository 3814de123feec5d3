"""Golden rows: synthetic rows with the original's own answers, kept in the artifact and replayed at every start."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlship.model.values.codes import Array

MOST_ROWS = 64
_MOST_BYTES = 1 << 26  # unpacked; 64 rows of a million columns stay below it, a crafted file does not


@dataclass(frozen=True)
class Golden:
    """Rows and answers.

    Attributes:
        rows: Number of rows, at most 64.
        tolerance: How far an answer may lie from the stored one, relative as in `compare.difference`.
        inputs: Array [rows] for each input column, as `predict` takes them.
        outputs: Array [rows] for each output column: the original's answers.
    """

    rows: int
    tolerance: float
    inputs: Mapping[str, Array] = field(repr=False)
    outputs: Mapping[str, Array] = field(repr=False)

    def encode(self) -> str:
        """Return the rows as text: JSON with floats in `float.hex()` form, zlib, base64."""
        plain = {
            "rows": self.rows,
            "tolerance": self.tolerance,
            "inputs": {name: _plain(values) for name, values in self.inputs.items()},
            "outputs": {name: _plain(values) for name, values in self.outputs.items()},
        }
        packed = zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 9)
        return base64.b64encode(packed).decode()

    @classmethod
    def decode(cls, text: str) -> Golden:
        """Read rows from text; the inverse of `encode`.

        Raises:
            ValueError: The text is damaged, too large, or has columns of unequal length.
        """
        unpacker = zlib.decompressobj()
        try:
            raw = unpacker.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
            if not unpacker.eof:
                raise ValueError("the golden rows are cut short or too large")
            plain = json.loads(raw)
            golden = cls(
                rows=plain["rows"],
                tolerance=plain["tolerance"],
                inputs={name: _array(column) for name, column in plain["inputs"].items()},
                outputs={name: _array(column) for name, column in plain["outputs"].items()},
            )
        except (zlib.error, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the golden rows are damaged: {error}") from error
        if any(len(values) != golden.rows for part in (golden.inputs, golden.outputs) for values in part.values()):
            raise ValueError("the golden rows have columns of unequal length")
        return golden


def _plain(values: Array) -> dict[str, Any]:
    kind = values.dtype.kind
    if kind == "f":
        items: list[Any] = [None if math.isnan(value) else value.hex() for value in values.tolist()]
    elif kind == "M":
        items = values.astype(np.int64).tolist()
    else:
        items = values.tolist()
    return {"dtype": "string" if kind == "O" else values.dtype.str.lstrip("<>|="), "values": items}


def _array(column: Mapping[str, Any]) -> Array:
    dtype, values = column["dtype"], column["values"]
    if dtype == "string":
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return texts
    if dtype.startswith("f"):
        return np.array([math.nan if value is None else float.fromhex(value) for value in values], dtype=dtype)
    if dtype.startswith("M"):
        return np.array(values, dtype=np.int64).astype(dtype)
    return np.array(values, dtype=dtype)
