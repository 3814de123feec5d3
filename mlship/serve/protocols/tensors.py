"""Tensors of the Open Inference Protocol: JSON or bytes become arrays, and arrays JSON or bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Column, Output
from mlship.model.values.codes import Array
from mlship.serve.problems import RequestRefused

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{
        f"{sign}INT{bits}": np.dtype(f"<{kind}{bits // 8}")
        for sign, kind in (("", "i"), ("U", "u"))
        for bits in (8, 16, 32, 64)
    },
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
"""The datatypes of fixed width; texts are BYTES."""
TEXT = "BYTES"
_KINDS: dict[str, frozenset[type]] = {
    "b": frozenset((bool,)),
    "i": frozenset((int,)),
    "u": frozenset((int,)),
    "f": frozenset((int, float)),
}
_OUTPUTS = {"float64": "FP64", "int64": "INT64", "bool": "BOOL", "string": TEXT}
_INPUTS = {"float64": "FP64", "float32": "FP32", "int64": "INT64", "bool": "BOOL"}
_LENGTH = struct.Struct("<I")
_MOST_DIMENSIONS = 2
_FASTEST = "FP64"


@dataclass(frozen=True, slots=True)
class Given:
    """One tensor of a request.

    Attributes:
        name: Its name.
        shape: Its shape, of one or two dimensions.
        values: Its values in row-major order: an array, or texts, None being null.
        nulls: Mask of the nulls, or None when there are none but not-a-number.
    """

    name: str
    shape: tuple[int, ...]
    values: Array | list[Any]
    nulls: NDArray[np.bool_] | None = None


class Tail:
    """The binary data behind the JSON of a request; tensors take theirs in order.

    Args:
        data: The bytes.
        bare: Whether the JSON has no true or false anywhere, so that numpy's own look tells a list of numbers.
    """

    def __init__(self, data: memoryview, *, bare: bool = False) -> None:
        self._data = data
        self.bare = bare
        self._at = 0

    def take(self, size: Any, name: str) -> memoryview:
        """Return the next bytes.

        Raises:
            RequestRefused: 400, there are not so many.
        """
        if type(size) is not int or not 0 <= size <= len(self._data) - self._at:
            raise bad_tensor(name, "has a 'binary_data_size' that is no number of bytes which the body still has")
        self._at += size
        return self._data[self._at - size : self._at]

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            RequestRefused: 400, there is.
        """
        if self._at < len(self._data):
            raise RequestRefused(400, "bad_tensor", "The body has binary data that belongs to no input.")


def bad_tensor(name: str, what: str) -> RequestRefused:
    """Return the refusal of an input."""
    return RequestRefused(400, "bad_tensor", f"The input '{name[:100]}' {what}.")


def datatype_of(column: Column) -> str:
    """Return the datatype that says all values of an input column; null is NaN, which integers have none of."""
    if column.dtype == "int64" and column.nullable:
        return "FP64"
    return _INPUTS.get(column.dtype, TEXT)


def datatype_out(output: Output) -> str:
    """Return the datatype of an output column."""
    return _OUTPUTS[output.dtype]


def read_tensor(item: Any, tail: Tail) -> Given:
    """Read one entry of `inputs`.

    Raises:
        RequestRefused: 400, it contradicts the protocol or itself.
    """
    if type(item) is not dict or type(item.get("name")) is not str:
        raise RequestRefused(400, "bad_tensor", "Each of 'inputs' must be an object with a 'name'.")
    name, datatype = item["name"], item.get("datatype")
    if type(datatype) is not str or (datatype != TEXT and datatype not in DTYPES):
        raise bad_tensor(name, f"must have one of the datatypes {', '.join((*DTYPES, TEXT))}")
    shape = _shape_of(item.get("shape"), name)
    parameters = item.get("parameters")
    if type(parameters) is dict and "binary_data_size" in parameters:
        if "data" in item:
            raise bad_tensor(name, "has 'data' and binary data at once")
        return Given(name, shape, _of_bytes(tail.take(parameters["binary_data_size"], name), datatype, shape, name))
    if tail.bare and datatype == _FASTEST and (numbers := _of_bare(item.get("data"), shape)) is not None:
        return Given(name, shape, numbers)
    return _of_json(_flat(item.get("data"), shape, name), datatype, shape, name)


def _shape_of(shape: Any, name: str) -> tuple[int, ...]:
    if (
        type(shape) is not list
        or not 1 <= len(shape) <= _MOST_DIMENSIONS
        or any(type(size) is not int or size < 0 for size in shape)
    ):
        raise bad_tensor(name, "must have a 'shape' of one or two dimensions")
    return tuple(shape)


