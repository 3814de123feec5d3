"""Judging an artifact on rows that its export never saw, read by the contract by which batch and serve read."""

from __future__ import annotations

import math
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier, is_outlier_detector

from mlship.cli.main import run
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.codes import Coerced
from mlship.model.values.text import read_texts
from mlship.model.values.typed import TypedColumn, read_typed

EXACT = 1e-12
MOST_REFUSED = 100
"""Refused rows, spread evenly, of which the original is asked whether it refuses them too: one by one takes long."""


def named(value: Any) -> str:
    """Name a parameter of a test by what it prints, less the addresses that differ from process to process."""
    return re.sub(r" ?at ?0x[0-9a-f]+", "", " ".join(str(value).split()))


def save(folder: Path, model: Any) -> Path:
    """Pickle a model."""
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


def export(folder: Path, model: Any, *options: str) -> int:
    """Export a model to `model.onnx` beside its pickle and return the exit code."""
    return run(["export", str(save(folder, model)), "-o", str(folder / "model.onnx"), "-q", *options])


def opened(folder: Path) -> Session:
    """Open the artifact of a folder."""
    return open_session(SessionSpec(folder / "model.onnx"))


def within_limits(folder: Path, rows: Any) -> Any:
    """The rows of an array that lie within the magnitudes that the signature accepts."""
    limits = [column.limit if column.limit is not None else np.inf for column in opened(folder).signature.inputs]
    return rows[(np.abs(rows) <= np.array(limits)).all(axis=1)]


def assert_never_wrong(folder: Path, model: Any, rows: Any) -> bool:
    """Export a model: either it equals the original on the rows, or it is refused with exit 5 and no file.

    Returns:
        Whether it was exported.
    """
    code = export(folder, model)
    assert code in (0, 5)
    assert (folder / "model.onnx").exists() == (code == 0)
    if code == 0:
        assert_equal(folder, model, rows)
    return code == 0


def assert_equal(
    folder: Path, model: Any, rows: Any, within: float = EXACT, *, text: bool = False, alone: bool = False
) -> Coerced:
    """Compare an artifact with its original on rows of a frame or an array.

    Labels must be the same, of the same type; numbers may differ by a share of their column's largest. A row that
    the signature refuses must be one that the original refuses too.

    Args:
        folder: Where the artifact is.
        model: The original.
        rows: The rows, as the original takes them.
        within: The share.
        text: Whether to read the rows as a CSV has them, and not as a typed table.
        alone: Whether to ask the original for each row by itself.
    """
    session = opened(folder)
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    names = [str(name) for name in frame.columns]
    if not set(session.signature.names) <= set(names):  # fitted without names
        one = session.signature.names if frame.shape[1] == 1 else ()
        names = list(one) or [f"x{index}" for index in range(frame.shape[1])]
    columns = {name: frame.iloc[:, index].tolist() for index, name in enumerate(names)}
    if text:
        texts = {name: [_text(value) for value in values] for name, values in columns.items()}
        read = read_texts(session.signature, texts, len(frame))
    else:
        typed = {name: _typed(values) for name, values in columns.items()}
        read = read_typed(session.signature, typed, len(frame))
    refused = np.flatnonzero(~read.accepted)
    for row in refused[:: -(-len(refused) // MOST_REFUSED) or 1].tolist():
        with pytest.raises(ValueError, match=r"."):
            answers_of(model, rows[row : row + 1])
    if read.accepted.any():
        _compare(session, read, answers_of(model, rows[read.accepted], alone=alone), within)
    return read


def answers_of(model: Any, rows: Any, *, alone: bool = False) -> list[Any]:
    """Return the columns that the original answers, in the order of the artifact's outputs.

    Args:
        model: The original.
        rows: What it is asked.
        alone: Whether to ask for each row by itself, of models that answer a row by what stands beside it.
    """
    if alone:
        parts = [answers_of(model, rows[row : row + 1]) for row in range(len(rows))]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # unknown categories under `drop`, huge numbers
        tables = [_table(getattr(model, method)(rows)) for method in _methods(model)]
    return [table[:, index] for table in tables for index in range(table.shape[1])]


def _methods(model: Any) -> list[str]:
    """What a model answers, in the order of the output columns."""
    if not hasattr(model, "predict"):
        return ["transform"]
    if is_classifier(model):
        further = [name for name in ("predict_proba", "decision_function") if hasattr(model, name)][:1]
    elif is_outlier_detector(model):
        further = ["decision_function"]
    else:
        further = ["predict_proba"] if hasattr(model, "predict_proba") else []  # a mixture
    return ["predict", *further]


def _table(given: Any) -> Any:
    """What a method gave as one array [rows, columns]."""
    if isinstance(given, list):  # probabilities of several targets
        return np.hstack([_table(part) for part in given])
    array = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    return array.reshape(len(array), -1)


def _compare(session: Session, read: Coerced, expected: list[Any], within: float) -> None:
    answers = session.predict(read.accepted_columns())
    assert len(expected) == len(answers)
    for output, wanted in zip(session.signature.outputs, expected, strict=True):
        given: Any = answers[output.name]
        if output.meaning == "label" or output.dtype == "string":
            assert [(type(label), label) for label in given.tolist()] == [
                (type(label), label) for label in wanted.tolist()
            ]
            continue
        numbers = wanted.astype(np.float64)
        finite = np.isfinite(numbers)
        assert given[~finite].tolist() == pytest.approx(numbers[~finite].tolist(), nan_ok=True)
        apart = np.abs(given[finite] - numbers[finite]).max(initial=0.0)
        assert apart <= within * np.abs(numbers[finite]).max(initial=0.0), output.name


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str | None:
    return None if _is_null(value) else str(value)


def _typed(values: list[Any]) -> TypedColumn:
    """A column of a typed table, of the narrowest kind that holds its values."""
    nulls = np.array([_is_null(value) for value in values])
    present = [value for value in values if not _is_null(value)]
    stand_in: Any = 0.0
    dtype: Any = np.float64
    if any(isinstance(value, str) for value in present):
        stand_in, dtype = "", object
    elif present and all(isinstance(value, bool) for value in present):
        stand_in, dtype = False, np.bool_
    elif present and all(isinstance(value, int) for value in present):
        stand_in, dtype = 0, np.int64
    filled = [stand_in if null else value for value, null in zip(values, nulls.tolist(), strict=True)]
    return TypedColumn(np.array(filled, dtype=dtype), nulls)
