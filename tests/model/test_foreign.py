"""ONNX files that others made: their columns are read from the graph, and what is no table is refused."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlship.errors import DependencyMissing, ModelRefused
from mlship.model.artifact import read_artifact
from mlship.model.session import Replay, Session, SessionSpec, open_session
from mlship.model.values.records import read_records
from tests.model.making import linear_graph, model, value

SHIPPED = sorted((Path(onnx.__file__).parent / "backend/test/data").glob("**/model.onnx"))
DATASETS = Path(onnxruntime.__file__).parent / "datasets"


def array(path: Path) -> Any:
    """Return a stored tensor."""
    return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


def stored(folder: Path, kind: str) -> list[Any]:
    """Return the stored inputs or outputs of a model, each of two dimensions."""
    tensors = [array(path) for path in sorted((folder / "test_data_set_0").glob(f"{kind}_*.pb"))]
    return [tensor.reshape(len(tensor), -1) for tensor in tensors]


def opened(data: bytes) -> Session:
    """Open a model of bytes."""
    return open_session(SessionSpec(data))


def refusal(data: bytes) -> str:
    """Return the message, of one line, with which a model is refused as no table."""
    with pytest.raises(ModelRefused) as caught:
        opened(data)
    assert (caught.value.code, caught.value.exit_code) == ("not_a_table", 4)
    assert len(caught.value.message.splitlines()) == 1
    return caught.value.message


def through(element: int, shape: list[int | str | None], inner: int = 0, name: str = "x") -> bytes:
    """Return a graph that gives back its input."""
    inputs = [value(name, element, *shape)]
    if not inner:
        return model([helper.make_node("Identity", [name], ["y"])], inputs, [value("y", element, *shape)])
    nodes = [helper.make_node("Cast", [name], ["c"], to=inner), helper.make_node("Identity", ["c"], ["y"])]
    return model(nodes, inputs, [value("y", inner, *shape)])


@cache
def outcome(path: Path) -> str:
    """Score a shipped model's stored inputs, and say whether the stored outputs came out."""
    try:
        session = open_session(SessionSpec(path))
    except ModelRefused as error:
        return "refused" if len(error.message.splitlines()) == 1 else f"refused in several lines: {error.message}"
    inputs = zip(session.signature.tensors, stored(path.parent, "input"), strict=True)
    columns = {
        column.name: given[:, index]
        for tensor, given in inputs
        for index, column in enumerate(session.signature.feeding(tensor))
    }
    wanted = [column for output in stored(path.parent, "output") for column in output.T]
    given_back: list[Any] = list(session.predict(columns).values())
    for got, want in zip(given_back, wanted, strict=True):
        if want.dtype == object:
            assert got.tolist() == want.tolist(), path
        else:
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5, err_msg=str(path))
    return "right"


@pytest.mark.parametrize("part", range(8))
def test_shipped_models_are_right_or_refused(part: int) -> None:
    """Each model that the onnx package ships gives its stored outputs, or is refused in one line."""
    assert {outcome(path) for path in SHIPPED[part::8]} <= {"right", "refused"}


def test_enough_shipped_models_are_tables() -> None:
    """Of the models that the onnx package ships, a good number are tables and are scored."""
    assert sum(outcome(path) == "right" for path in SHIPPED) >= 15


def test_model_shipped_with_the_runtime() -> None:
    """A classifier with a ZipMap that onnxruntime ships gives a label and a probability for each class."""
    session = open_session(SessionSpec(DATASETS / "logreg_iris.onnx"))
    rows = {name: np.array([5.1, 0.0, 3e3], dtype=np.float32) for name in session.signature.names}
    answers: dict[str, Any] = session.predict(rows)
    assert list(answers) == ["label", *(f"probabilities_{label}" for label in (0, 1, 2))]
    total = sum(answers[f"probabilities_{label}"] for label in (0, 1, 2))
    np.testing.assert_allclose(total, 1.0, rtol=1e-6)
    best = np.argmax([answers[f"probabilities_{label}"] for label in (0, 1, 2)], axis=0)
    assert answers["label"].tolist() == best.tolist()


def test_foreign_model_says_that_it_is_unproven(tmp_path: Path) -> None:
    """A file without our metadata takes its name from the file and its version from its digest, and has no proof."""
    path = tmp_path / "São é.v2.onnx"
    path.write_bytes(linear_graph())
    session = open_session(SessionSpec(path))
    assert (session.proven, session.replay) == (False, Replay(0, agrees=True))
    assert session.card.name == "São é.v2"
    assert session.card.version == session.digest[:12] == read_artifact(path).digest[:12]
    assert opened(linear_graph()).card.name == "model"
    assert session.signature.names == ("x_0", "x_1")
    assert session.predict({"x_0": np.array([1.0]), "x_1": np.array([0.5])})["score"].tolist() == [1.5]


