"""Trees, forests and gradient boosting: several targets, null, ties, and what boosting starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export

SOURCE = np.random.default_rng(0)
ROWS, FRESH = (SOURCE.normal(size=(count, 4)).round(2) for count in (300, 2500))
TWO = (ROWS[:, 0] + SOURCE.normal(size=300) > 0).astype(int)
THREE = np.digitize(ROWS[:, 1] + SOURCE.normal(size=300), [-0.5, 0.5])
AMOUNT = ROWS[:, 0] * 3 + SOURCE.normal(size=300)
TOLD = [
    DecisionTreeClassifier(max_depth=3, monotonic_cst=[1, 0, -1, 0]),  # first, to be run with two classes always
    DecisionTreeClassifier(random_state=0),
    ExtraTreeClassifier(max_leaf_nodes=9, random_state=0),
    RandomForestClassifier(10, random_state=0),
    RandomForestClassifier(8, max_depth=3, class_weight="balanced", random_state=0),
    ExtraTreesClassifier(6, random_state=0),
]


def name(value: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(value).split())


def holed(rows: Any, seed: int) -> Any:
    """Return the rows with a tenth of the values null."""
    copy = rows.copy()
    copy[np.random.default_rng(seed).random(rows.shape) < 0.1] = np.nan
    return copy


@pytest.mark.parametrize(
    ("classes", "model"),
    crossed({"2": TWO, "3": THREE, "texts": np.array(["no", "yes"])[TWO], "1": TWO * 0}, TOLD),
)
def test_classes(tmp_path: Path, model: Any, classes: Any) -> None:
    """Trees and forests of one, two and three classes equal the original."""
    if getattr(model, "monotonic_cst", None) and len(set(classes)) != 2:
        model = clone(model).set_params(monotonic_cst=None)
    fitted = clone(model).fit(ROWS, classes, sample_weight=np.linspace(0.5, 2, 300))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize("model", picked(TOLD, 1, 3, 5), ids=name)
def test_classes_of_several_targets(tmp_path: Path, model: Any) -> None:
    """Each target has its own classes and probabilities."""
    fitted = clone(model).set_params(**({"monotonic_cst": None} if "monotonic_cst" in model.get_params() else {}))
    fitted.fit(ROWS, np.column_stack([TWO, THREE]))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    ("targets", "model"),
    crossed(
        [2, 1],
        [
            DecisionTreeRegressor(max_depth=5),
            RandomForestRegressor(4, max_samples=0.3, monotonic_cst=[1, 0, 0, 0], random_state=0),
            RandomForestRegressor(5, random_state=0),
            ExtraTreesRegressor(5, random_state=0),
        ],
    ),
)
def test_numbers(tmp_path: Path, model: Any, targets: int) -> None:
    """Regression trees and forests of one and two targets equal the original."""
    fitted = clone(model)
    if targets == 2 and fitted.monotonic_cst is not None:
        fitted.set_params(monotonic_cst=None)
    fitted.fit(ROWS, AMOUNT if targets == 1 else np.column_stack([AMOUNT, ROWS[:, 2]]))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    "model", [DecisionTreeClassifier(), RandomForestClassifier(9), ExtraTreesClassifier(5)], ids=name
)
def test_null_goes_where_training_sent_it(tmp_path: Path, model: Any) -> None:
    """Trees that were trained on null answer null."""
    fitted = clone(model).set_params(random_state=0).fit(holed(ROWS, 1), TWO)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, holed(FRESH, 2))


@pytest.mark.parametrize("depth", picked([None, 2, 5], 0, 1))
def test_ties_of_votes_go_to_the_first_class(tmp_path: Path, depth: int | None) -> None:
    """Where as many trees say one class as the other, the label is the original's."""
    fitted = RandomForestClassifier(4, max_depth=depth, random_state=0).fit(ROWS, SOURCE.integers(0, 2, 300))
    shares = fitted.predict_proba(FRESH)
    assert depth is not None or (shares[:, 0] == shares[:, 1]).sum() > 100

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=1e-15)


@pytest.mark.parametrize(
    ("init", "told"),
    crossed(
        [None, "zero", DecisionTreeClassifier(max_depth=2)],
        {"2-log_loss": ("log_loss", TWO), "2-exponential": ("exponential", TWO), "3-log_loss": ("log_loss", THREE)},
    ),
)
def test_boosted_classes(tmp_path: Path, init: Any, told: tuple[str, Any]) -> None:
    """Gradient boosting equals the original from wherever it starts."""
    loss, classes = told
    fitted = GradientBoostingClassifier(n_estimators=6, loss=loss, init=init).fit(ROWS, classes)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    ("init", "loss"),
    crossed(
        [None, "zero", RandomForestRegressor(3), DummyRegressor(strategy="constant", constant=2.0)],
        ["squared_error", "absolute_error", "huber", "quantile"],
    ),
)
def test_boosted_numbers(tmp_path: Path, init: Any, loss: str) -> None:
    """Gradient boosting of numbers equals the original for each loss."""
    fitted = GradientBoostingRegressor(n_estimators=6, loss=loss, init=init).fit(ROWS, AMOUNT)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (GradientBoostingClassifier(n_estimators=3, init=LogisticRegression()), TWO),
        (GradientBoostingRegressor(n_estimators=3, init=Ridge()), AMOUNT),
    ],
    ids=["classes", "numbers"],
)
def test_a_start_in_single_precision_is_refused(tmp_path: Path, model: Any, target: Any) -> None:
    """A line that is fitted on float32 computes in it, which double precision does not equal."""
    assert export(tmp_path, model.fit(ROWS, target)) == 5


@pytest.mark.parametrize("sparse", [False, True])
def test_leaves_as_columns(tmp_path: Path, sparse: bool) -> None:
    """Each leaf of an embedding is a column, alone and before a line."""
    embedding = RandomTreesEmbedding(5, max_depth=3, sparse_output=sparse, random_state=0)
    for model in (embedding.fit(ROWS), make_pipeline(embedding, LogisticRegression()).fit(ROWS, TWO)):
        assert export(tmp_path, model) == 0
        assert_equal(tmp_path, model, FRESH)
        (tmp_path / "model.onnx").unlink()
