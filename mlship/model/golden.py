"""Golden rows: synthetic rows with the original's own answers, kept in the artifact and replayed at every start."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlship.model.plain import checked
from mlship.model.signature import Signature
from mlship.model.values.codes import Array

MOST_ROWS = 64
_DTYPE = re.compile(r"f[248]|[iu][1248]|b1|M8\[(us|D)\]")
_MOST_BYTES = 1 << 26  # unpacked; 64 rows of a million columns stay below it, a crafted file does not


@dataclass(frozen=True, eq=False)  # arrays have no plain equality
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
                rows=checked(plain["rows"], int, "rows"),
                tolerance=checked(plain["tolerance"], float, "tolerance"),
                inputs={name: _array(column) for name, column in plain["inputs"].items()},
                outputs={name: _array(column) for name, column in plain["outputs"].items()},
            )
        except (zlib.error, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"the golden rows are damaged: {error}") from error
        if not 0 <= golden.rows <= MOST_ROWS:
            raise ValueError(f"there are {golden.rows} golden rows, and {MOST_ROWS} is the most")
        if any(len(values) != golden.rows for part in (golden.inputs, golden.outputs) for values in part.values()):
            raise ValueError("the golden rows have columns of unequal length")
        return golden

    def check(self, signature: Signature) -> None:
        """Refuse rows that are none of a model's.

        Raises:
            ValueError: The columns are not the signature's, or hold values of another kind.
        """
        kinds = {column.name: _kinds_of(column.dtype) for column in signature.inputs}
        if kinds.keys() != self.inputs.keys() or any(
            values.dtype.kind not in kinds[name] for name, values in self.inputs.items()
        ):
            raise ValueError("the golden rows are not of the signature's input columns")
        kinds = {output.name: _kinds_of(output.dtype) for output in signature.outputs}
        if kinds.keys() != self.outputs.keys() or any(
            values.dtype.kind not in kinds[name] for name, values in self.outputs.items()
        ):
            raise ValueError("the golden rows are not of the signature's output columns")


def _kinds_of(dtype: str) -> str:
    """The kinds of numpy arrays that hold a column's values."""
    if dtype in ("string", "category"):
        return "O"
    return "M" if dtype in ("datetime", "date") else "fiub"


def _plain(values: Array) -> dict[str, Any]:
    kind = values.dtype.kind
    if kind == "f":
        items: list[Any] = [None if math.isnan(value) else value.hex() for value in values.tolist()]
    elif kind == "M":
        items = values.astype(np.int64).tolist()
    else:
        items = values.tolist()
    return {"dtype": "string" if kind in "OU" else values.dtype.str.lstrip("<>|="), "values": items}


def _array(column: Mapping[str, Any]) -> Array:
    dtype, values = column["dtype"], column["values"]
    if dtype == "string":
        texts = np.empty(len(values), dtype=object)
        texts[:] = [checked(value, str | bool | int | float | None, "values") for value in values]
        return texts
    if not _DTYPE.fullmatch(dtype):  # a crafted one could ask for any amount of memory
        raise ValueError("the golden rows have an unknown dtype")
    if dtype.startswith("f"):
        return np.array([math.nan if value is None else float.fromhex(value) for value in values], dtype=dtype)
    whole = [int(checked(value, bool | int, "values")) for value in values]
    return np.array(whole, dtype=np.int64 if dtype.startswith("M") else dtype).astype(dtype)