@pytest.mark.parametrize("labels", [[3, 1, 2], ["no", "São é", "2"]], ids=["int", "string"])
def test_zipmap_is_taken_off(labels: list[Any]) -> None:
    """The dictionaries that skl2onnx makes by default become one column a class, in the classes' order."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    numbers = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    estimator = LogisticRegression().fit(numbers, np.array(labels)[np.arange(60) % 3])
    converted = convert_sklearn(estimator, initial_types=[("x", FloatTensorType([None, 2]))], target_opset=17)
    data = converted.SerializeToString()
    assert b"ZipMap" in data
    session = opened(data)
    answers: dict[str, Any] = session.predict({"x_0": numbers[:, 0], "x_1": numbers[:, 1]})
    classes = estimator.classes_.tolist()
    assert list(answers) == ["output_label", *(f"output_probability_{label}" for label in classes)]
    assert answers["output_label"].tolist() == estimator.predict(numbers).tolist()
    for index, label in enumerate(classes):
        wanted = estimator.predict_proba(numbers)[:, index]
        np.testing.assert_allclose(answers[f"output_probability_{label}"], wanted, rtol=1e-5)
    assert session.digest == read_artifact(data).digest


def zipmap() -> bytes:
    """Return a graph that ends in a ZipMap."""
    made = onnx.load_from_string(through(TensorProto.FLOAT, [None, 2]))
    made.graph.node.append(
        helper.make_node("ZipMap", ["y"], ["z"], domain="ai.onnx.ml", classlabels_strings=["a", "b"])
    )
    del made.graph.output[:]
    entry = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    made.graph.output.append(helper.make_value_info("z", helper.make_sequence_type_proto(entry)))
    return bytes(made.SerializeToString())


def test_zipmap_needs_the_onnx_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the onnx package is absent, a model that ends in ZipMap says so, and others do not need it."""
    assert list(opened(zipmap()).predict({"x_0": np.ones(1), "x_1": np.ones(1)})) == ["z_a", "z_b"]
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert opened(linear_graph()).signature.names == ("x_0", "x_1")
    with pytest.raises(DependencyMissing, match="A model that ends in ZipMap needs the library 'onnx'") as caught:
        opened(zipmap())
    assert caught.value.exit_code == 8


def test_zipmap_that_gives_nothing_out_is_left_alone() -> None:
    """A ZipMap whose dictionaries are no output of the graph is none of our business."""
    made = onnx.load_from_string(zipmap())
    del made.graph.output[:]
    made.graph.output.append(value("y", TensorProto.FLOAT, None, 2))
    assert list(opened(made.SerializeToString()).predict({"x_0": np.ones(1), "x_1": np.ones(1)})) == ["y_0", "y_1"]


@pytest.mark.parametrize(
    "crafted",
    [
        pytest.param(zipmap() + b"\x3a\x02\xff\xff", id="a second graph, which is no message"),
        pytest.param(zipmap().replace(b"\x01z", b"\x01\xff"), id="a name that is not UTF-8"),
    ],
)
def test_broken_zipmap_is_refused(crafted: bytes) -> None:
    """A model with a ZipMap that the onnx package cannot read is refused, not crashed upon."""
    with pytest.raises(ModelRefused, match=r"^The model is damaged: the onnx package cannot read it\.$") as caught:
        opened(crafted)
    assert caught.value.code == "not_onnx"


