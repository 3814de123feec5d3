"""Models of which each answers differently, so that an answer tells which of them gave it."""

from __future__ import annotations

import json

import numpy as np
from onnx import TensorProto, helper

from mlship.model.artifact import Card, sign
from mlship.model.session import SessionSpec, open_session
from mlship.model.signature import Column, Output, Signature, Tensor
from tests.benchmarks.link import Got, post
from tests.serve.models import graph_of


def scaled_model(factor: int, column: str = "x") -> bytes:
    """Return a signed model that multiplies one column."""
    graph = graph_of(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        [("x", TensorProto.DOUBLE, 1)],
        [("y", TensorProto.DOUBLE, 1)],
        {"factor": np.array([[float(factor)]])},
    )
    signature = Signature(
        inputs=(Column(column, "float64", "x"),),
        tensors=(Tensor("x", "float64"),),
        outputs=(Output("prediction", "float64", "value", "y"),),
    )
    return sign(graph, Card("scaled", f"v{factor}", {}, signature))


def wordy_model(size: int) -> bytes:
    """Return a signed model that answers each row with a text of so many characters."""
    nodes = [
        helper.make_node("Cast", ["x"], ["number"], to=TensorProto.INT64),
        helper.make_node(
            "LabelEncoder",
            ["number"],
            ["y"],
            domain="ai.onnx.ml",
            keys_int64s=[0],
            values_strings=["z"],
            default_string="w" * size,
        ),
    ]
    graph = graph_of(nodes, [("x", TensorProto.DOUBLE, 1)], [("y", TensorProto.STRING, 1)], {})
    signature = Signature(
        inputs=(Column("x", "float64", "x", nullable=False, finite=True),),
        tensors=(Tensor("x", "float64"),),
        outputs=(Output("prediction", "string", "label", "y"),),
    )
    return sign(graph, Card("wordy", "v1", {}, signature))


def digest_of(model: bytes) -> str:
    """Return a model's digest."""
    return open_session(SessionSpec(model)).digest


def ask(number: int) -> bytes:
    """Return the bytes of a request."""
    return post("/predict", json.dumps([{"x": float(number)}]).encode())


class Judge:
    """Holds each answer against the digest that it names.

    Attributes:
        factors: The factor of each model by its digest.
        named: How many answers named each factor.
    """

    def __init__(self) -> None:
        self.factors: dict[str, int] = {}
        self.named: dict[int, int] = {}

    def made(self, factor: int) -> bytes:
        """Return a model whose answers are known from now on."""
        model = scaled_model(factor)
        self.factors[digest_of(model)] = factor
        return model

    def __call__(self, number: int, got: Got) -> str:
        """Return the status of an answer, or `mixed`."""
        if got.status != 200:
            return str(got.status)
        answer = json.loads(got.body)
        factor = self.factors[answer["model"]["digest"]]
        self.named[factor] = self.named.get(factor, 0) + 1
        return "200" if answer["predictions"] == [{"prediction": float(number * factor)}] else "mixed"
