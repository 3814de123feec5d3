"""What answers through an estimator within, by a threshold, or on picked columns; and what answers the same always."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import feature_selection as picking
from sklearn import model_selection as searching
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export, named
from tests.export.tables import NUMBERS, amount_of, kinds_of, table

TRAINED, FRESH = table(200, 1), table(1000, 2)
COLUMNS = [*NUMBERS, "city"]
X, ROWS, AMOUNT, KINDS = TRAINED[NUMBERS], FRESH[NUMBERS], amount_of(TRAINED), kinds_of(TRAINED, 2)
WORDS = np.where(KINDS == 1, "yes", "no")
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
PREPARED = ColumnTransformer(
    [("o", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("s", StandardScaler(), NUMBERS)]
)
MODEL = make_pipeline(PREPARED, LogisticRegression())
GRID = {"logisticregression__C": [0.5, 2.0]}
MANY = np.column_stack([AMOUNT, -AMOUNT])
METHODS = ["auto", "predict_proba", "decision_function"]


def judged(folder: Path, model: Any, rows: Any) -> None:
    """Export a model and compare it on rows."""
    assert export(folder, model) == 0
    assert_equal(folder, model, rows)


SEARCHES = [
    searching.GridSearchCV(MODEL, GRID, cv=2, scoring="roc_auc"),
    searching.GridSearchCV(MODEL, GRID, cv=2, scoring=["accuracy", "f1"], refit="f1"),
    searching.RandomizedSearchCV(MODEL, GRID, n_iter=1, cv=2, random_state=0),
    searching.HalvingGridSearchCV(MODEL, GRID, cv=2, min_resources=60),
    searching.HalvingRandomSearchCV(MODEL, GRID, n_candidates=2, cv=2, min_resources=60, random_state=0),
]


@pytest.mark.parametrize("search", picked(SEARCHES, 1, 2, 4), ids=named)
def test_searches_answer_through_the_best(tmp_path: Path, search: Any) -> None:
    """A search answers as the best estimator, whose columns of texts are found too."""
    judged(tmp_path, clone(search).fit(TRAINED[COLUMNS], KINDS), FRESH[COLUMNS])


def test_a_self_trained_model(tmp_path: Path) -> None:
    """A model that labelled the rest of its rows itself answers as the estimator within."""
    model = SelfTrainingClassifier(make_pipeline(StandardScaler(), LogisticRegression()), threshold=0.8)
    judged(tmp_path, model.fit(X, np.where(np.arange(len(X)) % 3 == 0, -1, KINDS)), ROWS)


def test_a_search_that_was_not_refitted_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A search with refit=False holds no model to export, and the hint says what to do."""
    model = searching.GridSearchCV(MODEL, GRID, cv=2, refit=False).fit(TRAINED[COLUMNS], KINDS)

    assert export(tmp_path, model) == 5
    said = capsys.readouterr().err
    assert "GridSearchCV with refit=False holds no fitted model." in said
    assert "best_params_" in said


