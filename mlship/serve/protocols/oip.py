"""`POST /v2/models/M/infer`: the Open Inference Protocol, which KServe, Triton and MLServer speak, with binary tensors.

A request has one input for each column, of shape [-1] or [-1, 1]; a model of numbers also takes one tensor `input` of
shape [-1, columns] in the signature's order. A null number is NaN, in JSON also null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from mlship.errors import MlshipError
from mlship.model.feed import Feed
from mlship.model.signature import Column
from mlship.model.values.codes import Array, CellError
from mlship.model.values.records import read_json_columns
from mlship.model.values.rules import collect
from mlship.model.values.text import missing
from mlship.model.values.typed import TypedColumn, read_typed_column
from mlship.serve.exchange import JSON, Asked, Call, Reply, telling
from mlship.serve.payload import MOST_COUNTED, check_missing, check_rows, parse
from mlship.serve.problems import RequestRefused, RowsRefused, body_of
from mlship.serve.protocols import media
from mlship.serve.protocols.tensors import (
    Given,
    Tail,
    bad_tensor,
    datatype_out,
    read_tensor,
    written_bytes,
    written_json,
)
from mlship.serve.served import Served

HEADER = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"
WHOLE = "input"
"""Name of the one tensor that a model of numbers also takes."""
_NUMBERS = frozenset(("float64", "float32", "int64"))
_MICROSECONDS = 1e-6


def error_only(error: MlshipError) -> Reply:
    """Return an error as `{"error": "..."}`."""
    return telling(error, {"error": body_of(error)["error"]["message"]})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an answer needs to know: the request's own name, and each output wanted with whether its data is binary."""

    id: str | None
    outputs: Sequence[tuple[str, bool]]


