"""A graph of double precision made one of single precision, for those who ask for it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def narrowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model in which every float64 is a float32: inputs, outputs, constants and casts."""
    narrow = onnx.ModelProto()
    narrow.CopyFrom(model)
    _narrow(narrow.graph)
    return narrow


def _narrow(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        tensor.CopyFrom(_single(tensor))
    for item in (*graph.input, *graph.output, *graph.value_info):
        if item.type.tensor_type.elem_type == TensorProto.DOUBLE:
            item.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.DOUBLE:
                attribute.i = TensorProto.FLOAT
            if attribute.HasField("t"):
                attribute.t.CopyFrom(_single(attribute.t))
            if attribute.HasField("g"):
                _narrow(attribute.g)


def _single(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """The tensor with its numbers rounded to float32; those beyond its range become infinite."""
    if tensor.data_type != TensorProto.DOUBLE:
        return tensor
    with np.errstate(over="ignore"):
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
