"""imbalanced-learn's pipelines answer without their samplers, and its ensembles as those that they derive from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from imblearn import FunctionSampler
from imblearn.combine import SMOTEENN
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import NUMBERS, kinds_of, table

TRAINED, FRESH = table(250, 1), table(1000, 2)
COLUMNS = [*NUMBERS, "city"]
RARE = (kinds_of(TRAINED, 5) == 0).astype(int)
PREPARED = ColumnTransformer(
    [("o", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("s", StandardScaler(), NUMBERS)]
)
SAMPLERS = [SMOTE(random_state=0), RandomUnderSampler(random_state=0), SMOTEENN(random_state=0), FunctionSampler()]
ENSEMBLES = [
    BalancedBaggingClassifier(n_estimators=4, random_state=0),
    BalancedBaggingClassifier(LogisticRegression(), n_estimators=3, max_features=0.7, random_state=0),
    BalancedRandomForestClassifier(8, random_state=0),
    EasyEnsembleClassifier(2, estimator=LogisticRegression(), random_state=0),
    RUSBoostClassifier(n_estimators=5, random_state=0),
]

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize("sampler", picked(SAMPLERS, 0, 2), ids=name)
def test_samplers_vanish(tmp_path: Path, sampler: Any) -> None:
    """A pipeline scores every row that it is given, and only those."""
    model = make_pipeline(clone(PREPARED), clone(sampler), LogisticRegression()).fit(TRAINED[COLUMNS], RARE)

    assert export(tmp_path, model) == 0
    assert_equal(tmp_path, model, FRESH[COLUMNS])


def test_a_search_over_such_a_pipeline(tmp_path: Path) -> None:
    """A search answers through its best pipeline."""
    pipeline = make_pipeline(clone(PREPARED), SMOTE(random_state=0), LogisticRegression())
    model = GridSearchCV(pipeline, {"smote__k_neighbors": [2, 3]}, cv=2, scoring="f1").fit(TRAINED[COLUMNS], RARE)

    assert export(tmp_path, model) == 0
    assert_equal(tmp_path, model, FRESH[COLUMNS])


@pytest.mark.parametrize(("ensemble", "kinds"), crossed(ENSEMBLES, [2, 3]))
def test_ensembles_of_balanced_samples(tmp_path: Path, ensemble: Any, kinds: int) -> None:
    """An ensemble whose members were fitted on balanced samples answers as scikit-learn's own."""
    model = clone(ensemble).fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert export(tmp_path, model) == 0
    assert_equal(tmp_path, model, FRESH[NUMBERS])
