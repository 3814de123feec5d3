"""The road of an export, from a model made here to answers of the artifact on rows that the export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlship.model.values.text import read_texts
from tests.export.grids import crossed
from tests.export.judging import assert_equal, export, opened

NUMBERS = ["my age", "São é"]
TEXTS = ["2x"]


def data(rows: int, seed: int) -> pd.DataFrame:
    """Make rows of awkwardly named columns: numbers rounded to two decimals, texts, and nulls in both."""
    source = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "my age": np.round(source.normal(40, 12, rows), 2),
            "São é": np.round(source.exponential(3, rows), 2),
            "2x": source.choice(["a", "b b", "ç"], rows),
        }
    )
    for column in frame:
        frame.loc[source.random(rows) < 0.1, column] = np.nan  # as read_csv gives null, in older pandas too
    return frame


def labels(frame: pd.DataFrame, kinds: int) -> Any:
    """Make labels that depend on the rows."""
    score = frame["my age"].fillna(40) + 5 * frame["São é"].fillna(0) + 10 * (frame["2x"] == "a")
    return pd.qcut(score, kinds, labels=[f"k{kind}" for kind in range(kinds)]).astype(str).to_numpy()


def prepared(last: Any, **options: Any) -> Any:
    """Put imputers, a scaler and a one-hot encoder before an estimator."""
    numbers = make_pipeline(SimpleImputer(strategy="mean", **options), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_pipeline(ColumnTransformer([("n", numbers, NUMBERS), ("t", texts, TEXTS)]), last)


CLASSIFIERS = [
    LogisticRegression(max_iter=500),
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(20, random_state=0),
    ExtraTreesClassifier(20, random_state=0),
    GradientBoostingClassifier(n_estimators=10, random_state=0),
    StackingClassifier([("forest", RandomForestClassifier(5, random_state=0)), ("line", LogisticRegression())], cv=2),
]
REGRESSORS = [
    LinearRegression(),
    RandomForestRegressor(20, random_state=0),
    GradientBoostingRegressor(n_estimators=10, random_state=0),
]


@pytest.mark.lowest
@pytest.mark.parametrize(("last", "kinds"), crossed({type(last).__name__: last for last in CLASSIFIERS}, [2, 3]))
def test_classifiers_answer_as_the_original(tmp_path: Path, last: Any, kinds: int) -> None:
    """A classifier behind imputers, scaler and encoder gives unseen rows the original's labels and probabilities."""
    frame = data(400, 0)
    model = prepared(last).fit(frame, labels(frame, kinds))

    assert export(tmp_path, model) == 0
    assert not assert_equal(tmp_path, model, data(3000, 1), text=True).errors


@pytest.mark.parametrize("last", REGRESSORS, ids=lambda last: type(last).__name__)
def test_regressors_answer_as_the_original(tmp_path: Path, last: Any) -> None:
    """A regressor behind imputers with indicators gives unseen rows the original's numbers."""
    frame = data(400, 0)
    target = frame["my age"].fillna(40).to_numpy() * 3
    model = prepared(last, add_indicator=True).fit(frame, target)

    assert export(tmp_path, model) == 0
    assert not assert_equal(tmp_path, model, data(3000, 1), text=True).errors


def test_forest_trained_on_nan_answers_as_the_original(tmp_path: Path) -> None:
    """A forest that learned where missing numbers go sends them there in the artifact too."""
    frame = data(400, 0)
    model = RandomForestClassifier(20, random_state=0).fit(frame[NUMBERS], labels(frame, 2))

    assert export(tmp_path, model) == 0
    assert not assert_equal(tmp_path, model, data(3000, 1)[NUMBERS], text=True).errors


def test_what_the_original_refuses_is_refused(tmp_path: Path) -> None:
    """Null, infinity and an unseen category are refused with their codes where the original raises on them."""
    frame = data(400, 0).dropna()
    encoder = OneHotEncoder(handle_unknown="error")
    columns = ColumnTransformer([("n", "passthrough", NUMBERS), ("t", encoder, TEXTS)])
    model = make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame, labels(frame, 2))

    assert export(tmp_path, model) == 0
    signature = opened(tmp_path).signature
    texts = {"my age": ["", "inf", "1", "2"], "São é": ["1", "1", "1", "2"], "2x": ["a", "a", "new", "b b"]}
    errors = read_texts(signature, texts, 4).errors
    assert [(error.row, error.column, error.code) for error in errors] == [
        (0, "my age", "null_not_allowed"),
        (1, "my age", "not_finite"),
        (2, "2x", "unknown_category"),
    ]


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    """Exporting a model twice gives one and the same file."""
    frame = data(400, 0)
    model = prepared(RandomForestClassifier(5, random_state=0)).fit(frame, labels(frame, 3))

    assert export(tmp_path, model) == 0
    first = (tmp_path / "model.onnx").read_bytes()
    assert export(tmp_path, model) == 0
    assert (tmp_path / "model.onnx").read_bytes() == first


def test_a_foreign_file_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output that mlship did not write is kept, with exit 2, unless --overwrite is given."""
    frame = data(100, 0)
    model = DecisionTreeClassifier(max_depth=2).fit(frame[NUMBERS], labels(frame, 2))
    (tmp_path / "model.onnx").write_text("mine")

    assert export(tmp_path, model) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "model.onnx").read_text() == "mine"
    assert export(tmp_path, model, "--overwrite") == 0
