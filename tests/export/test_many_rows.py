"""Ensembles of trees on 100,000 fresh rows of two decimals, which meet thresholds and tie votes: no row is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from tests.export.grids import crossed, picked
from tests.export.judging import EXACT, export, named, opened

pytestmark = pytest.mark.usefixtures("made_here")

ROWS, TRAINED, WIDTH = 100_000, 2_000, 5
HALF, PROBABILITY = 10, 2.4e-7
"""An even number of trees, grown to the last row so that votes tie; and what float32's exp may differ by."""

TREES = [
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(HALF, random_state=0),
    RandomForestRegressor(HALF, random_state=0),
    ExtraTreesClassifier(HALF, random_state=0),
    HistGradientBoostingClassifier(max_iter=30, categorical_features=[0], random_state=0),
    HistGradientBoostingRegressor(max_iter=30, categorical_features=[0], random_state=0),
    LGBMClassifier(n_estimators=30, verbose=-1, n_jobs=1),
    LGBMRegressor(n_estimators=30, verbose=-1, n_jobs=1),
]
XGBOOST = {
    "classifier": XGBClassifier(n_estimators=30, n_jobs=1),
    "regressor": XGBRegressor(n_estimators=30, n_jobs=1),
}


def rows_of(count: int, seed: int, *, holes: bool) -> Any:
    """Rows of two decimals, the first column of few whole numbers, with or without what is not a number."""
    dice = np.random.default_rng(seed)
    rows = dice.normal(size=(count, WIDTH)).round(2)
    rows[:, 0] = dice.integers(0, 8, size=count)
    if holes:
        rows[dice.random(rows.shape) < 0.1] = np.nan
    return rows


def asked(folder: Path, model: Any, *, holes: bool) -> tuple[dict[str, Any], Any]:
    """Fit a model, export it and ask its artifact; return that and the rows."""
    trained = rows_of(TRAINED, 1, holes=holes)
    target = np.nan_to_num(trained) @ np.arange(1.0, WIDTH + 1) + np.random.default_rng(2).normal(size=TRAINED) * 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM names columns, and later misses the names
        model.fit(trained, target > 0 if is_classifier(model) else target)
    assert export(folder, model) == 0
    session = opened(folder)
    fresh = rows_of(ROWS, 3, holes=holes)
    return session.predict({name: fresh[:, place] for place, name in enumerate(session.signature.names)}), fresh


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize(
    ("model", "holes"),
    picked(
        [
            *((model, holes) for model in TREES for holes in (False, True)),
            (GradientBoostingClassifier(n_estimators=30, random_state=0), False),  # it takes no null
        ],
        *(1, 2, 5, 6, 9, 10, 13, 14, 16),
    ),
    ids=named,
)
def test_trees(tmp_path: Path, model: Any, holes: bool) -> None:
    """Labels are the same in every row, ties among them; numbers are within 1e-12 of the largest."""
    found, fresh = asked(tmp_path, model, holes=holes)
    if not is_classifier(model):
        numbers = model.predict(fresh)
        assert np.abs(found["prediction"] - numbers).max() <= EXACT * np.abs(numbers).max()
        return
    chances = model.predict_proba(fresh)
    assert (found["prediction"] == model.predict(fresh)).all()
    assert np.abs(found["probability_True"] - chances[:, 1]).max() <= EXACT
    if isinstance(model, RandomForestClassifier | ExtraTreesClassifier):
        assert (chances[:, 1] == 0.5).sum() > 100, "no vote ties"


@pytest.mark.parametrize(("model", "holes"), crossed(XGBOOST, {"whole rows": False, "holes": True}))
def test_xgboost(tmp_path: Path, model: Any, holes: bool) -> None:
    """Labels are the same in every row, probabilities within 2.4e-7, numbers within one step of float32."""
    found, fresh = asked(tmp_path, model, holes=holes)
    if is_classifier(model):
        assert (found["prediction"] == model.predict(fresh)).all()
        assert np.abs(found["probability_1"] - model.predict_proba(fresh)[:, 1]).max() <= PROBABILITY
        return
    numbers = model.predict(fresh)
    assert (np.abs(found["prediction"] - numbers) <= np.spacing(np.abs(numbers))).all()


def test_margins_of_xgboost(tmp_path: Path) -> None:
    """What trees of XGBoost add up to, before any exp, is the same to the last bit in every row."""
    model = XGBRegressor(n_estimators=30, n_jobs=1, objective="binary:logitraw", base_score=0.5)
    trained = rows_of(TRAINED, 1, holes=True)
    model.fit(trained, np.nan_to_num(trained).sum(axis=1) > 0)
    assert export(tmp_path, model) == 0
    session = opened(tmp_path)
    fresh = rows_of(ROWS, 3, holes=True)
    found = session.predict({name: fresh[:, place] for place, name in enumerate(session.signature.names)})
    assert (found["prediction"] == model.predict(fresh, output_margin=True)).all()
