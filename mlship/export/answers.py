"""Which methods of an estimator answer, and the output columns that come of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import is_classifier, is_outlier_detector, is_regressor

from mlship.errors import NotConvertible
from mlship.export.graph.methods import Method
from mlship.export.registry import methods_of
from mlship.model.signature import Meaning, Output, OutputDtype, duplicates
from mlship.model.values.codes import Array


@dataclass(frozen=True)
class AskedMethod:
    """One method that answers.

    Attributes:
        name: Its name.
        outputs: The output columns that it gives, in its order.
        classes: For `predict` of a classifier the classes of each target, else None.
    """

    name: Method | Literal["transform"]
    outputs: tuple[Output, ...]
    classes: tuple[Array, ...] | None = None


@dataclass(frozen=True)
class Asked:
    """What an estimator is asked for.

    Attributes:
        methods: The methods, in the order of their output columns.
    """

    methods: tuple[AskedMethod, ...]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Every output column."""
        return tuple(output for method in self.methods for output in method.outputs)


def asked_of(estimator: Any, row: Any) -> Asked:
    """Decide what an estimator is asked for.

    Args:
        estimator: The fitted estimator.
        row: One row that it answers, as it takes it; of several targets it tells how many there are.

    Raises:
        NotConvertible: It answers nothing for new rows, or two output columns would have one name.
    """
    asked = Asked(tuple(_methods(estimator, row)))
    names = [output.name for output in asked.outputs]
    if duplicates(names):
        raise NotConvertible(f"Two outputs would have the name {duplicates(names)[0]!r}.", code="duplicate_outputs")
    return asked


def _methods(estimator: Any, row: Any) -> list[AskedMethod]:
    if is_classifier(estimator):
        return _classifier(estimator, row)
    if hasattr(estimator, "predict"):
        targets = np.asarray(estimator.predict(row)).reshape(1, -1).shape[1]
        methods = methods_of(type(estimator))
        if is_regressor(estimator) or (methods is not None and methods.numbers):
            return [AskedMethod("predict", _numbered("prediction", targets, "value"))]
        labels = AskedMethod("predict", (Output("prediction", "int64", "label", "predict"),))
        if is_outlier_detector(estimator):
            return [labels, AskedMethod("decision_function", (_number("score", "score"),))]
        if hasattr(estimator, "predict_proba"):  # a mixture
            width = np.asarray(estimator.predict_proba(row)).shape[1]
            names = [f"probability_{index}" for index in range(width)]
            return [labels, AskedMethod("predict_proba", tuple(_number(name, "probability") for name in names))]
        return [labels]
    if hasattr(estimator, "transform"):
        return [AskedMethod("transform", _transformed(estimator, row))]
    raise NotConvertible(
        f"{type(estimator).__name__} has neither predict nor transform for new rows.", code="not_supported"
    )


def _number(name: str, meaning: Meaning) -> Output:
    return Output(name, "float64", meaning, "")


def _numbered(name: str, count: int, meaning: Meaning) -> tuple[Output, ...]:
    """`prediction` for one target, `prediction_0` and so on for several."""
    names = [name] if count == 1 else [f"{name}_{index}" for index in range(count)]
    return tuple(_number(item, meaning) for item in names)


def _classifier(estimator: Any, row: Any) -> list[AskedMethod]:
    given = estimator.classes_
    if not isinstance(given, list) and _is_multilabel(estimator, row):
        return _labels(estimator, np.asarray(given))
    several = isinstance(given, list)
    targets = [_as_predicted(np.asarray(classes), estimator, row) for classes in (given if several else [given])]
    marks = [f"_{index}" for index in range(len(targets))] if several else [""]
    labels = tuple(
        Output(f"prediction{mark}", _dtype(classes), "label", "") for mark, classes in zip(marks, targets, strict=True)
    )
    methods = [AskedMethod("predict", labels, tuple(targets))]
    if hasattr(estimator, "predict_proba"):
        last = several and not isinstance(estimator.predict_proba(row), list)  # of each target, as a chain gives it
        names = _per_class("probability", marks, [classes[-1:] for classes in targets] if last else targets)
        methods.append(AskedMethod("predict_proba", tuple(_number(name, "probability") for name in names)))
    elif hasattr(estimator, "decision_function"):
        if several:
            names = _per_class("score", marks, [classes[-1:] for classes in targets])
        else:
            names = ["score"] if len(targets[0]) == 2 else _per_class("score", marks, targets)
        methods.append(AskedMethod("decision_function", tuple(_number(name, "score") for name in names)))
    return methods


def _as_predicted(classes: Array, estimator: Any, row: Any) -> Array:
    """The classes as the estimator gives them: a chain gives floats for integers."""
    if classes.dtype.kind not in "biu" or np.asarray(estimator.predict(row)).dtype.kind != "f":
        return classes
    return classes.astype(np.float64)


def _is_multilabel(estimator: Any, row: Any) -> bool:
    """Tell whether a classifier says of each of its classes whether a row has it: an indicator [rows, classes]."""
    shape = np.shape(estimator.predict(row))
    return len(shape) > 1 and not shape[1] == 1 < len(estimator.classes_)  # CatBoost gives labels as one column


def _labels(estimator: Any, classes: Array) -> list[AskedMethod]:
    """What a classifier of many labels gives: of each 0 or 1, and a probability or a score."""
    names = classes.tolist()
    whether = tuple(Output(f"prediction_{name}", "int64", "label", "") for name in names)
    methods = [AskedMethod("predict", whether, (np.array([0, 1]),) * len(names))]
    further: tuple[tuple[Method, Meaning], ...] = (("predict_proba", "probability"), ("decision_function", "score"))
    for method, what in further:
        if hasattr(estimator, method):
            return [*methods, AskedMethod(method, tuple(_number(f"{what}_{name}", what) for name in names))]
    return methods


def _per_class(what: str, marks: list[str], targets: list[Array]) -> list[str]:
    pairs = zip(marks, targets, strict=True)
    return [f"{what}{mark}_{label}" for mark, classes in pairs for label in classes.tolist()]


def _dtype(classes: Array) -> OutputDtype:
    match classes.dtype.kind:
        case "b":
            return "bool"
        case "i" | "u":
            return "int64"
        case "f":
            return "float64"
        case "U" | "O" if all(isinstance(label, str) for label in classes.tolist()):
            return "string"
        case _:
            raise NotConvertible("The class labels are of a mixed type.", code="not_supported")


def _transformed(estimator: Any, row: Any) -> tuple[Output, ...]:
    given = estimator.transform(row)
    values = np.asarray(given.toarray() if hasattr(given, "toarray") else given, dtype=object).reshape(1, -1)[0]
    try:
        names = [str(name) for name in estimator.get_feature_names_out()]
        if len(names) != len(values):  # sparse codes with split_sign name half of what they give
            raise ValueError
    except (AttributeError, NotImplementedError, ValueError):  # transformers need not name what they give
        names = [f"{type(estimator).__name__.lower()}{index}" for index in range(len(values))]
    return tuple(
        Output(name, "string" if isinstance(value, str) else "float64", "value", "")
        for name, value in zip(names, values.tolist(), strict=True)
    )
