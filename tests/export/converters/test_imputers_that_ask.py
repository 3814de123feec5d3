"""IterativeImputer, MissingIndicator and SimpleImputer over anything fill in and flag what their originals do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  without it there is no IterativeImputer
from sklearn.impute import IterativeImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table, with_holes

PLAIN, HELD = table(300, 1), table(HELD_OUT, 2)
TRAINED, FRESH = with_holes(PLAIN, [*NUMBERS, "city", "word"], 3), with_holes(HELD, [*NUMBERS, "city", "word"], 4)
NULL_ROW = pd.DataFrame({name: [np.nan] for name in NUMBERS})
KINDS = kinds_of(PLAIN)

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "flags": {"add_indicator": True},
    "median": {"initial_strategy": "median", "imputation_order": "descending"},
    "most frequent": {"initial_strategy": "most_frequent", "imputation_order": "roman"},
    "constant": {"initial_strategy": "constant", "fill_value": 7.0, "imputation_order": "arabic"},
    "few neighbours": {"n_nearest_features": 2, "random_state": 0},
    "random": {"imputation_order": "random", "random_state": 0},
    "bounds": {"min_value": 0, "max_value": [60, 50, 1]},
    "no turn": {"max_iter": 0},
    "complete": {"skip_complete": True},
    "tree": {"estimator": DecisionTreeRegressor(max_depth=4)},
    "forest": {"estimator": RandomForestRegressor(4, max_depth=4, random_state=0)},
    "ridge": {"estimator": Ridge()},
    "pipeline": {"estimator": make_pipeline(StandardScaler(), LinearRegression())},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("setting", picked(SETTINGS, 1, 2, 4, 5, 7, 9, 11, 13))
def test_iterative_imputer(tmp_path: Path, setting: str) -> None:
    """Each turn's estimator fills in its column from the others, in the order and within the bounds of the original."""
    given = {"max_iter": 4, **SETTINGS[setting]}
    fitted = IterativeImputer(**given).fit(TRAINED[NUMBERS])

    assert export(tmp_path, fitted) == 0
    assert assert_equal(tmp_path, fitted, pd.concat([FRESH[NUMBERS], NULL_ROW], ignore_index=True)).errors == []


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Skipping features:UserWarning")
@pytest.mark.parametrize(
    ("first", "keep", "flags"),
    crossed(["mean", "constant"], {"dropped": False, "kept": True}, {"": False, "flags": True}),
)
def test_a_column_that_was_null_throughout(tmp_path: Path, first: str, keep: bool, flags: bool) -> None:
    """A column without a value in training is dropped or kept, and no turn fills it in."""
    imputer = IterativeImputer(initial_strategy=first, keep_empty_features=keep, add_indicator=flags)
    fitted = imputer.fit(TRAINED[NUMBERS].assign(b=np.nan).to_numpy())

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].to_numpy())


def test_a_column_without_a_turn(tmp_path: Path) -> None:
    """Nulls of a column that was complete in training keep their first guess, when complete ones are skipped."""
    fitted = IterativeImputer(skip_complete=True).fit(TRAINED[NUMBERS].assign(b=PLAIN["b"]))

    assert export(tmp_path, fitted) == 0
    assert assert_equal(tmp_path, fitted, FRESH[NUMBERS]).errors == []


def test_a_number_that_means_missing(tmp_path: Path) -> None:
    """Where -1 means missing it is filled in, and null is refused."""
    fitted = make_union(IterativeImputer(missing_values=-1), MissingIndicator(missing_values=-1))
    fitted.fit(TRAINED[NUMBERS].fillna(-1))
    fresh = pd.concat([FRESH[NUMBERS].fillna(-1), FRESH[NUMBERS][:100]], ignore_index=True)

    assert export(tmp_path, fitted) == 0
    assert {error.code for error in assert_equal(tmp_path, fitted, fresh).errors} == {"null_not_allowed"}


