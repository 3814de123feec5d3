"""Columns become a graph's input tensors, and its output tensors become columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlship.model import foreign
from mlship.model.signature import NULL_TEXT, Output, Signature, Tensor
from mlship.model.values.codes import Array

if TYPE_CHECKING:
    import onnxruntime

# Kinds of graph outputs that an output column may be taken from without loss
_GIVEN_BY = {
    "float64": ("float", "int", "uint", "bool"),
    "int64": ("int", "uint", "bool"),
    "bool": ("bool", "int"),
    "string": ("string",),
}
_INT64_MAX = np.iinfo(np.int64).max
OUTPUT_ARRAYS = {"float64": np.float64, "int64": np.int64, "bool": np.bool_, "string": object}


def fits(runtime: onnxruntime.InferenceSession, signature: Signature) -> bool:
    """Tell whether a signature's tensors are the graph's, by name, type and width."""
    inputs = {item.name: item for item in runtime.get_inputs()}
    outputs = {item.name: item for item in runtime.get_outputs()}
    return (
        inputs.keys() == signature.tensor_dtypes.keys()
        and all(_fits_input(signature, tensor, inputs[tensor.name]) for tensor in signature.tensors)
        and all(
            output.tensor in outputs and _fits_output(output, outputs[output.tensor]) for output in signature.outputs
        )
    )


def _fits_input(signature: Signature, tensor: Tensor, item: Any) -> bool:
    shape = [None, *([] if tensor.flat else [len(signature.feeding(tensor))])]
    # an empty shape is one that the graph leaves open
    return foreign.ELEMENTS.get(item.type) == tensor.dtype and (not item.shape or _same_width(item.shape, shape))


def _same_width(given: list[Any], wanted: list[int | None]) -> bool:
    return len(given) == len(wanted) and (not isinstance(given[-1], int) or wanted[-1] in (None, given[-1]))


def _fits_output(output: Output, item: Any) -> bool:
    element = foreign.ELEMENTS.get(item.type, "")
    if element.rstrip("0123456789") not in _GIVEN_BY[output.dtype]:
        return False
    width = item.shape[1] if len(item.shape) == 2 else None
    return not isinstance(width, int) or (width == 1 if output.index is None else output.index < width)


def feed(signature: Signature, tensor: Tensor, columns: Mapping[str, Array], rows: int) -> Array:
    """Return the array that a graph input is fed: [rows] or [rows, number of columns that feed it]."""
    feeding = signature.feeding(tensor)
    out: Any = np.empty((rows, len(feeding)), dtype=object if tensor.dtype == "string" else tensor.dtype)
    for index, column in enumerate(feeding):
        out[:, index] = _numbers(columns[column.name], tensor.dtype)
    if tensor.dtype == "string":
        out[out == None] = NULL_TEXT  # noqa: E711 - elementwise
    fed: Array = out[:, 0] if tensor.flat else out
    return fed


def _numbers(values: Any, dtype: str) -> Array:
    """Times as numbers of their unit since 1970, null as NaN; all else as it is."""
    if values.dtype.kind != "M":
        return np.asarray(values)
    ticks = values.astype(np.int64)
    return np.where(np.isnat(values), np.nan, ticks) if dtype.startswith("float") else ticks


def tensors_of(signature: Signature) -> list[str]:
    """Return the graph outputs that a signature's columns are taken from, each once."""
    return list(dict.fromkeys(output.tensor for output in signature.outputs))


class NoColumn(Exception):
    """What a graph gave is no column of the signature's."""


def column_of(output: Output, raw: Any, rows: int) -> Array:
    """Return an output column out of what the graph gave, its numbers widened.

    Raises:
        NoColumn: It is of another shape, or holds a number that int64 does not.
    """
    if output.index is None:
        if raw.size != rows:
            raise NoColumn(f"{raw.size} values for {rows} rows of {output.name!r}")
        values = raw.reshape(rows)
    else:
        if raw.ndim != 2 or raw.shape[1] <= output.index:
            raise NoColumn(f"an output of shape {raw.shape}, which has no column {output.index} for {output.name!r}")
        values = raw[:, output.index]
    if values.dtype == np.uint64 and rows and values.max() > _INT64_MAX:
        raise NoColumn(f"a number in {output.name!r} that int64 does not hold")
    given: Array = values.astype(OUTPUT_ARRAYS[output.dtype], copy=False)
    return given
