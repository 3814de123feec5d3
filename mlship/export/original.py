"""The original model seen through the contract: typed columns in, output columns out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from joblib import parallel_config
from sklearn.base import is_classifier, is_regressor

from mlship.errors import NotConvertible
from mlship.export.infer import Draft, Schema
from mlship.model.signature import Output, OutputDtype, duplicates
from mlship.model.values.codes import Array

Columns = Mapping[str, Array]


class Original:
    """A fitted estimator that is asked for the answers of record.

    Args:
        estimator: The estimator.
        schema: Its columns.

    Raises:
        NotConvertible: It is neither a classifier nor a regressor, or two outputs would have one name.
    """

    def __init__(self, estimator: Any, schema: Schema) -> None:
        self.estimator = estimator
        self.schema = schema
        self._method = _method(estimator)
        self.outputs = _outputs(estimator, self._method)

    def answers(self, columns: Columns) -> dict[str, Array]:
        """Return the output columns for rows of typed columns, as the estimator itself computes them.

        Raises:
            Exception: Whatever the estimator raises on rows that it does not accept.
        """
        table = self._table(columns)
        # One at a time: threads of a forest add up its trees in the order in which they end.
        with warnings.catch_warnings(), np.errstate(all="ignore"), parallel_config(backend="sequential"):
            warnings.simplefilter("ignore")  # the user's training code, not ours, decides on these
            parts = [np.asarray(self.estimator.predict(table))]
            if self._method:
                parts.append(np.asarray(getattr(self.estimator, self._method)(table)))
        flat = [part.reshape(len(part), -1) for part in parts]
        columns_out = [part[:, index] for part in flat for index in range(part.shape[1])]
        if len(columns_out) != len(self.outputs):
            raise NotConvertible(f"{type(self.estimator).__name__} predicts several targets.", code="not_supported")
        return {
            output.name: _as(values, output.dtype) for output, values in zip(self.outputs, columns_out, strict=True)
        }

    def accepts(self, columns: Columns) -> bool:
        """Tell whether the estimator answers these rows at all."""
        try:
            self.answers(columns)
        except Exception:  # noqa: BLE001  an estimator refuses rows with whatever its steps raise
            return False
        return True

    def _table(self, columns: Columns) -> Any:
        """What the estimator takes: a frame for names, an array for positions, a sequence for texts."""
        schema = self.schema
        if schema.text:
            return columns[schema.columns[0].name]
        if schema.named:
            if all(
                columns[draft.name].dtype == np.float64 and not (draft.none or draft.boxed) for draft in schema.columns
            ):
                # as the dictionary below makes it, many times faster with thousands of columns
                matrix = np.column_stack([columns[draft.name] for draft in schema.columns])
                return pd.DataFrame(matrix, columns=[draft.name for draft in schema.columns])
            return pd.DataFrame({draft.name: _series(draft, columns[draft.name]) for draft in schema.columns})
        rows = len(columns[schema.columns[0].name])
        plain = not any(draft.boxed or draft.kind == "string" for draft in schema.columns)
        table: Any = np.zeros((rows, schema.width), dtype=np.float64 if plain else object)
        for draft in schema.columns:
            table[:, draft.position] = _with_null(draft, columns[draft.name])
        return table


def _series(draft: Draft, values: Array) -> Any:
    return pd.Series(_with_null(draft, values), dtype=object if draft.boxed else values.dtype)


def _with_null(draft: Draft, values: Array) -> Any:
    """The values with null as training had it: NaN, as pandas.read_csv gives it, unless the model knows None."""
    if not draft.none and values.dtype != object:
        return values
    out: Any = values.astype(object)
    out[pd.isna(out)] = None if draft.none else np.nan
    return out


def _method(estimator: Any) -> str | None:
    """The method that goes with `predict`, or None when there is none."""
    if is_classifier(estimator):
        for name in ("predict_proba", "decision_function"):
            if hasattr(estimator, name):
                return name
        return None
    if is_regressor(estimator):
        return None
    raise NotConvertible(
        f"{type(estimator).__name__} is neither a classifier nor a regressor.",
        hint="Export a pipeline that ends in one.",
        code="not_supported",
    )


def _outputs(estimator: Any, method: str | None) -> tuple[Output, ...]:
    if is_regressor(estimator):
        outputs = [Output("prediction", "float64", "value", "prediction")]
    else:
        classes = estimator.classes_
        if isinstance(classes, list):
            raise NotConvertible(f"{type(estimator).__name__} predicts several targets.", code="not_supported")
        outputs = [Output("prediction", _dtype(np.asarray(classes)), "label", "prediction")]
        if method == "predict_proba":
            outputs += [
                Output(f"probability_{label}", "float64", "probability", "probability", index)
                for index, label in enumerate(np.asarray(classes).tolist())
            ]
        elif method and len(classes) == 2:
            outputs.append(Output("score", "float64", "score", "score"))
        elif method:
            outputs += [
                Output(f"score_{label}", "float64", "score", "score", index)
                for index, label in enumerate(np.asarray(classes).tolist())
            ]
    names = [output.name for output in outputs]
    if duplicates(names):
        raise NotConvertible(f"Two outputs would have the name {duplicates(names)[0]!r}.", code="duplicate_outputs")
    return tuple(outputs)


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


def _as(values: Any, dtype: OutputDtype) -> Array:
    if dtype == "string":
        texts = np.empty(len(values), dtype=object)
        texts[:] = [str(value) for value in values]
        return texts
    return np.asarray(values).astype(dtype)
