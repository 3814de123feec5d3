"""The original model seen through the contract: typed columns in, output columns out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from joblib import parallel_config

from mlship.errors import MlshipError, NotConvertible
from mlship.export.answers import Asked, asked_of
from mlship.export.infer import Draft, Schema
from mlship.model.signature import OutputDtype
from mlship.model.values.codes import Array

Columns = Mapping[str, Array]


class Original:
    """A fitted estimator that is asked for the answers of record.

    Args:
        estimator: The estimator.
        schema: Its columns.
        first: Rows, one of which it should answer, to see what it gives; arrays [1] for each column.

    Raises:
        NotConvertible: It answers none of them, or nothing that has a place in the contract.
    """

    def __init__(self, estimator: Any, schema: Schema, first: Sequence[Columns]) -> None:
        self.estimator = estimator
        self.schema = schema
        self.asked = self._asked(first)
        self.outputs = self.asked.outputs

    def _asked(self, first: Sequence[Columns]) -> Asked:
        reason = ""
        for row in first:
            try:
                with _quiet():
                    return asked_of(self.estimator, self._table(row))
            except (MlshipError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001  an estimator refuses rows with whatever its steps raise
                reason = reason or (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise NotConvertible(
            f"{type(self.estimator).__name__} does not answer a row of the columns that it was fitted on: {reason}",
            hint="Give some of its data with --sample FILE.",
            code="no_answer",
        )

    def answers(self, columns: Columns) -> dict[str, Array]:
        """Return the output columns for rows of typed columns, as the estimator itself computes them.

        Raises:
            Exception: Whatever the estimator raises on rows that it does not accept.
        """
        table = self._table(columns)
        with _quiet():
            given = [getattr(self.estimator, method.name)(table) for method in self.asked.methods]
        # SparsePCA gives one row flat
        tables = [_dense(part).reshape(1, -1) if len(table) == 1 else _dense(part) for part in given]
        found = [part[:, index] for part in tables for index in range(part.shape[1])]
        if len(found) != len(self.outputs):
            raise NotConvertible(
                f"{type(self.estimator).__name__} gives {len(found)} columns where {len(self.outputs)} were expected.",
                code="not_supported",
            )
        return {output.name: _as(values, output.dtype) for output, values in zip(self.outputs, found, strict=True)}

    def accepts(self, columns: Columns) -> bool:
        """Tell whether the estimator answers these rows at all."""
        try:
            self.answers(columns)
        except MemoryError:
            raise
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
                columns[draft.name].dtype == np.float64 and not (draft.none or draft.boxed or draft.category)
                for draft in schema.columns
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
    if draft.category:
        known = list(draft.categories or ())
        further = [value for value in dict.fromkeys(values.tolist()) if not pd.isna(value) and value not in known]
        if further and draft.category == "closed":
            raise ValueError(f"column {draft.name!r} holds a category that training did not")
        return pd.Series(pd.Categorical(values, categories=known + further))
    return pd.Series(_with_null(draft, values), dtype=object if draft.boxed else values.dtype)


def _with_null(draft: Draft, values: Array) -> Any:
    """The values with null as training had it: NaN, as pandas.read_csv gives it, unless the model knows None."""
    if not draft.none and values.dtype != object:
        return values
    out: Any = values.astype(object)
    out[pd.isna(out)] = None if draft.none else np.nan
    return out


@contextmanager
def _quiet() -> Iterator[None]:
    """One thread and no warnings: threads of a forest add up its trees in the order in which they end."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), parallel_config(backend="sequential"):
        warnings.simplefilter("ignore")  # the user's training code, not ours, decides on these
        yield


def _dense(given: Any) -> Any:
    """What a method gave as one array [rows, columns]; of several targets it may be a list, one array each."""
    if isinstance(given, list):
        return np.hstack([_dense(part) for part in given])
    if hasattr(given, "toarray"):
        given = given.toarray()
    array = np.asarray(given)
    return array.reshape(len(array), -1)


def _as(values: Any, dtype: OutputDtype) -> Array:
    if dtype == "string":
        texts = np.empty(len(values), dtype=object)
        texts[:] = [str(value) for value in values]
        return texts
    return np.asarray(values).astype(dtype)