def test_a_step_within_a_search_is_named_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A search adds nothing to the path of what cannot be converted."""
    model = make_pipeline(StandardScaler(), DummyClassifier(strategy="uniform"))
    fitted = searching.GridSearchCV(model, {"standardscaler__with_mean": [True]}, cv=2).fit(X, KINDS)

    assert export(tmp_path, fitted) == 5
    assert "pipeline.dummyclassifier: DummyClassifier with strategy='uniform' answers at" in capsys.readouterr().err


def test_a_frozen_estimator(tmp_path: Path) -> None:
    """A frozen estimator answers as what it holds, alone and within a pipeline."""
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator
    judged(tmp_path, frozen(MODEL.fit(TRAINED[COLUMNS], KINDS)), FRESH[COLUMNS])
    scaler = frozen(StandardScaler().fit(X))
    judged(tmp_path, make_pipeline(scaler, frozen(TREE.fit(scaler.transform(X), KINDS))).fit(X, KINDS), ROWS)


@pytest.mark.parametrize(("method", "label", "threshold"), crossed(METHODS, [None, "yes", "no"], ["auto", 0.3]))
def test_fixed_thresholds(tmp_path: Path, method: str, label: str | None, threshold: Any) -> None:
    """A fixed threshold on either score of either class."""
    kind = getattr(searching, "FixedThresholdClassifier", None)  # of 1.5
    if kind is not None:
        model = kind(MODEL, threshold=threshold, pos_label=label, response_method=method)
        judged(tmp_path, model.fit(TRAINED[COLUMNS], WORDS), FRESH[COLUMNS])


@pytest.mark.parametrize(("label", "method"), crossed(["yes", "no"], METHODS))
def test_tuned_thresholds(tmp_path: Path, method: str, label: str) -> None:
    """A tuned threshold on either score of either class, and the label of a row that lies on it."""
    kind = getattr(searching, "TunedThresholdClassifierCV", None)  # of 1.5
    if kind is not None:
        scoring = make_scorer(f1_score, pos_label=label)
        fitted = kind(TREE, scoring=scoring, response_method=method, cv=2, random_state=0).fit(X, WORDS) \
            if method != "decision_function" else \
            kind(LogisticRegression(), scoring=scoring, response_method=method, cv=2).fit(X, WORDS)  # fmt: skip
        judged(tmp_path, fitted, ROWS)
        if method != "decision_function":
            scores = np.unique(fitted.predict_proba(ROWS)[:, int(label == "yes")])
            fitted.best_threshold_ = scores[len(scores) // 2]  # a tree's leaf, so that rows lie on it
            judged(tmp_path, fitted, ROWS)


PICKERS = [
    picking.VarianceThreshold(0.9), picking.SelectKBest(k=2), picking.SelectKBest(picking.mutual_info_classif, k=1),
    picking.SelectPercentile(percentile=50), picking.SelectFpr(alpha=0.9), picking.SelectFdr(alpha=0.9),
    picking.SelectFwe(alpha=0.9), picking.GenericUnivariateSelect(mode="k_best", param=2),
    picking.SelectFromModel(TREE), picking.SelectFromModel(LogisticRegression(), threshold="0.5*mean", max_features=2),
    picking.RFE(TREE), picking.RFECV(TREE, cv=2), picking.SequentialFeatureSelector(TREE, n_features_to_select=2, cv=2),
]  # fmt: skip


@pytest.mark.parametrize("picker", picked(PICKERS, 0, 2, 8, 9, 11, 12), ids=named)
def test_picked_columns(tmp_path: Path, picker: Any) -> None:
    """A selector passes on its columns unchanged, so that thresholds behind it are found."""
    if not isinstance(picker, picking.RFE):  # that one predicts
        judged(tmp_path, clone(picker).fit(X, KINDS), ROWS)
    judged(tmp_path, make_pipeline(StandardScaler(), clone(picker), clone(TREE)).fit(X, KINDS), ROWS)


@pytest.mark.parametrize("model", [picking.RFE(TREE), picking.RFECV(LogisticRegression(), cv=2)], ids=named)
def test_elimination_predicts(tmp_path: Path, model: Any) -> None:
    """Recursive elimination answers by the estimator that it fitted on what was left."""
    judged(tmp_path, clone(model).fit(X, KINDS), ROWS)
    judged(tmp_path, picking.RFE(Ridge(), n_features_to_select=1).fit(X, AMOUNT), ROWS)


def test_picked_categories(tmp_path: Path) -> None:
    """Columns picked of those that an encoder made, which stay sparse."""
    columns = ["city", "flag"]
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, picking.SelectKBest(picking.chi2, k=3), LogisticRegression())
    judged(tmp_path, model.fit(TRAINED[columns], KINDS), FRESH[columns])


def test_no_column_left_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A selector that keeps nothing gives no answer that could be exported."""
    model = picking.SelectFromModel(TREE, threshold=9.0).fit(X, KINDS)

    assert export(tmp_path, model) == 5
    assert "keeps no column" in capsys.readouterr().err


CONSTANT = [
    (DummyClassifier(), WORDS), (DummyClassifier(strategy="most_frequent"), kinds_of(TRAINED, 3)),
    (DummyClassifier(strategy="constant", constant="no"), WORDS),
    (DummyClassifier(), np.column_stack([KINDS, kinds_of(TRAINED, 3)])),
    (DummyClassifier(strategy="constant", constant=[1, 2]), np.column_stack([KINDS, kinds_of(TRAINED, 3)])),
    (DummyRegressor(), AMOUNT), (DummyRegressor(strategy="quantile", quantile=0.3), AMOUNT),
    (DummyRegressor(strategy="median"), MANY), (DummyRegressor(strategy="constant", constant=3), AMOUNT),
    (DummyRegressor(strategy="constant", constant=[1, 2.5]), MANY),
]  # fmt: skip


@pytest.mark.parametrize(("model", "target"), picked(CONSTANT, 0, 2, 3, 5, 7, 9))
def test_the_same_answer_for_all(tmp_path: Path, model: Any, target: Any) -> None:
    """A dummy gives every row the same, whatever is in it."""
    rows = pd.concat([ROWS, ROWS[:1] * np.nan], ignore_index=True)
    judged(tmp_path, clone(model).fit(X, target), rows)


@pytest.mark.parametrize("strategy", ["stratified", "uniform"])
def test_answers_at_random_are_refused(tmp_path: Path, strategy: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A dummy that draws its answers cannot be proven."""
    assert export(tmp_path, DummyClassifier(strategy=strategy, random_state=0).fit(X, KINDS)) == 5
    assert f"strategy='{strategy}' answers at random" in capsys.readouterr().err
