"""Linear models of every kind give the original's numbers, labels and probabilities on rows never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model as lines
from sklearn.base import clone
from sklearn.svm import LinearSVC, LinearSVR

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import NUMBERS, amount_of, kinds_of, table

TRAINED, FRESH = table(200, 1), table(1000, 2)
X, ROWS, AMOUNT = TRAINED[NUMBERS], FRESH[NUMBERS], amount_of(TRAINED)
AMOUNTS = np.column_stack([AMOUNT, AMOUNT * 2 + X["a"].to_numpy(), -AMOUNT])
LARGEST = X.abs().max()
LABELS = np.column_stack([np.median(AMOUNT) < AMOUNT, X["a"] > X["a"].median(), X["c"] > 0]).astype(int)

REGRESSORS = [
    lines.ARDRegression(), lines.BayesianRidge(), lines.ElasticNet(), lines.ElasticNetCV(cv=2), lines.HuberRegressor(),
    lines.Lars(), lines.LarsCV(cv=2), lines.Lasso(), lines.LassoCV(cv=2), lines.LassoLars(), lines.LassoLarsCV(cv=2),
    lines.LassoLarsIC(), lines.LinearRegression(), lines.LinearRegression(positive=True, fit_intercept=False),
    LinearSVR(), lines.OrthogonalMatchingPursuit(n_nonzero_coefs=2), lines.OrthogonalMatchingPursuitCV(cv=2),
    lines.QuantileRegressor(), lines.Ridge(), lines.Ridge(solver="sag"),
    lines.RidgeCV(), lines.SGDRegressor(), lines.TheilSenRegressor(random_state=0),
    lines.RANSACRegressor(random_state=0), lines.RANSACRegressor(lines.Ridge(), min_samples=9, random_state=0),
]  # fmt: skip
OF_MANY_TARGETS = [
    lines.Lars(), lines.Lasso(), lines.LinearRegression(), lines.LinearRegression(fit_intercept=False),
    lines.MultiTaskElasticNet(), lines.MultiTaskElasticNetCV(cv=2), lines.MultiTaskLasso(),
    lines.MultiTaskLassoCV(cv=2), lines.OrthogonalMatchingPursuit(), lines.RANSACRegressor(random_state=0),
    lines.Ridge(), lines.RidgeCV(),
]  # fmt: skip
GENERALISED = [
    lines.GammaRegressor(), lines.PoissonRegressor(), lines.PoissonRegressor(fit_intercept=False),
    *(lines.TweedieRegressor(power=power, link=link)
      for power, link in ((0, "auto"), (0, "log"), (1, "identity"), (1.5, "auto"), (3, "auto"))),
]  # fmt: skip
CLASSIFIERS = [
    lines.LogisticRegression(), lines.LogisticRegression(C=1e4, fit_intercept=False),
    lines.LogisticRegression(solver="saga", l1_ratio=1.0, max_iter=20), lines.LogisticRegressionCV(Cs=2, cv=2),
    LinearSVC(), LinearSVC(multi_class="crammer_singer"), lines.Perceptron(),
    lines.RidgeClassifier(), lines.RidgeClassifierCV(), lines.SGDClassifier(), lines.SGDClassifier(loss="log_loss"),
    lines.SGDClassifier(loss="modified_huber"), lines.SGDClassifier(loss="modified_huber", alpha=10.0),
    lines.SGDClassifier(loss="squared_error"),
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning")


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


def hard(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, the same ones tiny and large, and one of zeros."""
    return pd.concat([rows, rows * 1e-20, rows * 1e6, rows[:1] * 0], ignore_index=True)


@pytest.mark.parametrize("model", picked(REGRESSORS, 0, 5, 12, 13, 14, 15, 21, 23), ids=name)
def test_one_number(tmp_path: Path, model: Any) -> None:
    """A linear regressor of one target gives the original's number."""
    fitted = clone(model).fit(X, AMOUNT)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, hard(ROWS))


@pytest.mark.parametrize("model", picked(OF_MANY_TARGETS, 0, 2, 3, 4, 9), ids=name)
def test_several_numbers(tmp_path: Path, model: Any) -> None:
    """A linear regressor of several targets gives each of them."""
    fitted = clone(model).fit(X, AMOUNTS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, hard(ROWS))