def _flat(data: Any, shape: tuple[int, ...], name: str) -> list[Any]:
    """The values of `data`, which may be nested as the shape is, or flat."""
    if type(data) is not list:
        raise bad_tensor(name, "must have a list as 'data'")
    if len(shape) == _MOST_DIMENSIONS and data and type(data[0]) is list:
        if len(data) != shape[0] or not {list}.issuperset(map(type, data)) or not {shape[1]}.issuperset(map(len, data)):
            raise bad_tensor(name, "has data of another shape than its 'shape'")
        return list(chain.from_iterable(data))
    if len(data) != math.prod(shape):
        raise bad_tensor(name, "has more or fewer values than its 'shape' says")
    return data


def _of_bare(data: Any, shape: tuple[int, ...]) -> Array | None:
    """Numbers in two steps, or None where it takes a look at each to say what is wrong.

    numpy would take true for one among numbers, but there is none. A text makes it an array of texts, null of objects.
    """
    if type(data) is not list:
        return None
    try:
        # Fails on a text among the numbers, of which numpy would make as many texts of its length.
        sum(map(sum, data) if data and type(data[0]) is list else data)
        array = np.array(data)
    except (TypeError, ValueError, OverflowError):  # lists of different lengths
        return None
    if array.dtype.kind not in "iuf" or array.shape not in (shape, (math.prod(shape),)):
        return None
    return array.astype(np.float64, copy=False).reshape(-1)


def _of_json(flat: list[Any], datatype: str, shape: tuple[int, ...], name: str) -> Given:
    kinds = set(map(type, flat))
    nulls = None
    if type(None) in kinds:
        kinds.discard(type(None))
        nulls = np.fromiter((value is None for value in flat), dtype=np.bool_, count=len(flat))
    if datatype == TEXT:
        if not kinds <= {str}:
            raise bad_tensor(name, "is of BYTES and has something other than text in 'data'")
        return Given(name, shape, flat, nulls)
    dtype = DTYPES[datatype]
    if not _KINDS[dtype.kind].issuperset(kinds):
        raise bad_tensor(name, f"has values in 'data' that are not of {datatype}")
    if nulls is not None:
        flat = [0 if value is None else value for value in flat]
    return Given(name, shape, _numbers(flat, dtype, name), nulls)


def _numbers(flat: Sequence[Any], dtype: np.dtype[Any], name: str) -> Array:
    if dtype.kind == "b":
        return np.array(flat, dtype=dtype)
    if dtype.kind == "f":
        wide = np.array(flat, dtype=np.float64)
        if dtype.itemsize == wide.itemsize:
            return wide
        with np.errstate(over="ignore"):
            narrow = wide.astype(dtype)
        if np.isinf(narrow).any():
            raise bad_tensor(name, "has a number that its datatype does not hold")
        return narrow
    bounds = np.iinfo(dtype)
    if flat and not bounds.min <= min(flat) <= max(flat) <= bounds.max:
        raise bad_tensor(name, "has a number that its datatype does not hold")
    return np.array(flat, dtype=dtype)


def _of_bytes(data: memoryview, datatype: str, shape: tuple[int, ...], name: str) -> Array | list[Any]:
    count = math.prod(shape)
    if datatype == TEXT:
        texts = _texts(data, name)
        if len(texts) != count:
            raise bad_tensor(name, "has more or fewer texts than its 'shape' says")
        return texts
    dtype = DTYPES[datatype]
    if len(data) != count * dtype.itemsize:
        raise bad_tensor(name, "has more or fewer bytes than its 'shape' and 'datatype' say")
    if dtype.kind != "b":
        return np.frombuffer(data, dtype=dtype)
    octets = np.frombuffer(data, dtype=np.uint8)
    if (octets > 1).any():
        raise bad_tensor(name, "is of BOOL and has bytes other than 0 and 1")
    return octets.view(np.bool_)


def _texts(data: memoryview, name: str) -> list[Any]:
    """Texts with their length in front; bytes that are no UTF-8 become lone surrogates, which no column takes."""
    found: list[Any] = []
    at, end = 0, len(data)
    while at < end:
        start = at + _LENGTH.size
        size = _LENGTH.unpack_from(data, at)[0] if start <= end else end
        at = start + size
        if at > end:
            raise bad_tensor(name, "has a text that is longer than its binary data")
        found.append(bytes(data[start:at]).decode(errors="surrogateescape"))
    return found


def written_bytes(values: Array) -> bytes:
    """Return an output column as binary data."""
    if values.dtype.kind != "O":
        return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    texts = [text.encode() for text in values.tolist()]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))


def written_json(values: Array) -> Any:
    """Return an output column as what orjson writes as a list; not-a-number is null."""
    return values.tolist() if values.dtype.kind == "O" else np.ascontiguousarray(values)
