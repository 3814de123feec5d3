"""The header is read from raw bytes as the onnx package reads it, and data outside the file is always seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mlship.model import wire
from tests.model.making import linear_artifact, linear_graph, model, value

SHIPPED = sorted(Path(onnx.__file__).parent.glob("backend/test/data/**/model.onnx")) + sorted(
    Path(onnxruntime.__file__).parent.glob("datasets/*.onnx")
)


def test_there_are_real_models() -> None:
    """The installed packages ship the models that the tests below read."""
    assert len(SHIPPED) > 50


@pytest.mark.parametrize("part", range(8))
def test_header_is_what_the_onnx_package_reads(part: int) -> None:
    """Domains, metadata and the presence of a graph are those that onnx finds in real models."""
    for path in SHIPPED[part::8]:
        data = path.read_bytes()
        header = wire.read_header(data)
        parsed = onnx.load_from_string(data)
        assert header.domains == tuple(item.domain for item in parsed.opset_import), path
        assert header.metadata == {item.key: item.value for item in parsed.metadata_props}, path
        assert header.has_graph is parsed.HasField("graph"), path
        assert not wire.has_external_data(data), path


def test_header_of_our_own() -> None:
    """An artifact's header is what onnx reads, and each value lies where its offset says."""
    data = linear_artifact()
    header, parsed = wire.read_header(data), onnx.load_from_string(data)
    assert header.metadata == {item.key: item.value for item in parsed.metadata_props}
    for key, text in header.metadata.items():
        start = header.value_offsets[key]
        assert data[start : start + len(text.encode())] == text.encode()


@settings(deadline=None)
@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_appended_property_is_read_by_onnx(key: str, text: str) -> None:
    """A property appended as bytes is one that the onnx package reads, whatever its text."""
    parsed = onnx.load_from_string(linear_graph() + wire.metadata_entry(key, text))
    assert [(item.key, item.value) for item in parsed.metadata_props] == [(key, text)]


def test_empty_messages() -> None:
    """A property and an opset import with nothing in them are empty texts, as for the onnx package."""
    data = b"\x12\x01x" + linear_graph() + b"\x72\x00\x42\x00"
    header, parsed = wire.read_header(data), onnx.load_from_string(data)
    assert header.metadata == {item.key: item.value for item in parsed.metadata_props} == {"": ""}
    assert header.domains == tuple(item.domain for item in parsed.opset_import) == ("", "ai.onnx.ml", "")


def test_long_property() -> None:
    """A property may be longer than one byte of length can say."""
    data = linear_graph() + wire.metadata_entry("k", "é" * 100_000)
    assert wire.read_header(data).metadata["k"] == "é" * 100_000


MALFORMED = [
    (b"\x3a\x05ab", "a field is cut short"),
    (b"\x3a", "a number is cut short or too long"),
    (b"\x80" * 11, "a number is cut short or too long"),
    (b"\x00\x01", "a field has no valid number"),
    (b"\xba\x80\x80\x80\x10\x00", "a field has no valid number"),  # tag 7 | 1 << 32, which C++ takes for 7
    (b"\x3b", "a field has the unknown wire type 3"),
    (b"\x3f", "a field has the unknown wire type 7"),
    (b"\x39\x01\x02", "a field is cut short"),
    (b"\x42\x03\x0a\x01\xff", "a name is not UTF-8"),
    (wire.metadata_entry("a", "1") + wire.metadata_entry("a", "2"), "the property 'a' occurs twice"),
    (wire.metadata_entry("a\x1b[2J", "") * 2, r"the property 'a\x1b[2J' occurs twice"),
]


@pytest.mark.parametrize(("data", "problem"), MALFORMED)
def test_malformed_bytes(data: bytes, problem: str) -> None:
    """Bytes that are no protobuf message are refused with what is wrong with them."""
    with pytest.raises(wire.WireError) as refused:
        wire.read_header(data)
    assert str(refused.value) == problem


@pytest.mark.parametrize("data", [b"\x38\x01", b"\x3d\x00\x00\x00\x00", b"\x39" + b"\x00" * 8, b""])
def test_graph_of_another_type_is_none(data: bytes) -> None:
    """A number in the graph's field is no graph, as for the runtime."""
    assert not wire.read_header(data).has_graph


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    """Random bytes lead to a header or to a WireError, never to another exception."""
    for read in (wire.read_header, wire.has_external_data):
        try:
            read(data)
        except wire.WireError as error:
            assert str(error)  # noqa: PT017 - either way is right


def external(tensor: TensorProto) -> TensorProto:
    """Move a tensor's data out of the file."""
    del tensor.float_data[:]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    return tensor


def floats(name: str = "w") -> TensorProto:
    """Return a small tensor whose data lies outside."""
    return external(helper.make_tensor(name, TensorProto.FLOAT, [2], [1.0, 2.0]))


def sparse() -> onnx.SparseTensorProto:
    """Return a sparse tensor whose values lie outside."""
    indices = helper.make_tensor("i", TensorProto.INT64, [2], [0, 1])
    return helper.make_sparse_tensor(floats(), indices, [4])


