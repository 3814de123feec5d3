"""How a graph picks columns: a parser of ColumnTransformers for skl2onnx, which picks some of them wrongly.

skl2onnx passes its input on as it is whenever a part takes as many columns as there are, also when the part
takes them in another order or one of them twice (skl2onnx._parse._fetch_input_slice), and joins columns of
several inputs in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skl2onnx._parse import _parse_sklearn, _parse_sklearn_simple_model
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer

from mlship.export.converters import CONVERTERS
from mlship.export.parts import column_parts, is_passthrough

Parsers = dict[type, Any]


def parsers() -> Parsers:
    """Return the parsers that replace those of skl2onnx."""
    return {**dict.fromkeys(CONVERTERS, _parse_own), ColumnTransformer: _parse_columns}


def _parse_own(scope: Any, model: Any, inputs: list[Any], custom_parsers: Parsers | None = None) -> Any:
    """Declare an estimator that a converter of ours takes; skl2onnx's options for classifiers mean nothing to it."""
    outputs = _parse_sklearn_simple_model(scope, model, inputs, custom_parsers=custom_parsers)
    if not isinstance(model, SimpleImputer):  # which gives what it takes
        outputs[-1].type = DoubleTensorType()
    return outputs


def _parse_columns(
    scope: Any, model: ColumnTransformer, inputs: list[Any], custom_parsers: Parsers | None = None
) -> list[Any]:
    results = []
    for part in column_parts(model):
        taken = _taken(scope, inputs, part.positions, every=model.n_features_in_)
        if not is_passthrough(part.step):
            taken = _parse_sklearn(scope, part.step, taken, custom_parsers=custom_parsers)[:1]
        weight = (model.transformer_weights or {}).get(part.name)
        results += [_weighted(scope, item, weight) for item in taken] if weight is not None else taken
    return _joined(scope, results)


def _taken(scope: Any, inputs: list[Any], positions: Sequence[int], *, every: int) -> list[Any]:
    """The columns at the positions: one variable when they lie in one, else joined as far as their types allow."""
    if len(inputs) > 1:  # one input a column, as `convert.feeds_of` makes them
        picked = [inputs[position] for position in positions]
        kinds = {type(item.type) for item in picked}
        return _joined(scope, picked) if len(kinds) == 1 else picked
    if list(positions) == list(range(every)):
        return inputs
    operator = scope.declare_local_operator("SklearnArrayFeatureExtractor")
    operator.inputs = inputs
    operator.column_indices = list(positions)
    kind = type(inputs[0].type)
    operator.outputs.append(scope.declare_local_variable("columns", kind([None, len(positions)])))
    return list(operator.outputs)


def _joined(scope: Any, variables: list[Any]) -> list[Any]:
    if len(variables) == 1:
        return variables
    operator = scope.declare_local_operator("SklearnConcat")
    operator.inputs = variables
    text = all(isinstance(item.type, StringTensorType) for item in variables)
    kind = StringTensorType if text else DoubleTensorType
    operator.outputs.append(scope.declare_local_variable("joined", kind([None, None])))
    return list(operator.outputs)


def _weighted(scope: Any, variable: Any, weight: float) -> Any:
    operator = scope.declare_local_operator("SklearnMultiply")
    operator.inputs.append(variable)
    operator.operand = weight
    operator.outputs.append(scope.declare_local_variable("weighted", DoubleTensorType()))
    return operator.outputs[0]
