"""A fitted estimator becomes an ONNX graph in its own arithmetic, which for scikit-learn is double precision."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlship.errors import MlshipError, NotConvertible
from mlship.export.answers import Asked, AskedMethod
from mlship.export.graph.builder import Graph
from mlship.export.graph.context import Anchor, Context
from mlship.export.graph.expr import Expr, Kind
from mlship.export.graph.table import Cell, Lane, Table
from mlship.export.infer import Draft, Schema
from mlship.export.narrow import narrowed
from mlship.export.precision import Precision
from mlship.model.signature import Output, Tensor

_NUMBERS, _TEXTS = "numbers", "texts"
_ELEMENTS: dict[str, Kind] = {_NUMBERS: "float64", _TEXTS: "string"}
_LABELS: dict[str, Kind] = {"int64": "int64", "float64": "float64", "bool": "bool", "string": "string"}


@dataclass(frozen=True)
class Converted:
    """A graph.

    Attributes:
        graph: The serialized model, without metadata.
        tensors: Its inputs.
        feeds: Name of the input that each column of the schema feeds, in order.
        outputs: The output columns, bound to the graph's outputs.
        anchors: What the estimators know of each column of the schema.
        limits: Magnitudes of columns beyond which answers hang on rounding, by place in the schema.
        arithmetic: What it computes in, `float64` or `float32`.
    """

    graph: bytes
    tensors: tuple[Tensor, ...]
    feeds: tuple[str, ...]
    outputs: tuple[Output, ...]
    anchors: tuple[Anchor, ...]
    limits: dict[int, float]
    arithmetic: str = "float64"


def convert(estimator: Any, schema: Schema, asked: Asked, precision: Precision = "auto") -> Converted:
    """Convert an estimator.

    Args:
        estimator: The fitted estimator.
        schema: Its columns.
        asked: Which of its methods answer, and the output columns wanted of each.
        precision: Arithmetic of the graph; see `Context`.

    Raises:
        NotConvertible: A step cannot be converted, named by its path.
    """
    graph = Graph()
    context = Context(graph, precision, root=type(estimator).__name__.lower())
    feeds = tuple(_TEXTS if draft.kind == "string" else _NUMBERS for draft in schema.columns)
    table = _input(graph, schema.columns, feeds, width=schema.width)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # reading a fitted estimator may warn of what its user did
            outputs = [output for method in asked.methods for output in _written(context, estimator, method, table)]
    except (MlshipError, MemoryError):
        raise
    except Exception as error:  # a fitted object can be of any shape that its user gave it
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise NotConvertible(
            f"{context.failed or type(estimator).__name__}: converting it failed: {type(error).__name__}: {reason}",
            code="converter_failed",
        ) from error
    model = graph.model()
    dtypes: dict[str, Kind] = dict(_ELEMENTS)
    if precision == "float32":
        model, dtypes[_NUMBERS] = narrowed(model), "float32"
    return Converted(
        model.SerializeToString(deterministic=True),
        tuple(Tensor(name, dtypes[name]) for name in dict.fromkeys(feeds)),
        feeds,
        tuple(outputs),
        tuple(context.anchors.get(place, Anchor()) for place in range(len(schema.columns))),
        context.limits,
        "float32" if precision == "float32" else context.arithmetic,
    )


def check_supported(estimator: Any, schema: Schema) -> None:
    """Look for a step that cannot be converted, of an estimator of which it is not known what it answers.

    Raises:
        NotConvertible: There is one, named by its path.
    """
    graph = Graph()
    context = Context(graph, root=type(estimator).__name__.lower())
    feeds = tuple(_TEXTS if draft.kind == "string" else _NUMBERS for draft in schema.columns)
    table = _input(graph, schema.columns, feeds, width=schema.width)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if hasattr(estimator, "predict"):
                context.answer(estimator, "predict", table)
            else:
                context.transform(estimator, table)
    except (MlshipError, MemoryError):
        raise
    except Exception:  # noqa: BLE001  a step that fails says less than what the estimator said of the rows
        return


def _input(graph: Graph, drafts: Sequence[Draft], feeds: Sequence[str], *, width: int) -> Table:
    """The table that the estimator is given, as wide as it was fitted on; the first column stands for ignored ones."""
    tensors = {
        name: Expr(graph, graph.input(name, _ELEMENTS[name], feeds.count(name)), _ELEMENTS[name])
        for name in dict.fromkeys(feeds)
    }
    seen = dict.fromkeys(tensors, 0)
    cells = []
    for place, name in enumerate(feeds):
        cells.append(Cell(tensors[name], seen[name], feeds.count(name), Lane(place)))
        seen[name] += 1
    places = {draft.position: place for place, draft in enumerate(drafts)}
    return Table(tuple(cells[places.get(position, 0)] for position in range(width)))


def _written(context: Context, estimator: Any, method: AskedMethod, table: Table) -> list[Output]:
    """Write one method of the estimator as outputs of the graph, and bind the output columns to them."""
    name = method.name
    if name == "transform":
        return _transformed(context, context.transform(estimator, table), method)
    value = context.answer(estimator, name, table)
    width = len(method.outputs)
    if method.classes is None:
        kind: Kind = "int64" if method.outputs[0].dtype == "int64" else "float64"
        context.graph.output(name, value.cast(kind).name, kind, width)
        return _bound(name, method.outputs)
    found = []
    for target, (classes, output) in enumerate(zip(method.classes, method.outputs, strict=True)):
        index = value if width == 1 else value.columns([target])
        kind = _LABELS[output.dtype]
        label = context.constant(classes.astype(object if kind == "string" else kind), kind).rows_of(index)
        tensor = name if width == 1 else f"{name}_{target}"
        context.graph.output(tensor, label.name, kind, 1)
        found.append(replace(output, tensor=tensor, index=None))
    return found


def _bound(tensor: str, outputs: Sequence[Output]) -> list[Output]:
    if len(outputs) == 1:
        return [replace(outputs[0], tensor=tensor, index=None)]
    return [replace(output, tensor=tensor, index=index) for index, output in enumerate(outputs)]


def _transformed(context: Context, table: Table, method: AskedMethod) -> list[Output]:
    """The columns of a transformer: one output of numbers, one of texts."""
    if not table.width:
        raise NotConvertible("The model gives no columns.", code="not_supported")
    found: dict[int, Output] = {}
    for text, tensor in ((False, "transform"), (True, "transform_texts")):
        places = [place for place, cell in enumerate(table.cells) if cell.text == text]
        if places:
            part = table.select(places)
            value = part.texts() if text else part.numbers()
            context.graph.output(tensor, value.name, value.kind, len(places))
            for place, output in zip(places, _bound(tensor, [method.outputs[place] for place in places]), strict=True):
                found[place] = replace(output, dtype="string" if text else output.dtype)
    return [found[place] for place in range(table.width)]
