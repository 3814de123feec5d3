"""ONNX files that mlship did not write: their signature is read from the graph, and they are unproven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship import extras
from mlship.errors import ModelRefused
from mlship.model.artifact import Card, RowPlan
from mlship.model.signature import Column, Dtype, Output, OutputDtype, Signature, Tensor, duplicates

if TYPE_CHECKING:
    import onnxruntime

ELEMENTS = {
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""The runtime's names of tensor types, and numpy's of their elements; no others make columns."""
_ML_DOMAIN = "ai.onnx.ml"


def without_zipmap(data: bytes) -> tuple[bytes, dict[str, list[Any]]]:
    """Take the ZipMap operators off the outputs of a graph.

    ZipMap, which skl2onnx adds by default, turns a probability matrix into a list of dictionaries.

    Args:
        data: A serialized model.

    Returns:
        The model giving the matrix under the same output name, and the class labels of each such output.

    Raises:
        DependencyMissing: There is such an operator, and the onnx package is not installed.
        ModelRefused: The onnx package cannot read the model.
    """
    if b"ZipMap" not in data:
        return data, {}
    onnx: Any = extras.load("onnx", needed_for="A model that ends in ZipMap", hint="pip install onnx")
    try:
        return _taken_off(onnx, data)
    except Exception as error:  # its parser's exception types are not public
        raise ModelRefused("The model is damaged: the onnx package cannot read it.", code="not_onnx") from error


def _taken_off(onnx: Any, data: bytes) -> tuple[bytes, dict[str, list[Any]]]:
    model = onnx.load_from_string(data)
    labels: dict[str, list[Any]] = {}
    zipmaps = [node for node in model.graph.node if node.op_type == "ZipMap" and node.domain == _ML_DOMAIN]
    for node in zipmaps:
        if not node.input or not node.output:  # the runtime says what is wrong with it
            continue
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
        width, rows = _shape("input", item)
        fixed |= rows
        element = ELEMENTS[item.type]
        tensors.append(Tensor(item.name, element, flat=len(item.shape) == 1))
        nullable = element.startswith("float")
        columns += [Column(name, _read_as(element), item.name, nullable) for name in _names(item.name, width)]
    for item in runtime.get_outputs():
        width, rows = _shape("output", item)
        fixed |= rows
        known = labels.get(item.name)
        names = [f"{item.name}_{label}" for label in known] if known else _names(item.name, width)
        dtype = _given_as(ELEMENTS[item.type])
        outputs += [
            Output(name, dtype, "raw", item.name, None if width is None else index) for index, name in enumerate(names)
        ]
    if len(fixed) > 1:
        raise _refused(f"has inputs and outputs of {sorted(fixed)} rows, which is no table")
    for kind, all_names in (("input", [c.name for c in columns]), ("output", [o.name for o in outputs])):
        if not all_names:
            raise _refused(f"has no {kind}s")
        if twice := duplicates(all_names):
            raise _refused(f"gives two {kind} columns the name {twice[0]!r}")
    signature = Signature(tuple(columns), tuple(tensors), tuple(outputs))
    signature.check()
    return Card(
        name=path.stem if path else "model",
        version=digest[:12],
        labels={},
        signature=signature,
        rows=RowPlan(fixed=fixed.pop() if fixed else None),
    )


def _read_as(element: str) -> Dtype:
    """The dtype of the column that feeds a tensor; the rules of values see to it that the tensor can hold the value."""
    if element in ("float64", "bool", "string"):
        return element  # type: ignore[return-value]
    return "float32" if element.startswith("float") else "int64"


def _given_as(element: str) -> OutputDtype:
    if element in ("bool", "string"):
        return element  # type: ignore[return-value]
    return "float64" if element.startswith("float") else "int64"


def _shape(kind: str, item: Any) -> tuple[int | None, set[int]]:
    """Width (None for one column) and the fixed number of rows, if there is one."""
    if item.type not in ELEMENTS:
        raise _no_table(kind, item, "its type is none of a table's")
    shape = item.shape
    if len(shape) not in (1, 2):
        raise _no_table(kind, item, f"it has {len(shape)} dimensions, a table has 1 or 2")
    rows = {shape[0]} if isinstance(shape[0], int) else set()
    if len(shape) == 1:
        width = 1
    elif isinstance(shape[1], int):
        width = shape[1]
    else:
        raise _no_table(kind, item, "its number of columns is not fixed")
    if width < 1 or min(rows, default=1) < 1:
        raise _no_table(kind, item, "it is empty")
    return (None if width == 1 else width), rows


def _names(name: str, width: int | None) -> list[str]:
    return [name] if width is None else [f"{name}_{index}" for index in range(width)]


def _no_table(kind: str, item: Any, why: str) -> ModelRefused:
    return _refused(
        f"has the {kind} {item.name!r} ({item.type}, shape {item.shape}), which is no table of columns: {why}"
    )


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"The graph {what}.", code="not_a_table")