def test_chance_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is filled in at random is refused."""
    assert export(tmp_path, IterativeImputer(sample_posterior=True, max_iter=2).fit(TRAINED[NUMBERS])) == 5
    assert "IterativeImputer with sample_posterior" in capsys.readouterr().err


def test_inside_of_a_pipeline(tmp_path: Path) -> None:
    """Thresholds of a forest behind the imputer are found."""
    columns = ColumnTransformer([("i", IterativeImputer(add_indicator=True), NUMBERS), ("k", "passthrough", ["k"])])
    fitted = make_pipeline(columns, RandomForestClassifier(6, random_state=0)).fit(TRAINED, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    ("new", "features", "sparse"),
    crossed({"ignored": False, "refused": True}, ["missing-only", "all"], ["auto", True, False]),
)
def test_indicator(tmp_path: Path, new: bool, features: str, sparse: Any) -> None:
    """Flags come out for the columns that they did in training; null in others is refused where the original does."""
    indicator = MissingIndicator(features=features, sparse=sparse, error_on_new=new)
    fitted = indicator.fit(TRAINED[NUMBERS].assign(b=PLAIN["b"]))

    assert export(tmp_path, fitted) == 0
    read = assert_equal(tmp_path, fitted, FRESH[NUMBERS])
    assert (read.errors != []) == (new and features == "missing-only")


def test_an_indicator_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An indicator fitted on complete columns gives nothing, which is refused."""
    assert export(tmp_path, MissingIndicator().fit(PLAIN[NUMBERS])) == 5
    assert "gives no columns" in capsys.readouterr().err


def test_texts_beside_their_flags(tmp_path: Path) -> None:
    """Texts are filled in and flagged, and the flags are categories of an encoder like any other."""
    texts = SimpleImputer(strategy="most_frequent", add_indicator=True)
    fitted = make_pipeline(make_union(texts, MissingIndicator()), OneHotEncoder(handle_unknown="ignore"))
    fitted.fit(TRAINED[["city", "word"]])

    assert export(tmp_path, fitted) == 0
    for text in (False, True):
        assert assert_equal(tmp_path, fitted, FRESH[["city", "word"]], text=text).errors == []


@pytest.mark.parametrize("flags", [False, True], ids=["", "flags"])
def test_texts_and_numbers_together(tmp_path: Path, flags: bool) -> None:
    """One imputer over columns of both kinds fills in each with its own."""
    names = ["a", "city", "b", "word"]
    imputer = SimpleImputer(strategy="most_frequent", add_indicator=flags)
    rough, fresh = (rows.round({"a": -1, "b": -1})[names] for rows in (TRAINED, FRESH))
    steps = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    for fitted in (imputer.fit(rough), steps.fit(rough, KINDS)):
        assert export(tmp_path, fitted) == 0
        assert_equal(tmp_path, fitted, fresh)
        (tmp_path / "model.onnx").unlink()


@pytest.mark.parametrize(
    ("given", "null"),
    crossed(
        [{"strategy": "constant", "fill_value": 7}, {"strategy": "mean"}, {"strategy": "constant", "fill_value": -0.5}],
        {"NA": pd.NA, "NaN": np.nan},
    ),
)
def test_numbers_of_every_dtype(tmp_path: Path, given: dict[str, Any], null: Any) -> None:
    """Whole numbers with holes, and others, are filled with what was given, rounded to no dtype."""
    trained, fresh = (with_holes(rows, ["k", "a"], 5)[["k", "a"]] for rows in (PLAIN, HELD))
    fitted = SimpleImputer(missing_values=null, **given).fit(trained)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh)


@pytest.mark.parametrize("marker", [3, -7])
def test_whole_numbers_with_a_marker(tmp_path: Path, marker: int) -> None:
    """A whole number may mean missing, also one that never occurred in training."""
    fitted = SimpleImputer(missing_values=marker, strategy="most_frequent").fit(PLAIN[["k"]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.DataFrame({"k": [1, 2, 3, 4, -7, 3, 9]}))
