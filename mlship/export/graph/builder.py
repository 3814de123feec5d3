"""An ONNX graph under construction: nodes, constants kept once, and only what an output needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 21, 5, 10
"""The default domain's opset, that of `ai.onnx.ml` whose TreeEnsemble takes float64, and the file format's version."""

ELEMENTS: dict[str, int] = {
    "float64": TensorProto.DOUBLE,
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}
"""Element types of tensors by their numpy names."""


class Graph:
    """Nodes in the order in which they were added, which is an order in which they can run."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count = 0
        self._known: list[dict[bytes, str]] = [{}]  # what each node is, and its output; one mapping for each open body

    def name(self, kind: str) -> str:
        """Return a name that nothing else in the graph has."""
        self._count += 1
        return f"{kind}_{self._count}"

    def input(self, name: str, dtype: str, width: int) -> str:
        """Declare an input [rows, width] and return its name."""
        self._inputs.append(helper.make_tensor_value_info(name, ELEMENTS[dtype], ["rows", width]))
        return name

    def output(self, name: str, tensor: str, dtype: str, width: int) -> None:
        """Declare an output [rows, width] under a name of its own."""
        self.node("Identity", [tensor], out=name)
        self._outputs.append(helper.make_tensor_value_info(name, ELEMENTS[dtype], ["rows", width]))

    def constant(self, values: Any) -> str:
        """Return the name of a constant tensor; equal ones are kept once.

        Args:
            values: An array of float64, float32, int64, int32, bool or of str.
        """
        array = np.asarray(values)
        if array.dtype.kind in "UO":
            array = array.astype(object)
            content = b"\0".join(str(value).encode("utf-8", "surrogatepass") for value in array.ravel().tolist())
        else:
            array = np.ascontiguousarray(array).reshape(array.shape)
            content = array.tobytes()
        key = (str(array.dtype), array.shape, content)
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, self.name("constant"))
        return self._constants[key].name

    def node(
        self, op: str, inputs: Sequence[str], *, domain: str = "", out: str | None = None, **attributes: Any
    ) -> str:
        """Add an operator of one output and return the output's name; an empty input name leaves that input out.

        The same operator on the same inputs is added once.
        """
        node = helper.make_node(op, list(inputs), [""], domain=domain, **attributes)
        key = node.SerializeToString(deterministic=True)
        if out is None:
            for known in self._known:
                if key in known:
                    return known[key]
        name = out or self.name(op.lower())
        node.output[0] = name
        self._nodes.append(node)
        self._known[-1][key] = name
        return name

    def nodes(
        self, op: str, inputs: Sequence[str], *, outputs: int, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """Add an operator of several outputs and return their names."""
        names = tuple(self.name(op.lower()) for _ in range(outputs))
        self._nodes.append(helper.make_node(op, list(inputs), list(names), domain=domain, **attributes))
        return names

    def body(
        self,
        outputs: Sequence[tuple[str, str]],
        inputs: Sequence[tuple[str, str]],
        begin: int,
        *,
        scalars: Sequence[str] = (),
    ) -> Any:
        """Cut the nodes added since `begin` out of the graph, as the body of a Loop, Scan or If.

        Args:
            outputs: Name and dtype of each of the body's outputs.
            inputs: Name and dtype of each of its inputs; constants of the graph are seen from within.
            begin: What `mark` returned before the first node of the body was added.
            scalars: Names of the inputs that have no axes, as the first two of a Loop have to say.
        """
        shapes: dict[str, list[int] | None] = {name: [] if name in scalars else None for name, _ in inputs}
        nodes = self._nodes[begin:]
        del self._nodes[begin:]
        self._known.pop()
        return helper.make_graph(
            nodes,
            self.name("body"),
            [helper.make_tensor_value_info(name, ELEMENTS[dtype], shapes[name]) for name, dtype in inputs],
            [helper.make_tensor_value_info(name, ELEMENTS[dtype], None) for name, dtype in outputs],
        )

    def mark(self) -> int:
        """Begin a body and return the place at which its first node will stand; see `body`."""
        self._known.append({})
        return len(self._nodes)

    def model(self) -> onnx.ModelProto:
        """Return the model: what an output needs, all else left out."""
        nodes = self._live()
        used = {name for node in nodes for name in _taken(node)}
        graph = helper.make_graph(
            nodes,
            "mlship",
            self._inputs,
            self._outputs,
            [tensor for tensor in self._constants.values() if tensor.name in used],
        )
        domains = {node.domain for node in nodes} | {""}
        opsets = [helper.make_opsetid("", OPSET)]
        if "ai.onnx.ml" in domains:
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        if "com.microsoft" in domains:
            opsets.append(helper.make_opsetid("com.microsoft", 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="mlship")

    def _live(self) -> list[onnx.NodeProto]:
        needed = {item.name for item in self._outputs}
        live = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(_taken(node))
                live.append(node)
        return live[::-1]


def _taken(node: onnx.NodeProto) -> set[str]:
    """Names of all tensors that a node reads, those read within its body included."""
    names = set(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                names |= _taken(inner)
            names.update(item.name for item in attribute.g.output)
    return names
