"""Every estimator that is claimed exact is, on thousands of rows that its export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, amount_of, kinds_of, table, with_holes

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED = table(400, 1)
FRESH = table(HELD_OUT, 2)
HOLED, FRESH_HOLED = with_holes(TRAINED, NUMBERS, 3), with_holes(FRESH, NUMBERS, 4)

TREES = [
    DecisionTreeClassifier(random_state=0),
    ExtraTreeClassifier(random_state=0),
    RandomForestClassifier(12, random_state=0),
    ExtraTreesClassifier(12, random_state=0),
]
TREE_REGRESSORS = [
    DecisionTreeRegressor(random_state=0),
    ExtraTreeRegressor(random_state=0),
    RandomForestRegressor(12, random_state=0),
    RandomForestRegressor(5, criterion="absolute_error", max_depth=4, random_state=0),
    ExtraTreesRegressor(12, random_state=0),
]
BOOSTING = [
    *(GradientBoostingClassifier(n_estimators=8, loss=loss, init=init, random_state=0)
      for loss in ("log_loss", "exponential") for init in (None, "zero")),
    GradientBoostingClassifier(n_estimators=8, subsample=0.7, max_features=2, random_state=0),
]  # fmt: skip
BOOSTED_NUMBERS = [
    GradientBoostingRegressor(n_estimators=8, loss=loss, init=init, random_state=0)
    for loss, init in [("squared_error", None), ("squared_error", "zero"), ("huber", None), ("quantile", None)]
]
LINES = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    Ridge(),
    Ridge(fit_intercept=False),
    Lasso(),
    ElasticNet(),
    HuberRegressor(max_iter=1000),
]
LOGISTIC = [
    LogisticRegression(max_iter=5000),
    LogisticRegression(max_iter=5000, fit_intercept=False),
    LogisticRegression(C=1e6, solver="newton-cholesky"),
    RidgeClassifier(),
]
SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-3, 7), clip=True),
    MaxAbsScaler(),
    RobustScaler(unit_variance=True),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False),
]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize(("model", "kinds", "holes"), crossed(TREES, [2, 3], {"whole": False, "with nan": True}))
def test_trees_that_tell_kinds_apart(tmp_path: Path, model: Any, kinds: int, holes: bool) -> None:
    """Trees and forests, also those trained on NaN, give the original's labels and probabilities."""
    trained, fresh = (HOLED, FRESH_HOLED) if holes else (TRAINED, FRESH)
    fitted = clone(model).fit(trained[NUMBERS], kinds_of(trained, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh[NUMBERS])


@pytest.mark.parametrize(("model", "holes"), crossed(TREE_REGRESSORS, {"whole": False, "with nan": True}))
def test_trees_that_tell_amounts(tmp_path: Path, model: Any, holes: bool) -> None:
    """Regression trees and forests, also those trained on NaN, give the original's numbers."""
    trained, fresh = (HOLED, FRESH_HOLED) if holes else (TRAINED, FRESH)
    if holes and getattr(model, "criterion", "") == "absolute_error":
        trained = trained.fillna(0.0)  # this criterion trains on no NaN; the forest then answers none either
    fitted = clone(model).fit(trained[NUMBERS], amount_of(trained))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh[NUMBERS])


@pytest.mark.parametrize("model", picked(BOOSTING, 1, 2, 4), ids=name)
def test_boosting_tells_two_kinds_apart(tmp_path: Path, model: Any) -> None:
    """Gradient boosting of two classes, by either loss and from either start, equals the original."""
    fitted = clone(model).fit(TRAINED[NUMBERS], kinds_of(TRAINED, 2))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize(("kinds", "init"), crossed([3, 5], [None, "zero"]))
def test_boosting_tells_many_kinds_apart(tmp_path: Path, kinds: int, init: str | None) -> None:
    """Gradient boosting of three and five classes equals the original."""
    model = GradientBoostingClassifier(n_estimators=5, init=init, random_state=0)
    fitted = model.fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize("model", picked([*BOOSTED_NUMBERS, *LINES], 1, 2, 5, 8, 10), ids=name)
def test_boosting_and_lines_tell_amounts(tmp_path: Path, model: Any) -> None:
    """Gradient boosting and linear models, with and without intercept, give the original's numbers."""
    fitted = clone(model).fit(TRAINED[NUMBERS], amount_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize(("model", "kinds"), crossed(LOGISTIC, [2, 3]))
def test_linear_classifiers(tmp_path: Path, model: Any, kinds: int) -> None:
    """Linear classifiers give the original's labels, also where the score is tiny, zero or huge."""
    if kinds == 2 and model.get_params().get("solver") == "newton-cholesky":
        model = LogisticRegression(solver="liblinear")
    fitted = make_pipeline(StandardScaler(with_mean=False), clone(model)).fit(
        TRAINED[NUMBERS], kinds_of(TRAINED, kinds)
    )
    rows = FRESH[NUMBERS]

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([rows, rows * 1e-25, rows[:1] * 0, rows * 1e9], ignore_index=True))


@pytest.mark.parametrize(
    ("scaler", "last"),
    crossed(SCALERS, [LogisticRegression(), RandomForestClassifier(8, random_state=0)], places=[0, 1, 4, 5, 6, 7]),
)
def test_scalers_on_arrays_without_names(tmp_path: Path, scaler: Any, last: Any) -> None:
    """A scaler before a line or a forest, fitted on an array, equals the original on rows of two decimals too."""
    fitted = make_pipeline(clone(scaler), clone(last)).fit(TRAINED[NUMBERS].round(2).to_numpy(), kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.concatenate([FRESH[NUMBERS].to_numpy(), FRESH[NUMBERS].round(2).to_numpy()]))
