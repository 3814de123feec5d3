"""A fitted estimator becomes an ONNX graph in double precision."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.base import is_classifier

from mlship.errors import MlshipError, NotConvertible
from mlship.export.columns import parsers
from mlship.export.converters import CONVERTERS
from mlship.export.converters.family import TREES_DOMAIN
from mlship.export.infer import Schema
from mlship.export.prepare import by_position
from mlship.model.signature import Output, Tensor

OPSET = 21
"""The default domain's opset: the newest on which skl2onnx 1.20 was tested, less one."""
_ML_OPSET_GIVEN, _ML_OPSET = 3, 5  # what skl2onnx may use, and what TreeEnsemble needs; 3 is a subset of 5
_IR_VERSION = 10
_INPUT = "input"


@dataclass(frozen=True)
class Converted:
    """A graph.

    Attributes:
        graph: The serialized model, without metadata.
        tensors: Its inputs.
        feeds: Name of the input that each column of the schema feeds, in order.
        outputs: The output columns, taken from the graph's own outputs.
    """

    graph: bytes
    tensors: tuple[Tensor, ...]
    feeds: tuple[str, ...]
    outputs: tuple[Output, ...]


def feeds_of(schema: Schema) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """Decide the graph's inputs: one tensor [rows, columns] when all columns are numbers, else one a column.

    Returns:
        The inputs, and for each column of the schema the name of the one that it feeds.
    """
    if all(draft.kind != "string" for draft in schema.columns):
        return (Tensor(_INPUT, "float64"),), tuple(_INPUT for _ in schema.columns)
    names = tuple(f"c{index}" for index in range(len(schema.columns)))
    dtypes = ("string" if draft.kind == "string" else "float64" for draft in schema.columns)
    return tuple(Tensor(name, dtype) for name, dtype in zip(names, dtypes, strict=True)), names


def convert(estimator: Any, schema: Schema, outputs: Sequence[Output]) -> Converted:
    """Convert an estimator.

    Args:
        estimator: The fitted estimator.
        schema: Its columns.
        outputs: The output columns wanted; the n-th tensor among them is the n-th that the converter gives.

    Raises:
        NotConvertible: A step has no converter, or its converter failed.
    """
    tensors, feeds = feeds_of(schema)
    widths = [feeds.count(tensor.name) for tensor in tensors]
    types = [
        (tensor.name, (StringTensorType if tensor.dtype == "string" else DoubleTensorType)([None, width]))
        for tensor, width in zip(tensors, widths, strict=True)
    ]
    wanted = list(dict.fromkeys(output.tensor for output in outputs))
    given = _converted(by_position(estimator, schema), types, raw_scores="score" in wanted)
    model = _finished(given, len(wanted))
    names = dict(zip(wanted, (item.name for item in model.graph.output), strict=True))
    return Converted(
        model.SerializeToString(deterministic=True),
        tensors,
        feeds,
        tuple(replace(output, tensor=names[output.tensor]) for output in outputs),
    )


def _converted(estimator: Any, types: list[tuple[str, Any]], *, raw_scores: bool) -> onnx.ModelProto:
    options = {"zipmap": False, **({"raw_scores": True} if raw_scores else {})}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations within the converter are its own business
            model: onnx.ModelProto = convert_sklearn(
                estimator,
                name="mlship",
                initial_types=types,
                target_opset={"": OPSET, "ai.onnx.ml": _ML_OPSET_GIVEN},
                options={id(estimator): options} if is_classifier(estimator) else None,
                custom_parsers=parsers(),
                custom_conversion_functions={kind: convert for kind, (_, convert) in CONVERTERS.items()},
                custom_shape_calculators={kind: shape for kind, (shape, _) in CONVERTERS.items()},
            )
            return model
    except MlshipError:
        raise
    except Exception as error:  # converters fail in any way that code can
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise NotConvertible(
            f"{type(estimator).__name__} could not be converted to ONNX: {reason}", code="converter_failed"
        ) from error


def _finished(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    """Keep the outputs wanted, import each opset once, and put tree nodes into their domain."""
    for node in model.graph.node:
        if node.domain == TREES_DOMAIN:
            node.domain = "ai.onnx.ml"
    if len(model.graph.output) < wanted:
        raise NotConvertible("The converter gave fewer outputs than the model has.", code="converter_failed")
    del model.graph.output[wanted:]
    del model.opset_import[:]
    model.opset_import.extend([onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", _ML_OPSET)])
    model.ir_version = _IR_VERSION
    model.producer_name, model.producer_version, model.domain = "mlship", "", ""
    return model
