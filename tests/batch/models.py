"""Small models made node by node, whose answers can be worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from mlship.model.artifact import Card, Proof, sign
from mlship.model.golden import Golden
from mlship.model.signature import Column, Output, Signature, Tensor

CITIES = {"Porto": 0.5, "Lisboa": -0.5}
OUTPUT_NAMES = ("prediction", "score")


def expected_score(age: float, income: float, city: str) -> float:
    """Return what the town model answers as `score`."""
    return 2.0 * age - income + CITIES[city]


def expected_label(score: float) -> str:
    """Return what the town model answers as `prediction`."""
    return "yes" if not math.isnan(score) and score > 0 else "no"


def town_model(version: str = "v1", golden_shift: float | None = None, weight: float = -1.0) -> bytes:
    """Return a signed and proven model of `my age` (no null), `income` and `city` (no other than in training).

    Args:
        version: Its version.
        golden_shift: How far its golden row's score lies from what it answers; None for no golden rows.
        weight: What a unit of income adds to the score.
    """
    numbers = helper.make_node("MatMul", ["numbers", "weights"], ["product"])
    nodes = [
        _encoder("city", "code", keys_strings=list(CITIES), values_floats=list(CITIES.values()), default_float=0.0),
        helper.make_node("Cast", ["code"], ["wide"], to=TensorProto.DOUBLE),
        numbers,
        helper.make_node("Add", ["product", "wide"], ["score"]),
        helper.make_node("Greater", ["score", "zero"], ["above"]),
        helper.make_node("Cast", ["above"], ["index"], to=TensorProto.INT64),
        _encoder("index", "label", keys_int64s=[0, 1], values_strings=["no", "yes"], default_string="no"),
    ]
    graph = helper.make_graph(
        nodes,
        "town",
        [_table("numbers", TensorProto.DOUBLE, 2), _table("city", TensorProto.STRING, 1)],
        [_table("score", TensorProto.DOUBLE, 1), _table("label", TensorProto.STRING, 1)],
        [
            onnx.numpy_helper.from_array(np.array([[2.0], [weight]]), "weights"),
            onnx.numpy_helper.from_array(np.zeros((1, 1)), "zero"),
        ],
    )
    signature = Signature(
        inputs=(
            Column("my age", "float64", "numbers", nullable=False, finite=True),
            Column("income", "float64", "numbers"),
            Column("city", "category", "city", nullable=False, categories=tuple(CITIES), unknown=False),
        ),
        tensors=(Tensor("numbers", "float64"), Tensor("city", "string")),
        outputs=(Output("prediction", "string", "label", "label"), Output("score", "float64", "score", "score")),
    )
    proof = Proof({"synthetic": 3}, 1.0, 0.0, 1e-12, "float64", "exact")
    golden = None if golden_shift is None else _golden(golden_shift)
    return sign(_bytes(graph), Card("town", version, {}, signature, golden=golden, parity=proof))


def _golden(shift: float) -> Golden:
    inputs = {"my age": np.array([2.0]), "income": np.array([1.0]), "city": np.array(["Porto"], dtype=object)}
    score = expected_score(2.0, 1.0, "Porto")
    answers = {"prediction": np.array([expected_label(score)], dtype=object), "score": np.array([score + shift])}
    return Golden(1, 1e-12, inputs, answers)


def echo_model(column: str = "text") -> bytes:
    """Return a signed and proven model of one string column that gives it back as `prediction`."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["t"], ["y"])],
        "echo",
        [_table("t", TensorProto.STRING, 1)],
        [_table("y", TensorProto.STRING, 1)],
    )
    signature = Signature(
        inputs=(Column(column, "string", "t", nullable=False),),
        tensors=(Tensor("t", "string"),),
        outputs=(Output("prediction", "string", "label", "y"),),
        null_tokens=("NA",),
    )
    proof = Proof({"synthetic": 1}, 1.0, 0.0, 1e-12, "float64", "exact")
    return sign(_bytes(graph), Card("echo", "v1", {}, signature, parity=proof))


def foreign_model() -> bytes:
    """Return an ONNX file without anything of mlship's: input `x` [N, 2] of floats, outputs bool, int64 and float."""
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["y"]),
        helper.make_node("Greater", ["y", "zero"], ["above"]),
        helper.make_node("Cast", ["above"], ["index"], to=TensorProto.INT64),
    ]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [_table("x", TensorProto.FLOAT, 2)],
        [
            _table("above", TensorProto.BOOL, 1),
            _table("index", TensorProto.INT64, 1),
            _table("y", TensorProto.FLOAT, 1),
        ],
        [
            onnx.numpy_helper.from_array(np.array([[1.0], [0.5]], dtype=np.float32), "weights"),
            onnx.numpy_helper.from_array(np.zeros((1, 1), dtype=np.float32), "zero"),
        ],
    )
    return _bytes(graph)


def put_town(folder: Path, name: str = "town.onnx") -> Path:
    """Write the town model into a folder and return its path."""
    path = folder / name
    path.write_bytes(town_model())
    return path


def _encoder(source: str, target: str, **keys: Any) -> onnx.NodeProto:
    return helper.make_node("LabelEncoder", [source], [target], domain="ai.onnx.ml", **keys)


def _table(name: str, kind: int, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [None, width])


def _bytes(graph: onnx.GraphProto) -> bytes:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
