"""What the converters share: the types of skl2onnx's interface, and a short way to add nodes to a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import numpy_helper

Shape = Callable[[Any], None]
Convert = Callable[[Any, Any, Any], None]
Family = dict[type, tuple[Shape, Convert]]

TREES_DOMAIN = "mlship.trees"
"""Domain under which tree nodes travel through skl2onnx, which knows ai.onnx.ml only up to 3; the finished graph has
them in ai.onnx.ml 5 (https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html)."""

DOUBLE, FLOAT, INT64 = 11, 1, 7  # TensorProto.DataType


class Graph:
    """Adds nodes to the graph that skl2onnx is building, naming what lies between them.

    Args:
        scope: skl2onnx's scope, which gives unique names.
        operator: The operator being converted.
        container: skl2onnx's container of nodes.
    """

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope = scope
        self._container = container
        self.inputs = [item.full_name for item in operator.inputs]
        self.outputs = [item.full_name for item in operator.outputs]

    def constant(self, values: Any) -> str:
        """Add a constant tensor (float64, int64, bool or str values) and return its name."""
        name = self._scope.get_unique_variable_name("constant")
        array = np.asarray(values)
        tensor = numpy_helper.from_array(array.astype(object) if array.dtype.kind == "U" else array, name)
        self._container.initializers.append(tensor)
        return str(name)

    def node(self, op: str, inputs: Sequence[str], out: str | None = None, *, since: int, **attributes: Any) -> str:
        """Add an operator of one output.

        Args:
            op: Its type in the default domain.
            inputs: Names of its inputs.
            out: Name of its output, or None for a new one.
            since: The opset version from which on the operator has had this form.
            attributes: Its attributes.

        Returns:
            The name of its output.
        """
        return self._add(op, "", since, inputs, out, attributes)

    def trees(self, inputs: Sequence[str], attributes: dict[str, Any]) -> str:
        """Add a tree ensemble and return the name of its output, shape [rows, n_targets]."""
        return self._add("TreeEnsemble", TREES_DOMAIN, 1, inputs, None, attributes)

    def _add(
        self, op: str, domain: str, since: int, inputs: Sequence[str], out: str | None, attributes: dict[str, Any]
    ) -> str:
        name = out or self._scope.get_unique_variable_name(op.lower())
        self._container.add_node(
            op,
            list(inputs),
            [name],
            op_domain=domain,
            op_version=since,
            name=self._scope.get_unique_operator_name(op),
            **attributes,
        )
        return str(name)

    def matrix(self) -> str:
        """Return the operator's inputs side by side as one tensor [rows, columns]."""
        return self.inputs[0] if len(self.inputs) == 1 else self.node("Concat", self.inputs, since=13, axis=1)