def with_graph(**fields: Any) -> onnx.ModelProto:
    """Return a model of one node, with fields of its graph set."""
    made = onnx.load_from_string(
        model([helper.make_node("Identity", ["x"], ["y"])], [value("x", 1, 1)], [value("y", 1, 1)])
    )
    for name, items in fields.items():
        getattr(made.graph, name).extend(items)
    return made


def nested(depth: int) -> onnx.ModelProto:
    """Return a model whose data outside lies in a constant, so many subgraphs deep."""
    node = helper.make_node("Constant", [], ["c"], value=floats())
    for _ in range(depth):
        graph = helper.make_graph([node], "inner", [], [value("c", 1, 2)])
        node = helper.make_node("If", ["x"], ["c"], then_branch=graph)
    return with_graph(node=[node])


def hiding_places() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Name every place of a model in which a tensor can lie, with data outside in it."""
    yield "initializer", with_graph(initializer=[floats()])
    yield "sparse initializer", with_graph(sparse_initializer=[sparse()])
    yield "constant", nested(0)
    yield "subgraph", nested(1)
    yield "deep subgraph", nested(20)
    attributes = {
        "list of tensors": helper.make_attribute("a", [floats(), floats()]),
        "sparse constant": helper.make_attribute("sparse_value", sparse()),
        "list of sparse": helper.make_attribute("a", [sparse()]),
        "list of graphs": helper.make_attribute("a", [helper.make_graph([], "g", [], [], [floats()])]),
    }
    for name, attribute in attributes.items():
        node = helper.make_node("Constant", [], ["c"])
        node.attribute.append(attribute)
        yield name, with_graph(node=[node])
    function = helper.make_function(
        "", "F", ["a"], ["b"], [helper.make_node("Constant", [], ["b"], value=floats())], [helper.make_opsetid("", 17)]
    )
    made = with_graph()
    made.functions.append(function)
    yield "function", made
    made = with_graph()
    made.functions.append(
        helper.make_function("", "F", [], [], [], [], attribute_protos=[helper.make_attribute("a", floats())])
    )
    yield "function's default", made
    for field in ("initialization", "algorithm"):
        made = with_graph()
        getattr(made.training_info.add(), field).initializer.append(floats())
        yield f"training {field}", made


@pytest.mark.parametrize("place", dict(hiding_places()))
def test_data_outside_is_seen(place: str) -> None:
    """Data outside the file is seen wherever a tensor can lie."""
    assert wire.has_external_data(dict(hiding_places())[place].SerializeToString())


def test_data_outside_is_seen_where_it_is_not_said() -> None:
    """A tensor with an entry for its file is refused, also when it says that its data lies inside."""
    tensor = floats()
    tensor.ClearField("data_location")
    assert wire.has_external_data(with_graph(initializer=[tensor]).SerializeToString())


def test_data_outside_in_a_second_graph_is_seen() -> None:
    """Protobuf merges a graph that occurs twice; both are looked into."""
    assert wire.has_external_data(linear_graph() + with_graph(initializer=[floats()]).SerializeToString())


def wrapped(number: int, body: bytes) -> bytes:
    """Return a message that holds another in the field of that number, its length in five bytes."""
    size = bytes(len(body) >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21))
    return bytes([number << 3 | 2]) + size + b"\x00" + body


@pytest.mark.parametrize("depth", [40, 2000])
def test_graphs_nested_without_end_are_refused(depth: int) -> None:
    """Nesting past any that converters make is refused, not followed until the stack is full."""
    graph = wrapped(5, floats().SerializeToString())
    for _ in range(depth):
        graph = wrapped(1, wrapped(5, wrapped(6, graph)))  # graph, node, attribute
    with pytest.raises(wire.WireError, match="nested too deeply"):
        wire.has_external_data(wrapped(7, graph))


def test_the_word_location_is_no_data_outside() -> None:
    """A column, a tensor, a constant's text and a property called location are not taken for external data."""
    made = with_graph(initializer=[numpy_helper.from_array(np.array(["location"], dtype=object), "location")])
    made.graph.name = made.producer_name = "location"
    made.graph.node.append(
        helper.make_node("LabelEncoder", ["location"], ["z"], keys_strings=["location"], name="location")
    )
    made.graph.input.append(value("location", TensorProto.STRING, 1))
    helper.set_model_props(made, {"location": "location"})
    assert not wire.has_external_data(made.SerializeToString())


def test_large_forest_with_a_column_called_location_is_walked_quickly() -> None:
    """Only what holds the word is walked: the millions of numbers of a forest are not."""
    numbers = np.zeros(500_000)
    node = helper.make_node("TreeEnsemble", ["location"], ["y"], domain="ai.onnx.ml")
    node.attribute.append(helper.make_attribute("nodes_featureids", numbers.astype(np.int64).tolist()))
    data = with_graph(node=[node]).SerializeToString()
    reads = 0

    class Counted(bytes):
        def __getitem__(self, at: Any) -> Any:
            nonlocal reads
            reads += 1
            return super().__getitem__(at)

    assert not wire.has_external_data(Counted(data))
    assert reads < 1000
