"""What the converters share: the types of skl2onnx's interface, and a short way to add nodes to a graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import numpy_helper
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType

from mlship.errors import NotConvertible

Shape = Callable[[Any], None]
Convert = Callable[[Any, Any, Any], None]
Family = dict[type, tuple[Shape, Convert]]

TREES_DOMAIN = "mlship.trees"
"""Domain under which tree nodes travel through skl2onnx, which knows ai.onnx.ml only up to 3; the finished graph has
them in ai.onnx.ml 5 (https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html)."""

DOUBLE, FLOAT, INT64 = 11, 1, 7  # TensorProto.DataType


def is_null(value: Any) -> bool:
    """Tell whether a category, a fill or a marker is null."""
    return value is None or (isinstance(value, float) and math.isnan(value))


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
        self._operator = operator
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

    def one_hot(self, column: str, categories: list[str]) -> str:
        """Add the one-hot encoding of a column of texts, all zeros where the text is none of the categories."""
        known = [category.encode() for category in categories]
        return self._add("OneHotEncoder", "ai.onnx.ml", 1, [column], None, {"cats_strings": known, "zeros": 1})

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

    def is_text(self) -> bool:
        """Tell whether the inputs hold texts.

        Raises:
            NotConvertible: Some hold texts and some numbers.
        """
        kinds = {isinstance(item.type, StringTensorType) for item in self._operator.inputs}
        if len(kinds) > 1:
            name = type(self._operator.raw_operator).__name__
            raise NotConvertible(
                f"One {name} over columns of text and of numbers together is not supported.",
                hint="Give each kind a transformer of its own in a ColumnTransformer.",
                code="not_supported",
            )
        return kinds == {True}

    def matrix(self) -> str:
        """Return the operator's inputs side by side as one tensor [rows, columns]."""
        self.is_text()  # texts and numbers have no tensor in common
        return self.inputs[0] if len(self.inputs) == 1 else self.node("Concat", self.inputs, since=13, axis=1)

    def labels(self, classes: Any, index: str) -> None:
        """Write the first output, the label, from an int64 class index [rows]."""
        known = np.asarray(classes)
        table = self.constant(known if _is_text(known) else known.astype(np.int64))
        self.node("Gather", [table, index], self.outputs[0], since=13, axis=0)


def classifier_shape(operator: Any, columns: int) -> None:
    """Set the outputs of a classifier: labels [rows], and float64 values [rows, columns]."""
    rows = operator.inputs[0].get_first_dimension()
    text = _is_text(np.asarray(operator.raw_operator.classes_))
    operator.outputs[0].type = StringTensorType([rows]) if text else Int64TensorType([rows])
    operator.outputs[1].type = DoubleTensorType([rows, columns])


def numbers_shape(operator: Any, columns: int) -> None:
    """Set the one output of an operator: float64 values [rows, columns]."""
    operator.outputs[0].type = DoubleTensorType([operator.inputs[0].get_first_dimension(), columns])


def _is_text(classes: Any) -> bool:
    return classes.dtype.kind in "UO"
