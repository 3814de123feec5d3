"""Reading just enough of an ONNX file's protobuf to know it before any runtime opens it.

Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); the
encoding is https://protobuf.dev/programming-guides/encoding/. Done here because opening a signed
model must not need the onnx package, and because the digest has to be checked on raw bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MODEL_GRAPH, MODEL_OPSET, MODEL_METADATA, MODEL_FUNCTION = 7, 8, 14, 25
_LENGTH_DELIMITED = 2
_LARGEST_TAG = (1 << 32) - 1
_DEEPEST = 100  # no converter nests graphs deeper; a guard against crafted files
_FIXED_SIZES = {1: 8, 5: 4}

# message -> {field number: message held}; the paths on which a tensor can lie
_TENSOR = "tensor"
_NESTED: dict[str, dict[int, str]] = {
    "model": {MODEL_GRAPH: "graph", 20: "training", MODEL_FUNCTION: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_TENSOR_EXTERNAL_DATA = 13
_LOCATION_KEY = b"location"  # the key under which external data names its file; without it none can be read


class WireError(ValueError):
    """The bytes are not a well-formed protobuf message."""


@dataclass(frozen=True)
class Header:
    """What stands beside the graph in an ONNX file.

    Attributes:
        domains: Operator domains that the file imports.
        metadata: Its metadata properties.
        value_offsets: Byte offset of each property's value in the file.
        has_graph: Whether there is a graph at all.
    """

    domains: tuple[str, ...]
    metadata: dict[str, str]
    value_offsets: dict[str, int] = field(repr=False)
    has_graph: bool = True


def read_header(data: bytes) -> Header:
    """Read the header of an ONNX model's bytes.

    Raises:
        WireError: The bytes are no protobuf message, or hold text that is not UTF-8.
    """
    domains: list[str] = []
    metadata: dict[str, str] = {}
    offsets: dict[str, int] = {}
    has_graph = False
    for number, start, end in _fields(data, 0, len(data)):
        if number == MODEL_GRAPH and end >= 0:
            has_graph = True
        elif number == MODEL_OPSET and end >= 0:
            domains.append(_text(data, _entry(data, start, end).get(1, (0, 0))))
        elif number == MODEL_METADATA and end >= 0:
            entry = _entry(data, start, end)
            key = _text(data, entry.get(1, (0, 0)))
            if key in metadata:
                raise WireError(f"the property {key!r} occurs twice")
            metadata[key] = _text(data, entry.get(2, (0, 0)))
            offsets[key] = entry.get(2, (0, 0))[0]
    return Header(tuple(domains), metadata, offsets, has_graph)


def has_external_data(data: bytes) -> bool:
    """Tell whether any tensor of the model lies outside its file.

    Raises:
        WireError: The bytes are no protobuf message.
    """
    return _holds_external(data, (0, len(data)), "model", 0)


def metadata_entry(key: str, value: str) -> bytes:
    """Return one metadata property as bytes that may be appended to a serialized model.

    Protobuf merges repeated fields of concatenated messages, so appending adds a property.
    """
    body = _delimited(1, key.encode()) + _delimited(2, value.encode())
    return _delimited(MODEL_METADATA, body)


def _delimited(number: int, body: bytes) -> bytes:
    return _varint_bytes(number << 3 | _LENGTH_DELIMITED) + _varint_bytes(len(body)) + body


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise WireError("a number is cut short or too long")


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, end) of the fields that hold bytes; end is -1 for those that hold a number."""
    while at < end:
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        # The runtime's parser drops the bits of a tag past the 32nd: it would see another field than we do.
        if number == 0 or tag > _LARGEST_TAG:
            raise WireError("a field has no valid number")
        if kind == 0:
            value, at = _varint(data, at, end)
            yield number, value, -1
            continue
        if kind == _LENGTH_DELIMITED:
            size, at = _varint(data, at, end)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise WireError(f"a field has the unknown wire type {kind}")
        if at + size > end:
            raise WireError("a field is cut short")
        yield number, at, at + size if kind == _LENGTH_DELIMITED else -1
        at += size


def _entry(data: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    return {number: (first, last) for number, first, last in _fields(data, start, end) if last >= 0}


def _text(data: bytes, span: tuple[int, int]) -> str:
    try:
        return data[span[0] : span[1]].decode()
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8") from error


def _holds_external(data: bytes, span: tuple[int, int], message: str, depth: int) -> bool:
    # Only what holds the key's text is walked: the attributes of a forest have millions of fields.
    if data.find(_LOCATION_KEY, *span) < 0:
        return False
    if depth > _DEEPEST:
        raise WireError("graphs are nested too deeply")
    inner = _NESTED[message]
    for number, first, last in _fields(data, *span):
        if message == _TENSOR:
            if number == _TENSOR_EXTERNAL_DATA:
                return True
        elif number in inner and last >= 0 and _holds_external(data, (first, last), inner[number], depth + 1):
            return True
    return False
