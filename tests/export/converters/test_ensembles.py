"""Isolation forests, boosting by weight, bagging, voting and stacking equal their originals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    IsolationForest,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export

SOURCE = np.random.default_rng(0)
ROWS, FRESH = (SOURCE.normal(size=(count, 4)).round(2) for count in (300, 2000))
TWO = (ROWS[:, 0] + SOURCE.normal(size=300) > 0).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(ROWS[:, 1] + SOURCE.normal(size=300), [-0.5, 0.5])]
AMOUNT = ROWS[:, 0] * 3 + SOURCE.normal(size=300)
KINDS = {"2": TWO, "3": THREE}
CLASSES = pytest.mark.parametrize("classes", KINDS.values(), ids=KINDS)
LINE, TREE = LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)
MEMBERS = [("line", LINE), ("tree", TREE), ("gone", "drop"), ("deep", DecisionTreeClassifier(random_state=1))]
NUMBERS = [("line", Ridge()), ("gone", "drop"), ("tree", DecisionTreeRegressor(max_depth=3))]


def judge(folder: Path, fitted: Any, rows: Any = FRESH) -> None:
    """Export a model and compare it with the original on fresh rows."""
    assert export(folder, fitted) == 0
    assert_equal(folder, fitted, rows)


@pytest.mark.parametrize(
    "options",
    picked(
        [
            {},
            {"contamination": 0.1},
            {"max_features": 2},
            {"max_samples": 1},
            {"bootstrap": True, "contamination": 0.3},
        ],
        *(1, 2, 3),
    ),
    ids=str,
)
def test_outliers(tmp_path: Path, options: dict[str, Any]) -> None:
    """Scores and labels are the original's, also on the rows that the border was drawn through, and on null."""
    rows = ROWS.copy()
    rows[::7, 1] = np.nan
    judge(tmp_path, IsolationForest(n_estimators=10, random_state=0, **options).fit(rows), np.vstack([rows, FRESH]))


@pytest.mark.parametrize(("member", "classes"), crossed([None, TREE, LINE, LinearSVC()], KINDS))
def test_classes_boosted_by_weight(tmp_path: Path, member: Any, classes: Any) -> None:
    """Weighted votes add up in the original's order."""
    judge(tmp_path, AdaBoostClassifier(member, n_estimators=6, random_state=0).fit(ROWS, classes))


@pytest.mark.parametrize(
    ("loss", "member", "count"), crossed(["linear", "square", "exponential"], [None, Ridge()], [1, 2, 9])
)
def test_numbers_boosted_by_weight(tmp_path: Path, loss: str, member: Any, count: int) -> None:
    """The weighted median is the very number that one of the estimators says."""
    judge(tmp_path, AdaBoostRegressor(member, n_estimators=count, loss=loss, random_state=0).fit(ROWS, AMOUNT))


@pytest.mark.parametrize(
    ("member", "some", "classes"),
    crossed(
        [None, TREE, LINE, LinearSVC(), make_pipeline(StandardScaler(), LINE)],
        {"all": False, "some": True},
        KINDS,
    ),
)
def test_bagged_classes(tmp_path: Path, member: Any, some: bool, classes: Any) -> None:
    """Estimators of all or some columns, that saw all or some classes, with probabilities or votes."""
    options = {"max_features": 0.6, "bootstrap_features": True, "max_samples": 9} if some else {}
    judge(tmp_path, BaggingClassifier(member, n_estimators=5, random_state=1, **options).fit(ROWS, classes))


@pytest.mark.parametrize(("member", "targets"), crossed([None, Ridge(), RandomForestRegressor(3)], [1, 2]))
def test_bagged_numbers(tmp_path: Path, member: Any, targets: int) -> None:
    """The mean of estimators, of one and two targets."""
    target = AMOUNT if targets == 1 else np.column_stack([AMOUNT, ROWS[:, 2]])
    judge(tmp_path, BaggingRegressor(member, n_estimators=5, max_features=0.7, random_state=0).fit(ROWS, target))