class Oip:
    """See `serve.endpoint.Endpoint`."""

    protocol = "oip"

    def __init__(self, served: Served) -> None:
        self.served = served
        signature = served.signature
        self._whole = WHOLE not in signature.names and all(column.dtype in _NUMBERS for column in signature.inputs)
        self._alone = {column.name: replace(signature, inputs=(column,)) for column in signature.inputs}
        self._datatypes = {output.name: datatype_out(output) for output in signature.outputs}

    def read(self, asked: Asked) -> Call:
        """Read tensors."""
        kind = asked.content_type
        if kind not in ("", BINARY) and not media.is_json(kind):  # clients of this protocol need not say
            raise RequestRefused(415, "unsupported_media_type", f"Send {JSON}, or {BINARY} with binary tensors.")
        media.check_encoding(asked)
        document, tail = _parts(asked)
        if type(document) is not dict or type(document.get("inputs")) is not list or not document["inputs"]:
            raise RequestRefused(400, "bad_shape", "The body must be an object with a list of tensors as 'inputs'.")
        given = [read_tensor(item, tail) for item in document["inputs"]]
        tail.end()
        parameters = document.get("parameters") or {}
        if type(parameters) is not dict:
            raise RequestRefused(400, "bad_shape", "The 'parameters' of a request are an object.")
        wanted = self._wanted(document, parameters)
        return Call(self._feed(given), asked, wanted, _seconds(parameters))

    def _wanted(self, document: dict[str, Any], parameters: dict[str, Any]) -> _Wanted:
        name = document.get("id")
        if name is not None and type(name) is not str:
            raise RequestRefused(400, "bad_shape", "The 'id' of a request is a text.")
        binary = parameters.get("binary_data_output") is True
        outputs = document.get("outputs")
        if not outputs:
            return _Wanted(name, [(output, binary) for output in self._datatypes])
        if type(outputs) is not list:
            raise RequestRefused(400, "bad_shape", "The 'outputs' of a request are a list.")
        wanted = [self._output(item, binary=binary) for item in outputs]
        if len({output for output, _ in wanted}) < len(wanted):
            raise RequestRefused(400, "duplicate_output", "An output is wanted more than once.")
        return _Wanted(name, wanted)

    def _output(self, item: Any, *, binary: bool) -> tuple[str, bool]:
        name = item.get("name") if type(item) is dict else None
        if type(name) is not str or name not in self._datatypes:
            raise RequestRefused(
                400, "unknown_output", "Each of 'outputs' must have the name of an output of the model."
            )
        parameters = item.get("parameters") or {}
        if type(parameters) is not dict or parameters.get("classification"):
            raise RequestRefused(400, "bad_shape", f"The parameters of the output '{name}' are not known here.")
        return name, parameters.get("binary_data", binary) is True

    def _feed(self, given: Sequence[Given]) -> Feed:
        rows = given[0].shape[0]
        if any(one.shape[0] != rows for one in given):
            raise RequestRefused(400, "bad_shape", "The inputs have different numbers of rows.")
        check_rows(rows, self.served.limits.rows)
        if self._whole and len(given) == 1 and given[0].name == WHOLE:
            return self._of_one(given[0])
        tensors: dict[str, Given] = {}
        for one in given:
            if one.name in tensors:
                raise bad_tensor(one.name, "is there more than once")
            if len(one.shape) > 1 and one.shape[1] != 1 and one.name in self._alone:
                raise bad_tensor(one.name, "must have the shape [rows] or [rows, 1]")
            tensors[one.name] = one
        return self._stacked(tensors, rows) or self._of_columns(tensors, rows)

    def _of_one(self, given: Given) -> Feed:
        names = self.served.signature.names
        if len(given.shape) == 1 or given.shape[1] != len(names):
            raise bad_tensor(WHOLE, f"must have the shape [rows, {len(names)}], the model's columns in order")
        values: Any = given.values
        if isinstance(values, list) or values.dtype.kind not in "fiu":
            raise bad_tensor(WHOLE, "must be of FP64 or FP32")
        matrix = values.reshape(given.shape)
        if given.nulls is None and (feed := self._plain(matrix)):
            return feed
        nulls = np.zeros(given.shape, dtype=np.bool_) if given.nulls is None else given.nulls.reshape(given.shape)
        rows = given.shape[0]
        tensors = {
            name: Given(name, (rows,), np.ascontiguousarray(matrix[:, at]), nulls[:, at])
            for at, name in enumerate(names)
        }
        return self._of_columns(tensors, rows)

    def _plain(self, matrix: Array) -> Feed | None:
        """The matrix as it stands, where it is certain that the rules would take every value of it as it is."""
        reader = self.served.matrix
        if reader is None or not len(matrix) or matrix.dtype.itemsize > 8:
            return None
        taken = reader.taken(np.asarray(matrix, dtype=np.float64))
        return None if taken is None else Feed(len(taken), matrix=taken)

    def _stacked(self, tensors: Mapping[str, Given], rows: int) -> Feed | None:
        """Columns of numbers as the one matrix that the model takes, or None when it takes the rules."""
        if self.served.matrix is None:
            return None
        names = self.served.signature.names
        matrix = np.empty((rows, len(names)))
        for at, name in enumerate(names):
            one = tensors.get(name)
            if (
                one is None
                or one.nulls is not None
                or isinstance(one.values, list)
                or one.values.dtype.kind not in "fiu"
            ):
                return None
            matrix[:, at] = one.values
        return self._plain(matrix)

    def _of_columns(self, tensors: Mapping[str, Given], rows: int) -> Feed:
        signature = self.served.signature
        check_missing(tensors, rows, signature)
        parts: list[tuple[Column, Array, list[CellError]]] = []
        refused = 0
        for column in signature.inputs:
            values, errors = self._column(column, tensors.get(column.name), rows)
            parts.append((column, values, errors))
            refused += len(errors)
            if refused > MOST_COUNTED:
                break
        read = collect(signature, rows, parts)
        if refused:
            raise RowsRefused(read.errors, refused, complete=len(parts) == len(signature.inputs))
        return Feed(rows, read.columns)

    def _column(self, column: Column, given: Given | None, rows: int) -> tuple[Array, list[CellError]]:
        dtype = self.served.signature.tensor_dtypes[column.tensor]
        if given is None:
            return missing(column, rows, dtype)
        if isinstance(given.values, list):  # texts mean what they mean in JSON, dates among them
            read = read_json_columns(self._alone[column.name], {column.name: given.values}, rows)
            return read.columns[column.name], read.errors
        nulls = np.zeros(rows, dtype=np.bool_) if given.nulls is None else given.nulls
        return read_typed_column(column, TypedColumn(given.values, nulls), dtype)

    def write(self, call: Call, outputs: Mapping[str, Array]) -> Reply:
        """Write tensors."""
        wanted: _Wanted = call.context
        tails: list[bytes] = []
        told: list[dict[str, Any]] = []
        for name, binary in wanted.outputs:
            tensor: dict[str, Any] = {"name": name, "datatype": self._datatypes[name], "shape": [call.feed.rows]}
            if binary:
                tails.append(written_bytes(outputs[name]))
                tensor["parameters"] = {"binary_data_size": len(tails[-1])}
            else:
                tensor["data"] = written_json(outputs[name])
            told.append(tensor)
        answer: dict[str, Any] = {"model_name": self.served.name, "model_version": self.served.identity["version"]}
        if wanted.id is not None:
            answer["id"] = wanted.id
        head = orjson.dumps({**answer, "outputs": told}, option=orjson.OPT_SERIALIZE_NUMPY)
        if not tails:
            return Reply(200, head)
        return Reply(200, b"".join((head, *tails)), BINARY, ((HEADER, str(len(head))),))

    def refuse(self, error: MlshipError) -> Reply:
        """Write an error as `{"error": "..."}`."""
        return error_only(error)


def _parts(asked: Asked) -> tuple[Any, Tail]:
    """The JSON of a body, and what is behind it."""
    size = asked.header(HEADER)
    head: bytes = asked.body
    tail: bytes | memoryview = b""
    if size is not None:
        if not size.isascii() or not size.isdecimal() or len(size) > 12 or int(size) > len(head):
            raise RequestRefused(400, "bad_header", f"The header '{HEADER}' is no number of bytes of the body.")
        head, tail = head[: int(size)], memoryview(head)[int(size) :]
    return parse(head), Tail(memoryview(tail), bare=_is_bare(head))


def _is_bare(head: bytes) -> bool:
    """Whether neither true nor false stands in it; a letter of each is sought first, which is ten times as fast."""
    return not (b"r" in head and b"true" in head) and not (b"l" in head and b"false" in head)


def _seconds(parameters: Mapping[str, Any]) -> float | None:
    """How long the client will wait, which Triton's clients say in microseconds; 0 says nothing."""
    timeout = parameters.get("timeout")
    return timeout * _MICROSECONDS if type(timeout) is int and timeout > 0 else None
