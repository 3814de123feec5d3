"""Pipelines as people write them for a table of numbers, texts and holes: each is exported and equals its original."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC

from tests.export.grids import picked
from tests.export.judging import assert_equal, export, save
from tests.export.tables import kinds_of, table

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED, FRESH = table(300, 21), table(1500, 22)
KINDS = kinds_of(TRAINED, 3)
AMOUNT = np.abs(TRAINED["a"].fillna(30).to_numpy() * 3 + TRAINED["b"].fillna(0).to_numpy() ** 2) + 1
NUMBERS, TEXTS = ["a", "b", "c"], ["city", "word"]
WITHIN = 1e-9


def prepared(last: Any, numbers: Any = None, texts: Any = None) -> Any:
    """Put what people put before an estimator: holes filled, numbers scaled, texts encoded."""
    numbers = numbers or make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = texts or OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(ColumnTransformer([("num", numbers, NUMBERS), ("cat", texts, TEXTS)]), last)


def filled(*steps: Any) -> Any:
    """Put steps behind an imputer of numbers."""
    return make_pipeline(SimpleImputer(), *steps)


def logistic() -> LogisticRegression:
    """Make a logistic regression that converges."""
    return LogisticRegression(max_iter=2000)


KINDS_OF_MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: prepared(logistic()),
    "forest": lambda: prepared(RandomForestClassifier(20, random_state=0)),
    "histogram boosting": lambda: prepared(HistGradientBoostingClassifier(max_iter=20), numbers="passthrough"),
    "histogram boosting on codes": lambda: prepared(
        HistGradientBoostingClassifier(max_iter=20, categorical_features=[3, 4]),
        numbers="passthrough",
        texts=OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    ),
    "target encoder": lambda: prepared(logistic(), texts=TargetEncoder(random_state=0)),
    "splines": lambda: prepared(logistic(), numbers=filled(SplineTransformer(5))),
    "polynomials": lambda: prepared(logistic(), numbers=filled(StandardScaler(), PolynomialFeatures(2))),
    "bins": lambda: prepared(logistic(), numbers=filled(KBinsDiscretizer(4))),
    "powers": lambda: prepared(logistic(), numbers=filled(PowerTransformer())),
    "quantiles": lambda: prepared(logistic(), numbers=filled(QuantileTransformer(n_quantiles=20))),
    "logarithm": lambda: prepared(
        logistic(), numbers=filled(FunctionTransformer(np.abs), FunctionTransformer(np.log1p))
    ),
    "support vectors": lambda: prepared(SVC()),
    "line of support": lambda: prepared(LinearSVC()),
    "network": lambda: prepared(MLPClassifier((8,), max_iter=2000, random_state=0)),
    "naive": lambda: prepared(GaussianNB(), texts=OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
    "calibrated": lambda: prepared(CalibratedClassifierCV(LinearSVC(), cv=3)),
    "isotonic": lambda: prepared(
        CalibratedClassifierCV(GaussianNB(), cv=3, method="isotonic"),
        texts=OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ),
    "voting": lambda: prepared(
        VotingClassifier([("l", logistic()), ("f", RandomForestClassifier(5, random_state=0))], voting="soft")
    ),
    "stacking": lambda: prepared(
        StackingClassifier([("l", logistic()), ("f", RandomForestClassifier(5, random_state=0))], cv=2)
    ),
    "bagging": lambda: prepared(BaggingClassifier(logistic(), 4, random_state=0)),
    "boosted stumps": lambda: prepared(AdaBoostClassifier(n_estimators=10, random_state=0)),
    "one against the rest": lambda: prepared(OneVsRestClassifier(LinearSVC())),
    "searched": lambda: GridSearchCV(prepared(logistic()), {"logisticregression__C": [0.1, 1.0]}, cv=2),
    "searched at random": lambda: RandomizedSearchCV(
        prepared(logistic()), {"logisticregression__C": [0.1, 1.0, 10.0]}, n_iter=2, cv=2, random_state=0
    ),
    "selected": lambda: prepared(make_pipeline(SelectKBest(k=4), logistic())),
    "selected by a forest": lambda: prepared(
        make_pipeline(SelectFromModel(RandomForestClassifier(10, random_state=0)), logistic())
    ),
    "components of a sparse table": lambda: prepared(make_pipeline(TruncatedSVD(3, random_state=0), logistic())),
    "union": lambda: prepared(
        logistic(), numbers=filled(FeatureUnion([("scaled", StandardScaler()), ("main", PCA(2))]))
    ),
    "columns by type": lambda: make_pipeline(
        ColumnTransformer(
            [
                ("num", filled(StandardScaler()), make_column_selector(dtype_include=float)),
                ("cat", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ],
            remainder="drop",
        ),
        logistic(),
    ),
}
AMOUNTS: dict[str, Callable[[], Any]] = {
    "ridge": lambda: prepared(Ridge()),
    "elastic": lambda: prepared(ElasticNet()),
    "counts": lambda: prepared(PoissonRegressor(max_iter=1000)),
    "boosting": lambda: prepared(GradientBoostingRegressor(n_estimators=20, random_state=0)),
    "extra trees": lambda: prepared(ExtraTreesRegressor(20, random_state=0)),
    "histogram boosting": lambda: prepared(HistGradientBoostingRegressor(max_iter=30), numbers="passthrough"),
    "logarithm of the target": lambda: TransformedTargetRegressor(
        prepared(Ridge()), func=np.log1p, inverse_func=np.expm1
    ),
    "scaled target": lambda: TransformedTargetRegressor(prepared(Ridge()), transformer=StandardScaler()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", picked(KINDS_OF_MODELS, 0, 3, 4, 8, 10, 13, 16, 18, 22, 25, 26, 27, 28))
def test_classifiers(tmp_path: Path, name: str) -> None:
    """A pipeline that tells kinds is exported, and equals its original on fresh rows."""
    fitted = KINDS_OF_MODELS[name]().fit(TRAINED, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=WITHIN)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", picked(AMOUNTS, 1, 4, 5, 6))
def test_regressors(tmp_path: Path, name: str) -> None:
    """A pipeline that tells an amount is exported, and equals its original on fresh rows."""
    fitted = AMOUNTS[name]().fit(TRAINED, AMOUNT)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=WITHIN)


@pytest.mark.filterwarnings("ignore")
def test_texts_beside_numbers(tmp_path: Path) -> None:
    """A column of words goes through tf-idf beside numbers, and the whole equals its original."""
    rows = TRAINED.assign(word=TRAINED["word"].fillna("none at all"))
    parts = [("num", filled(StandardScaler()), NUMBERS), ("txt", TfidfVectorizer(), "word")]
    fitted = make_pipeline(ColumnTransformer(parts), logistic()).fit(rows, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH.assign(word=FRESH["word"].fillna("São João")), within=WITHIN)


def test_killed_while_it_works(tmp_path: Path, whole: bool) -> None:
    """Kill -9 at whatever moment leaves the old artifact whole, or the new one, and nothing half-written."""
    old = prepared(logistic()).fit(TRAINED, KINDS)
    assert export(tmp_path, old) == 0
    before = (tmp_path / "model.onnx").read_bytes()
    new = save(tmp_path, prepared(RandomForestClassifier(30, random_state=0)).fit(TRAINED, KINDS))
    command = [sys.executable, "-m", "mlship", "export", str(new), "-o", str(tmp_path / "model.onnx"), "-q"]

    start = time.monotonic()
    subprocess.run([*command[:-2], str(tmp_path / "other.onnx"), "-q"], check=True)
    lasts = time.monotonic() - start
    after = (tmp_path / "other.onnx").read_bytes()
    for share in (0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0) if whole else (0.5, 0.8, 0.95):
        process = subprocess.Popen(command)
        time.sleep(share * lasts)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (tmp_path / "model.onnx").read_bytes() in (before, after)
    subprocess.run(command, check=True)
    assert (tmp_path / "model.onnx").read_bytes() == after