@pytest.mark.parametrize("model", picked(GENERALISED, 0, 2, 4, 5, 6), ids=name)
def test_generalised_models(tmp_path: Path, model: Any) -> None:
    """A generalised linear model gives the inverse of its link, also where that is nothing or without end."""
    fitted = clone(model).fit(X / LARGEST, np.abs(AMOUNT) / np.abs(AMOUNT).max() + 0.1)
    rows = ROWS / LARGEST

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([rows, rows * 0], ignore_index=True))
    assert_equal(tmp_path, fitted, rows * 1e5)


@pytest.mark.parametrize(("model", "kinds"), crossed(CLASSIFIERS, [2, 3], places=[0, 1, 4, 5, 8, 10, 11, 13]))
def test_labels_and_probabilities(tmp_path: Path, model: Any, kinds: int) -> None:
    """A linear classifier gives label and probabilities, also where all classes are as good as impossible."""
    fitted = clone(model).fit(X, kinds_of(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, hard(ROWS))


def test_all_classes_impossible(tmp_path: Path) -> None:
    """Where the modified Huber loss finds every class impossible, all are equally probable, and the first is named."""
    fitted = lines.SGDClassifier(loss="modified_huber", random_state=0).fit(X, kinds_of(TRAINED, 3))
    fitted.coef_, fitted.intercept_ = np.eye(3), np.full(3, -5.0)
    rows = pd.DataFrame([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [4.5, 0.0, 0.0], [9.0, 9.0, 0.0]], columns=NUMBERS)

    assert export(tmp_path, fitted) == 0
    assert fitted.predict_proba(rows)[0].tolist() == [1 / 3] * 3
    assert_equal(tmp_path, fitted, rows)


def test_passive_aggressive_models(tmp_path: Path) -> None:
    """Both passive-aggressive models, for as long as there are any."""
    targets = {"PassiveAggressiveRegressor": AMOUNT, "PassiveAggressiveClassifier": kinds_of(TRAINED, 3)}
    for kind, target in targets.items():
        if not hasattr(lines, kind):  # scikit-learn 1.10 has them no more
            continue
        fitted = getattr(lines, kind)(random_state=0).fit(X, target)
        assert export(tmp_path, fitted) == 0
        assert_equal(tmp_path, fitted, hard(ROWS))


def test_liblinear(tmp_path: Path) -> None:
    """The one solver that scores each class by itself."""
    fitted = lines.LogisticRegression(solver="liblinear").fit(X, kinds_of(TRAINED, 2))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, hard(ROWS))


@pytest.mark.parametrize("model", [lines.RidgeClassifier(), lines.RidgeClassifierCV()], ids=name)
def test_several_labels(tmp_path: Path, model: Any) -> None:
    """A ridge classifier of several labels says of each whether a row has it."""
    fitted = clone(model).fit(X, LABELS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, hard(ROWS))


def test_one_class(tmp_path: Path) -> None:
    """The linear one-class machine gives 1 or -1 and how far a row lies inside."""
    fitted = lines.SGDOneClassSVM(random_state=0).fit(X)
    fitted.offset_ = np.zeros(1)  # so that the row of zeros lies on the border

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, hard(ROWS))


@pytest.mark.parametrize("label", ["yes", 2.0, True, np.int8(3)], ids=repr)
def test_labels_of_every_type(tmp_path: Path, label: Any) -> None:
    """A label comes back as what it is: text, number or truth."""
    other = type(label)() if not isinstance(label, str) else "no"
    target = np.where(kinds_of(TRAINED, 2) == 1, label, other)
    fitted = lines.LogisticRegression().fit(X, target)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, ROWS)


def test_sparse_and_narrow_coefficients(tmp_path: Path) -> None:
    """Coefficients kept sparse, and those of a model fitted on float32, are taken as they are."""
    sparse = lines.SGDClassifier(penalty="l1", random_state=0).fit(X, kinds_of(TRAINED, 3)).sparsify()
    narrow = lines.Ridge().fit(X.to_numpy(np.float32), AMOUNT.astype(np.float32))

    assert export(tmp_path, sparse) == 0
    assert_equal(tmp_path, sparse, ROWS)
    assert export(tmp_path, narrow) == 0
    assert_equal(tmp_path, narrow, ROWS.to_numpy())
