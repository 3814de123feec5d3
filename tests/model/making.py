"""Signatures, graphs and artifacts that are small enough to work out their answers by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from mlship.errors import ModelRefused
from mlship.model import wire
from mlship.model.artifact import PREFIX, Card, Proof, RowPlan, read_artifact, sign
from mlship.model.golden import Golden
from mlship.model.session import Purpose, Session, SessionSpec, open_session
from mlship.model.signature import NULL_TEXT, Column, Output, Signature, Tensor

WEIGHTS = (2.0, -1.0)
OPSETS = (helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3))
IR_VERSION = 8
AWKWARD = ("my age", "my_age", "2x", "São é", "a\nb", 'it\'s "x"', "", " ", "location", "\u202e", "x" * 300, "日本")
"""Names that users give to columns."""


def value(name: str, element: int, *shape: int | str | None) -> ValueInfoProto:
    """Return an input or output of a graph."""
    return helper.make_tensor_value_info(name, element, shape)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: dict[str, Any] | None = None,
    **properties: str,
) -> bytes:
    """Return a serialized model.

    Args:
        nodes: Its nodes.
        inputs: Its inputs.
        outputs: Its outputs.
        constants: Its initializers.
        properties: Its metadata.
    """
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), initializers)
    made = helper.make_model(graph, opset_imports=list(OPSETS), ir_version=IR_VERSION)
    helper.set_model_props(made, properties)
    return bytes(made.SerializeToString())


def linear_graph() -> bytes:
    """Return a graph: score = x [rows, 2] times WEIGHTS, label = score > 0; in double precision."""
    return model(
        [
            helper.make_node("MatMul", ["x", "weights"], ["score"]),
            helper.make_node("Greater", ["score", "zero"], ["above"]),
            helper.make_node("Cast", ["above"], ["label"], to=TensorProto.INT64),
        ],
        [value("x", TensorProto.DOUBLE, None, 2)],
        [value("score", TensorProto.DOUBLE, None, 1), value("label", TensorProto.INT64, None, 1)],
        {"weights": np.array([[WEIGHTS[0]], [WEIGHTS[1]]]), "zero": np.array(0.0)},
    )


def linear_card(names: tuple[str, str] = ("my age", "São é")) -> Card:
    """Return the card of `linear_graph`, without golden rows."""
    return Card(
        name="linear",
        version="1",
        labels={"team": "blue"},
        signature=Signature(
            (Column(names[0], "float64", "x", nullable=False), Column(names[1], "float64", "x", nullable=False)),
            (Tensor("x", "float64"),),
            (Output("prediction", "int64", "label", "label"), Output("score", "float64", "score", "score")),
        ),
        parity=Proof({"typical": 3}, 1.0, 0.0, 1e-12, "float64", "exact"),
        provenance={"source": {"sha256": "0" * 64, "type": "pickle"}, "versions": {"onnxruntime": "1.2.3"}},
    )


def linear_golden(names: tuple[str, str] = ("my age", "São é")) -> Golden:
    """Return golden rows of `linear_graph`."""
    return Golden(
        rows=3,
        tolerance=1e-12,
        inputs={names[0]: np.array([1.0, 0.0, 0.25]), names[1]: np.array([1.0, 3.0, -0.5])},
        outputs={"prediction": np.array([1, 0, 1]), "score": np.array([1.0, -3.0, 1.0])},
    )


def linear_artifact(**changes: Any) -> bytes:
    """Return `linear_graph` signed with its golden rows; keywords change the card."""
    return sign(linear_graph(), replace(linear_card(), **{"golden": linear_golden(), **changes}))


def one_column(dtype: Any, tensor: str | None = None, name: str = "a", **options: Any) -> Signature:
    """Return the signature of a model with one input column, fed to a tensor that holds every value of its dtype."""
    element = tensor or ("string" if dtype in ("string", "category") else "float64")
    return Signature(
        (Column(name, dtype, "x", **options),),
        (Tensor("x", element),),
        (Output("y", "float64", "value", "y"),),
    )


def counting_session(rows: RowPlan, purpose: Purpose = "single") -> Session:
    """Open a model that answers each row with the number of rows of the call and the row's own value."""
    graph = model(
        [
            helper.make_node("Shape", ["x"], ["shape"], start=0, end=1),
            helper.make_node("Cast", ["shape"], ["count"], to=TensorProto.DOUBLE),
            helper.make_node("Mul", ["x", "zero"], ["zeros"]),
            helper.make_node("Add", ["zeros", "count"], ["calls"]),
            helper.make_node("Identity", ["x"], ["same"]),
        ],
        [value("x", TensorProto.DOUBLE, None, 1)],
        [value("calls", TensorProto.DOUBLE, None, 1), value("same", TensorProto.DOUBLE, None, 1)],
        {"zero": np.array(0.0)},
    )
    signature = Signature(
        (Column("x", "float64", "x", nullable=False),),
        (Tensor("x", "float64"),),
        (Output("calls", "float64", "value", "calls"), Output("same", "float64", "value", "same")),
    )
    return open_session(SessionSpec(sign(graph, Card("count", "1", {}, signature, rows)), purpose))