@pytest.mark.parametrize(
    ("voting", "weights", "classes"),
    crossed(["hard", "soft"], [None, [2, 1, 9, 1], [1, 0.5, 0, 0.5]], KINDS),
)
def test_votes(tmp_path: Path, voting: str, weights: Any, classes: Any) -> None:
    """Votes and means by weight, ties included, alone and as the step before a line."""
    fitted = VotingClassifier(MEMBERS, voting=voting, weights=weights).fit(ROWS, classes)
    judge(tmp_path, fitted)
    (tmp_path / "model.onnx").unlink()
    judge(tmp_path, make_pipeline(clone(fitted), LINE).fit(ROWS, classes))


def test_votes_that_give_no_table_are_refused(tmp_path: Path) -> None:
    """Probabilities that are not flattened are no columns of a step."""
    voting = VotingClassifier(MEMBERS, voting="soft", flatten_transform=False).fit(ROWS, TWO)
    flat = make_pipeline(VotingClassifier(MEMBERS, voting="soft"), LINE).fit(ROWS, TWO)
    flat.steps[0] = ("votingclassifier", voting)
    assert export(tmp_path, flat) == 5


@pytest.mark.parametrize("weights", [None, [1, 2, 3]], ids=str)
def test_means_of_numbers(tmp_path: Path, weights: Any) -> None:
    """The mean of regressors by weight, alone and before a line."""
    judge(tmp_path, VotingRegressor(NUMBERS, weights=weights).fit(ROWS, AMOUNT))
    (tmp_path / "model.onnx").unlink()
    judge(tmp_path, make_pipeline(VotingRegressor(NUMBERS, weights=weights), Ridge()).fit(ROWS, AMOUNT))


@pytest.mark.parametrize(
    ("method", "passthrough", "classes"), crossed(["auto", "predict", "predict_proba"], [False, True], KINDS)
)
def test_stacked_classes(tmp_path: Path, method: Any, passthrough: bool, classes: Any) -> None:
    """The last estimator is given what the others say, and the columns on request."""
    model = StackingClassifier(MEMBERS, LINE, stack_method=method, passthrough=passthrough, cv=3)
    judge(tmp_path, model.fit(ROWS, classes))


@CLASSES
def test_stacked_on_fitted_ones_and_scores(tmp_path: Path, classes: Any) -> None:
    """Estimators fitted before, and those that give scores instead of probabilities."""
    members = [("svm", LinearSVC().fit(ROWS, classes)), ("tree", clone(TREE).fit(ROWS, classes))]
    judge(tmp_path, StackingClassifier(members, TREE, cv="prefit").fit(ROWS, classes))


@pytest.mark.parametrize("passthrough", [False, True])
def test_stacked_numbers(tmp_path: Path, passthrough: bool) -> None:
    """Stacked regressors, alone and as the step before a line."""
    judge(tmp_path, StackingRegressor(NUMBERS, Ridge(), passthrough=passthrough, cv=3).fit(ROWS, AMOUNT))


def test_frames_with_texts(tmp_path: Path) -> None:
    """Pipelines within a vote or a stack take the frame's texts; one that only the last takes is known too."""
    table, fresh = (
        pd.DataFrame({"n": rows[:, 0], "m": rows[:, 1], "c": np.array(["a", "b", None])[np.arange(len(rows)) % 3]})
        for rows in (ROWS, FRESH)
    )
    encoded = make_column_transformer((OneHotEncoder(), ["c"]), (StandardScaler(), ["n"]))
    members = [("p", make_pipeline(encoded, LINE)), ("q", make_pipeline(encoded, TREE))]
    narrow = make_pipeline(make_column_transformer((StandardScaler(), ["n"])), LINE)
    cases = [
        (StackingClassifier(members, cv=3), ["n", "m", "c"]),
        (VotingClassifier(members, voting="soft"), ["n", "m", "c"]),
        (StackingClassifier([("p", narrow)], cv=3, passthrough=True), ["n", "m"]),
    ]
    for model, columns in cases:
        judge(tmp_path, model.fit(table[columns], TWO), fresh[columns])
        (tmp_path / "model.onnx").unlink()
