"""Models to look at: one with a sample, one of all kinds of values, and one whose every name is HTML."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import TensorProto, helper

from mlship.export.baseline import make_baseline, outputs_baseline
from mlship.model.artifact import Card, read_artifact, sign
from mlship.model.session import SessionSpec, open_session
from mlship.model.signature import Column, Output, Signature, Tensor
from tests.serve.models import CITIES, NUMBERS, city_graph, city_model, graph_of, sum_graph

HTML = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"
QUOTED = "\"'><b>x</b>&amp;\\"
KINDS = ("day", "moment", "yes or no", "whole", "missing")


def sampled_city_model(rows: int = 2_000) -> bytes:
    """Return the model of cities as an export with a sample would have signed it."""
    card = read_artifact(city_model()).card
    assert card is not None
    random = np.random.default_rng(1)
    cities = np.empty(rows, dtype=object)
    cities[:] = random.choice(list(CITIES), rows).tolist()
    sample = {NUMBERS[0]: random.normal(40, 10, rows), NUMBERS[1]: random.normal(size=rows), "city": cities}
    answers = open_session(SessionSpec(city_model())).predict(sample)
    baseline = make_baseline(card.signature.inputs, sample, rows)
    outputs = outputs_baseline(card.signature.outputs, answers, rows)
    return sign(city_graph(), replace(card, baseline={**baseline, "outputs": outputs}))


def kinds_model() -> bytes:
    """Return a model named `kinds` that adds up a date, a time, a bool, an exact integer and a nullable number."""
    dtypes = ("date", "datetime", "bool", "int64", "float64")
    columns = tuple(
        Column(name, dtype, "x", nullable=dtype == "float64", exact=dtype == "int64")  # type: ignore[arg-type]
        for name, dtype in zip(KINDS, dtypes, strict=True)
    )
    outputs = (Output("prediction", "float64", "value", "sum"),)
    signature = Signature(columns, (Tensor("x", "float64"),), outputs)
    return sign(sum_graph(KINDS), Card("kinds", "v1", {}, signature))


def html_model() -> bytes:
    """Return a model that answers one of two texts of HTML, and how sure it is; all its names are HTML too."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["text"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=[HTML, SCRIPT],
            values_floats=[1.0, 0.25],
            default_float=0.5,
        ),
        helper.make_node("Cast", ["code"], ["sure"], to=TensorProto.DOUBLE),
        helper.make_node(
            "LabelEncoder",
            ["text"],
            ["label"],
            domain="ai.onnx.ml",
            keys_strings=[HTML, SCRIPT],
            values_strings=[SCRIPT, HTML],
            default_string=QUOTED,
        ),
    ]
    graph = graph_of(
        nodes,
        [("text", TensorProto.STRING, 1)],
        [("label", TensorProto.STRING, 1), ("sure", TensorProto.DOUBLE, 1)],
        {},
    )
    column = Column(HTML, "category", "text", nullable=False, categories=(HTML, SCRIPT), unknown=True)
    outputs = (
        Output("prediction", "string", "label", "label"),
        Output(f"probability_{SCRIPT}", "float64", "probability", "sure"),
    )
    signature = Signature((column,), (Tensor("text", "string"),), outputs)
    return sign(graph, Card(SCRIPT, QUOTED, {HTML: SCRIPT}, signature))
