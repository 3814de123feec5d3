"""ONNX files that mlship did not write: their signature is read from the graph, and they are unproven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.errors import ModelRefused
from mlship.model.artifact import Card, RowPlan
from mlship.model.signature import Column, Dtype, Output, OutputDtype, Signature, Tensor, duplicates

if TYPE_CHECKING:
    import onnxruntime

_INPUTS: dict[str, tuple[str, Dtype]] = {
    "tensor(double)": ("float64", "float64"),
    "tensor(float)": ("float32", "float32"),
    "tensor(float16)": ("float16", "float32"),
    "tensor(int64)": ("int64", "int64"),
    "tensor(int32)": ("int32", "int64"),
    "tensor(int16)": ("int16", "int64"),
    "tensor(int8)": ("int8", "int64"),
    "tensor(bool)": ("bool", "bool"),
    "tensor(string)": ("string", "string"),
}
_OUTPUTS: dict[str, OutputDtype] = {
    "tensor(double)": "float64",
    "tensor(float)": "float64",
    "tensor(float16)": "float64",
    "tensor(string)": "string",
    "tensor(bool)": "bool",
    **dict.fromkeys((f"tensor({sign}int{bits})" for sign in ("", "u") for bits in (8, 16, 32, 64)), "int64"),  # type: ignore[dict-item]
}
_ML_DOMAIN = "ai.onnx.ml"


def without_zipmap(data: bytes) -> tuple[bytes, dict[str, list[Any]]]:
    """Take the ZipMap operators off the outputs of a graph.

    ZipMap, which skl2onnx adds by default, turns a probability matrix into a list of dictionaries.

    Args:
        data: A serialized model.

    Returns:
        The model giving the matrix under the same output name, and the class labels of each such output.
    """
    if b"ZipMap" not in data:
        return data, {}
    import onnx

    model = onnx.load_from_string(data)
    labels: dict[str, list[Any]] = {}
    for node in [node for node in model.graph.node if node.op_type == "ZipMap" and node.domain == _ML_DOMAIN]:
        output = next((item for item in model.graph.output if item.name == node.output[0]), None)
        if output is None:
            continue
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        names = attributes.get("classlabels_int64s") or [
            text.decode() for text in attributes.get("classlabels_strings", [])
        ]
        labels[output.name] = list(names)
        output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [None, len(names)]))
        model.graph.node.append(onnx.helper.make_node("Identity", [node.input[0]], [output.name]))
        model.graph.node.remove(node)
    return model.SerializeToString(), labels


def card_of(
    runtime: onnxruntime.InferenceSession, labels: dict[str, list[Any]], path: Path | None, digest: str
) -> Card:
    """Make the card of a foreign model from its graph.

    An input of shape [rows] or [rows, 1] is one column with the input's name; [rows, k] is the columns
    `<name>_0` and on; outputs likewise.

    Args:
        runtime: The opened graph.
        labels: Class labels by output name, as `without_zipmap` found them.
        path: Its file, whose stem becomes its name.
        digest: Its digest, whose first 12 characters become its version.

    Raises:
        ModelRefused: An input or output is no table of columns, or the names clash.
    """
    columns: list[Column] = []
    tensors: list[Tensor] = []
    outputs: list[Output] = []
    fixed: set[int] = set()
    for item in runtime.get_inputs():
        if item.type not in _INPUTS:
            raise _no_table("input", item, "its type is none of a table's")
        tensor_dtype, dtype = _INPUTS[item.type]
        width, rows = _shape("input", item)
        fixed |= rows
        tensors.append(Tensor(item.name, tensor_dtype, flat=len(item.shape) == 1))
        limit = _limit(tensor_dtype)
        columns += [
            Column(name, dtype, item.name, nullable=_holds_null(tensor_dtype), limit=limit)
            for name in _names(item.name, width)
        ]
    for item in runtime.get_outputs():
        if item.type not in _OUTPUTS:
            raise _no_table("output", item, "its type is none of a table's")
        width, rows = _shape("output", item)
        fixed |= rows
        known = labels.get(item.name)
        names = [f"{item.name}_{label}" for label in known] if known else _names(item.name, width)
        single = width is None
        outputs += [
            Output(name, _OUTPUTS[item.type], "raw", item.name, None if single else index)
            for index, name in enumerate(names)
        ]
    if len(fixed) > 1:
        raise ModelRefused(f"The graph has inputs and outputs of {sorted(fixed)} rows, which is no table.")
    for kind, names in (("input", [c.name for c in columns]), ("output", [o.name for o in outputs])):
        if duplicates(names):
            raise ModelRefused(f"The graph gives two {kind} columns the name '{duplicates(names)[0]}'.")
    return Card(
        name=path.stem if path else "model",
        version=digest[:12],
        labels={},
        signature=Signature(tuple(columns), tuple(tensors), tuple(outputs)),
        rows=RowPlan(fixed=fixed.pop() if fixed else None),
    )


def _shape(kind: str, item: Any) -> tuple[int | None, set[int]]:
    """Width (None for one column) and the fixed number of rows, if there is one."""
    shape = item.shape
    if len(shape) not in (1, 2):
        raise _no_table(kind, item, f"it has {len(shape)} dimensions, a table has 1 or 2")
    rows = {shape[0]} if isinstance(shape[0], int) and shape[0] > 0 else set()
    if len(shape) == 1:
        return None, rows
    if not isinstance(shape[1], int):
        raise _no_table(kind, item, "its number of columns is not fixed")
    return (None if shape[1] == 1 else shape[1]), rows


def _names(name: str, width: int | None) -> list[str]:
    return [name] if width is None else [f"{name}_{index}" for index in range(width)]


def _holds_null(tensor_dtype: str) -> bool:
    return tensor_dtype.startswith("float")


def _limit(tensor_dtype: str) -> float | None:
    """The largest magnitude that an integer tensor narrower than int64 holds."""
    import numpy as np

    if not tensor_dtype.startswith("int") or tensor_dtype == "int64":
        return None
    return float(np.iinfo(tensor_dtype).max)


def _no_table(kind: str, item: Any, why: str) -> ModelRefused:
    return ModelRefused(
        f"The graph's {kind} '{item.name}' ({item.type}, shape {item.shape}) is no table of columns: {why}.",
        code="not_a_table",
    )