MIXED_INPUTS = (
    Column("my age", "float64", "numbers"),
    Column("2x", "int64", "numbers"),
    Column("São é", "category", "city", categories=("Porto", "NA"), unknown=True),
    Column("when", "datetime", "when"),
    Column("day", "date", "day", nullable=False),
    Column("flag", "bool", "flag", nullable=False),
    Column("count", "int64", "count", nullable=False),
    Column("small", "float32", "small", finite=True),
)


def mixed_graph() -> bytes:
    """Return a graph with an input of every kind, each given back as it was fed."""
    elements: dict[str, tuple[int, tuple[int | None, ...]]] = {
        "numbers": (TensorProto.DOUBLE, (None, 2)),
        "city": (TensorProto.STRING, (None, 1)),
        "when": (TensorProto.DOUBLE, (None,)),
        "day": (TensorProto.INT64, (None, 1)),
        "flag": (TensorProto.BOOL, (None,)),
        "count": (TensorProto.INT64, (None, 1)),
        "small": (TensorProto.FLOAT, (None, 1)),
    }
    return model(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in elements],
        [value(name, element, *shape) for name, (element, shape) in elements.items()],
        [value(f"{name}_out", element, *shape) for name, (element, shape) in elements.items()],
    )


def mixed_card() -> Card:
    """Return the card of `mixed_graph`, with golden rows that hold every kind of null."""
    tensors = (
        *(Tensor(name, element) for name, element in (("numbers", "float64"), ("city", "string"))),
        Tensor("when", "float64", flat=True),
        Tensor("day", "int64"),
        Tensor("flag", "bool", flat=True),
        *(Tensor(name, element) for name, element in (("count", "int64"), ("small", "float32"))),
    )
    outputs = (
        Output("prediction", "float64", "value", "numbers_out", 0),
        Output("twice", "float64", "value", "numbers_out", 1),
        Output("city", "string", "label", "city_out"),
        Output("when_out", "float64", "value", "when_out"),
        Output("day_out", "int64", "value", "day_out"),
        Output("flag_out", "bool", "label", "flag_out"),
        Output("count_out", "int64", "value", "count_out"),
        Output("small_out", "float64", "value", "small_out"),
    )
    return Card(
        name="mixed",
        version="1",
        labels={"team": "blau, grün"},
        signature=Signature(MIXED_INPUTS, tensors, outputs, ("", "NA", "?")),
        rows=RowPlan(multiple=2),
        golden=mixed_golden(),
        baseline={"my age": {"missing": 0.5, "deciles": [0.0, 1.5]}},
        parity=Proof({"typical": 2, "null": 1}, 1.0, 2.5e-16, 1e-12, "float64", "exact"),
        provenance={"source": {"sha256": "0" * 64, "type": "pickle"}, "versions": {"onnxruntime": "1.2.3"}},
    )


def mixed_golden() -> Golden:
    """Return golden rows of `mixed_graph`: an ordinary one and one of nulls."""
    return Golden(
        rows=2,
        tolerance=1e-12,
        inputs={
            "my age": np.array([0.1, np.nan]),
            "2x": np.array([3.0, np.nan]),
            "São é": np.array(["Porto", None], dtype=object),
            "when": np.array(["2020-01-01T00:00:01", "NaT"], dtype="datetime64[us]"),
            "day": np.array(["1970-01-02", "2020-01-01"], dtype="datetime64[D]"),
            "flag": np.array([True, False]),
            "count": np.array([2**63 - 1, -(2**63)]),
            "small": np.array([0.1, np.nan], dtype=np.float32),
        },
        outputs={
            "prediction": np.array([0.1, np.nan]),
            "twice": np.array([3.0, np.nan]),
            "city": np.array(["Porto", NULL_TEXT], dtype=object),
            "when_out": np.array([1577836801e6, np.nan]),
            "day_out": np.array([1, 18262]),
            "flag_out": np.array([True, False]),
            "count_out": np.array([2**63 - 1, -(2**63)]),
            "small_out": np.array([0.1, np.nan], dtype=np.float32).astype(np.float64),
        },
    )


KEYS = (
    "format", "name", "version", "labels", "signature", "rows", "golden", "baseline", "parity", "provenance", "digest",
)  # fmt: skip
"""The artifact's own properties, each with the prefix `mlship.`."""


def refused(source: Path | bytes) -> ModelRefused:
    """Return the error with which a model is refused, after checking what all of them have."""
    with pytest.raises(ModelRefused) as caught:
        read_artifact(source)
    error = caught.value
    assert error.exit_code == 4
    assert "\n" not in error.message
    return error


def resigned(change: Callable[[dict[str, str]], Any]) -> bytes:
    """Return an artifact with changed metadata and a digest that fits, as an attacker would make it."""
    metadata = dict(wire.read_header(linear_artifact()).metadata)
    change(metadata)
    metadata[f"{PREFIX}digest"] = json.dumps("0" * 64)
    return with_digest(linear_graph() + b"".join(wire.metadata_entry(key, text) for key, text in metadata.items()))


def with_digest(data: bytes) -> bytes:
    """Write the digest of a file over the zeros that stand for it."""
    at = wire.read_header(data).value_offsets[f"{PREFIX}digest"] + 1
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + 64 :]


def with_value(key: str, given: Any) -> bytes:
    """Return an artifact signed anew with another value of a key."""
    return resigned(lambda metadata: metadata.update({PREFIX + key: json.dumps(given)}))