@pytest.mark.parametrize(
    ("element", "dtype", "good", "wrong", "code"),
    [
        (TensorProto.DOUBLE, "float64", 1e300, "1", "not_a_number"),
        (TensorProto.FLOAT, "float32", 0.5, 1e39, "out_of_range"),
        (TensorProto.FLOAT16, "float32", 65504.0, 65520.0, "out_of_range"),
        (TensorProto.INT64, "int64", 2**63 - 1, 2**63, "out_of_range"),
        (TensorProto.INT32, "int64", -(2**31), 2**31, "out_of_range"),
        (TensorProto.INT16, "int64", -(2**15), 2**15, "out_of_range"),
        (TensorProto.INT8, "int64", -128, 128, "out_of_range"),
        (TensorProto.UINT8, "int64", 255, -1, "out_of_range"),
        (TensorProto.UINT16, "int64", 0, 2**16, "out_of_range"),
        (TensorProto.UINT64, "int64", 2**63 - 1, -1, "out_of_range"),
        (TensorProto.UINT32, "int64", 2**32 - 1, None, "null_not_allowed"),
        (TensorProto.BOOL, "bool", True, None, "null_not_allowed"),
        (TensorProto.STRING, "string", "São é", None, "null_not_allowed"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
@pytest.mark.parametrize("shape", [[None, 1], ["N"], [None, 3], [2, 1]], ids=str)
def test_every_type_of_tensor(
    shape: list[int | str | None], element: int, dtype: str, good: Any, wrong: Any, code: str
) -> None:
    """Columns are read from a tensor of every type, take what it can hold and refuse the rest."""
    session = opened(through(element, shape))
    assert {column.dtype for column in session.signature.inputs} == {dtype}
    read = read_records(
        session.signature, [dict.fromkeys(session.signature.names, item) for item in (good, good, wrong)]
    )
    assert {(error.row, error.code) for error in read.errors} == {(2, code)}
    for values in session.predict(read.accepted_columns()).values():
        assert values.tolist() == [good, good]


def test_null_is_not_a_number_where_the_tensor_holds_it() -> None:
    """A foreign model's numbers may be null, which it is fed as NaN."""
    session = opened(through(TensorProto.FLOAT, [None, 1]))
    read = read_records(session.signature, [{"x": None}])
    assert np.isnan(session.predict(read.accepted_columns())["y"]).all()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            through(1, [None, 2, 3]),
            "has the input 'x' (tensor(float), shape [None, 2, 3]), which is no table of columns",
        ),
        (through(1, [None, 2, 3]), "it has 3 dimensions, a table has 1 or 2."),
        (through(1, []), "it has 0 dimensions, a table has 1 or 2."),
        (through(1, [None, "k"]), "its number of columns is not fixed."),
        (through(1, [None, None]), "its number of columns is not fixed."),
        (through(1, [None, 0]), "it is empty."),
        (through(1, [0, 1]), "it is empty."),
        (through(1, [None, 1, 1], name="a\nb\x1b[2J"), r"has the input 'a\nb\x1b[2J'"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, problem: str) -> None:
    """An input that is no table of columns is refused with its name, type and shape."""
    message = refusal(data)
    assert message.startswith("The graph has the input ")
    assert problem in message


def test_sequence_is_refused() -> None:
    """An output that is a sequence is no column."""
    made = onnx.load_from_string(through(1, [None, 2]))
    made.graph.node.append(helper.make_node("SequenceConstruct", ["y"], ["z"]))
    del made.graph.output[:]
    made.graph.output.append(helper.make_tensor_sequence_value_info("z", 1, None))
    message = refusal(made.SerializeToString())
    assert message.startswith("The graph has the output 'z' (seq(tensor(float))")
    assert message.endswith("which is no table of columns: its type is none of a table's.")


def test_model_without_inputs_is_refused() -> None:
    """A graph that takes nothing cannot score rows."""
    node = helper.make_node("Constant", [], ["y"], value=helper.make_tensor("v", 1, [2], [1.0, 2.0]))
    assert refusal(model([node], [], [value("y", 1, 2)])) == "The graph has no inputs."


def test_names_that_clash_are_refused() -> None:
    """Two columns that would have one name are refused."""
    nodes = [helper.make_node("Identity", [name], [f"y{name}"]) for name in ("x", "x_0")]
    data = model(
        nodes, [value("x", 1, None, 2), value("x_0", 1, None)], [value("yx", 1, None, 2), value("yx_0", 1, None)]
    )
    assert refusal(data) == "The graph gives two input columns the name 'x_0'."


def test_row_counts_that_differ_are_refused() -> None:
    """Inputs of different fixed numbers of rows are no table."""
    nodes = [helper.make_node("Identity", [name], [f"y{name}"]) for name in ("a", "b")]
    data = model(nodes, [value("a", 1, 2), value("b", 1, 3)], [value("ya", 1, 2), value("yb", 1, 3)])
    assert refusal(data) == "The graph has inputs and outputs of [2, 3] rows, which is no table."


def test_number_too_large_for_int64_is_refused() -> None:
    """An unsigned answer that int64 does not hold is refused, not wrapped around."""
    session = opened(through(TensorProto.DOUBLE, [None, 1], TensorProto.UINT64))
    assert session.predict({"x": np.array([5.0])})["y"].tolist() == [5]
    with pytest.raises(ModelRefused, match="gave a number in 'y' that int64 does not hold"):
        session.predict({"x": np.array([2.0**63])})


def test_wide_model_opens_in_time() -> None:
    """A model of ten thousand columns costs no more than its width."""
    session = opened(through(TensorProto.FLOAT, [None, 10_000]))
    assert len(session.signature.names) == 10_000
    row = dict.fromkeys(session.signature.names, 1.0)
    assert len(session.predict(read_records(session.signature, [row]).columns)) == 10_000
