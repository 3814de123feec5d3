"""Small models made node by node, signed as export signs them: the answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from mlship.model.artifact import Card, Proof, RowPlan, sign
from mlship.model.golden import Golden
from mlship.model.session import SessionSpec, open_session
from mlship.model.signature import Column, Output, Signature, Tensor
from mlship.model.values.codes import Array

WEIGHTS = (2.0, -1.0)
CITIES = {"Porto": 0.5, "Lisboa": -0.5}
NUMBERS = ("my age", "São é")
OPSETS = (helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3))


def expected_score(first: float, second: float, city: str) -> float:
    """Return what the model answers as `score`."""
    return WEIGHTS[0] * first + WEIGHTS[1] * second + CITIES[city]


def city_graph() -> bytes:
    """Return a graph: score = numbers [N, 2] times WEIGHTS, plus a number for the city [N, 1]; double throughout."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["city"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=list(CITIES),
            values_floats=list(CITIES.values()),
            default_float=0.0,
        ),
        helper.make_node("Cast", ["code"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["numbers", "weights"], ["product"]),
        helper.make_node("Add", ["product", "wide"], ["score"]),
        helper.make_node("Greater", ["score", "zero"], ["above"]),
        helper.make_node("Cast", ["above"], ["index"], to=TensorProto.INT64),
        helper.make_node(
            "LabelEncoder",
            ["index"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=[0, 1],
            values_strings=["no", "yes"],
            default_string="no",
        ),
    ]
    return graph_of(
        nodes,
        inputs=[("numbers", TensorProto.DOUBLE, 2), ("city", TensorProto.STRING, 1)],
        outputs=[("score", TensorProto.DOUBLE, 1), ("label", TensorProto.STRING, 1)],
        constants={"weights": np.array(WEIGHTS).reshape(2, 1), "zero": np.zeros((1, 1))},
    )


def city_model(golden_shift: float = 0.0, version: str = "v1") -> bytes:
    """Return a signed model named `cities` with the columns `my age`, `São é` and `city`.

    Args:
        golden_shift: Added to the golden rows' scores; other than 0, the model no longer answers as it did.
        version: Its version.
    """
    signature = Signature(
        inputs=(
            Column(NUMBERS[0], "float64", "numbers", nullable=False, finite=True),
            Column(NUMBERS[1], "float64", "numbers"),
            Column("city", "category", "city", nullable=False, categories=tuple(CITIES), unknown=False),
        ),
        tensors=(Tensor("numbers", "float64"), Tensor("city", "string")),
        outputs=(
            Output("prediction", "string", "label", "label"),
            Output("score", "float64", "score", "score"),
        ),
    )
    golden = {
        NUMBERS[0]: np.array([1.0, 2.5, -3.0]),
        NUMBERS[1]: np.array([np.nan, 0.25, 4.0]),
        "city": _texts(["Porto", "Lisboa", "Porto"]),
    }
    return signed(city_graph(), Card("cities", version, {}, signature), golden, golden_shift)


def sum_model(names: tuple[str, ...], dtype: Any = "float64", baseline: dict[str, Any] | None = None) -> bytes:
    """Return a signed model named `sum` that adds up columns of these names."""
    return sign(sum_graph(names), Card("sum", "v1", {}, sum_signature(names, dtype), baseline=baseline))


def sum_graph(names: tuple[str, ...], more: float = 0.0) -> bytes:
    """Return a graph that adds up so many columns, and a number."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["bare"], keepdims=1),
        helper.make_node("Add", ["bare", "more"], ["sum"]),
    ]
    return graph_of(
        nodes,
        inputs=[("x", TensorProto.DOUBLE, len(names))],
        outputs=[("sum", TensorProto.DOUBLE, 1)],
        constants={"axis": np.array([1], dtype=np.int64), "more": np.array([[more]])},
    )


def sum_signature(names: tuple[str, ...], dtype: Any = "float64") -> Signature:
    """Return the signature of that graph."""
    return Signature(
        inputs=tuple(Column(name, dtype, "x") for name in names),
        tensors=(Tensor("x", "float64"),),
        outputs=(Output("prediction", "float64", "value", "sum"),),
    )


def foreign_model() -> bytes:
    """Return an ONNX file that mlship did not sign: input `x` [N, 2] of floats, output `y` [N, 1]."""
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["y"])]
    constants = {"weights": np.array(WEIGHTS, dtype=np.float32).reshape(2, 1)}
    return graph_of(nodes, [("x", TensorProto.FLOAT, 2)], [("y", TensorProto.FLOAT, 1)], constants)


def signed(graph: bytes, card: Card, golden: Mapping[str, Array], shift: float = 0.0) -> bytes:
    """Sign a graph with golden rows that hold its own answers, moved by `shift` where they are numbers."""
    rows = len(next(iter(golden.values())))
    session = open_session(SessionSpec(sign(graph, card)))
    answers = session.predict(golden)
    for name, values in answers.items():
        if values.dtype.kind == "f":
            answers[name] = values.astype(np.float64) + shift
    proof = Proof({"synthetic": rows}, 1.0, 0.0, 1e-12, "float64", "exact")
    full = replace(
        card,
        rows=RowPlan(multiple=4),
        golden=Golden(rows, 1e-12, golden, answers),
        parity=proof,
        provenance={"versions": {"onnxruntime": "1.0"}},
    )
    return sign(graph, full)


def _texts(values: list[str]) -> Array:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def graph_of(
    nodes: list[onnx.NodeProto],
    inputs: list[tuple[str, int, int]],
    outputs: list[tuple[str, int, int]],
    constants: Mapping[str, Any],
) -> bytes:
    """Return an unsigned model.

    Args:
        nodes: Its nodes.
        inputs: Name, element type and width of each input [rows, width].
        outputs: The same of each output.
        constants: Values by name.
    """

    def values(items: list[tuple[str, int, int]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, kind, [None, width]) for name, kind, width in items]

    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", values(inputs), values(outputs), initializers)
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
