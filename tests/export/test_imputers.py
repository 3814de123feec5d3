"""SimpleImputer fills, drops and flags in the artifact what it does in the original."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.export.grids import crossed
from tests.export.judging import assert_equal, export, opened
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table, with_holes

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED = with_holes(table(400, 1), [*NUMBERS, "city"], 3)
FRESH = with_holes(table(HELD_OUT, 2), [*NUMBERS, "city"], 4)
KINDS = kinds_of(TRAINED)
STRATEGIES = ["mean", "median", "most_frequent", "constant"]
FLAGS = {"": False, "flags": True}


@pytest.mark.parametrize(
    ("last", "strategy", "indicator"),
    crossed([LogisticRegression(max_iter=5000), RandomForestClassifier(6, random_state=0)], STRATEGIES, FLAGS),
)
def test_numbers(tmp_path: Path, strategy: str, indicator: bool, last: Any) -> None:
    """Missing numbers are filled by every strategy, with and without a flag for each."""
    imputer = SimpleImputer(strategy=strategy, add_indicator=indicator)
    fitted = make_pipeline(imputer, StandardScaler(), last).fit(TRAINED[NUMBERS], KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.filterwarnings("ignore:Skipping features:UserWarning")
@pytest.mark.parametrize(
    ("strategy", "keep", "indicator"), crossed(STRATEGIES, {"dropped": False, "kept": True}, FLAGS)
)
def test_a_column_that_was_null_throughout(tmp_path: Path, strategy: str, keep: bool, indicator: bool) -> None:
    """A column without a value in training is dropped or kept as in the original; later columns do not shift."""
    imputer = SimpleImputer(strategy=strategy, keep_empty_features=keep, add_indicator=indicator)
    fitted = make_pipeline(imputer, LogisticRegression(max_iter=5000)).fit(TRAINED[NUMBERS].assign(b=np.nan), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.filterwarnings("ignore:Skipping features:UserWarning")
def test_picked_by_place_behind_a_dropped_column(tmp_path: Path) -> None:
    """Places behind an imputer count the columns that it let through."""
    columns = ColumnTransformer([("s", StandardScaler(), [1]), ("p", "passthrough", [0])])
    steps = make_pipeline(SimpleImputer(), columns, LogisticRegression(max_iter=5000))
    fitted = steps.fit(TRAINED[["b", "a", "c"]].assign(b=np.nan), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["b", "a", "c"]])


@pytest.mark.parametrize("strategy", ["mean", "most_frequent"])
def test_a_number_that_means_missing(tmp_path: Path, strategy: str) -> None:
    """Where -1 means missing it is filled in, and null, which the original refuses, is refused."""
    steps = make_pipeline(
        SimpleImputer(missing_values=-1, strategy=strategy), RandomForestClassifier(6, random_state=0)
    )
    fitted = steps.fit(TRAINED[NUMBERS].fillna(-1), KINDS)

    assert export(tmp_path, fitted) == 0
    fresh = pd.concat([FRESH[NUMBERS][:100], FRESH[NUMBERS].fillna(-1)], ignore_index=True)

    read = assert_equal(tmp_path, fitted, fresh)
    assert {error.code for error in read.errors} == {"null_not_allowed"}


def test_fitted_on_float32(tmp_path: Path) -> None:
    """Means of float32 are rounded to it, and the artifact fills in the rounded ones."""
    trained = TRAINED[NUMBERS].to_numpy(np.float32)
    fitted = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=5000)).fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].to_numpy())


@pytest.mark.parametrize(
    ("fill", "unknown"),
    crossed(
        [{"strategy": "most_frequent"}, {"strategy": "constant", "fill_value": "missing"}],
        ["ignore", "error", "infrequent_if_exist"],
    ),
)
def test_texts(tmp_path: Path, fill: dict[str, str], unknown: str) -> None:
    """Missing texts are filled before they are encoded, and accepted also where unknown categories are not."""
    texts = make_pipeline(SimpleImputer(**fill), OneHotEncoder(handle_unknown=unknown))
    columns = ColumnTransformer([("t", texts, ["city"]), ("n", SimpleImputer(), NUMBERS)])
    fitted = make_pipeline(columns, LogisticRegression(max_iter=5000)).fit(TRAINED, KINDS)
    fresh = FRESH.assign(city=FRESH["city"].where(FRESH.index % 10 != 0, "Braga"))

    assert export(tmp_path, fitted) == 0
    assert opened(tmp_path).signature.inputs[-1].nullable
    for text in (False, True):
        read = assert_equal(tmp_path, fitted, fresh, text=text)
        assert {error.code for error in read.errors} == ({"unknown_category"} if unknown == "error" else set())


def test_a_text_that_means_missing(tmp_path: Path) -> None:
    """Where `?` means missing it is accepted, also by an encoder that knows no such category, and null is not."""
    texts = make_pipeline(SimpleImputer(missing_values="?", strategy="most_frequent"), OneHotEncoder())
    columns = ColumnTransformer([("t", texts, ["city"]), ("n", SimpleImputer(), NUMBERS)])
    fitted = make_pipeline(columns, LogisticRegression(max_iter=5000)).fit(TRAINED.fillna({"city": "?"}), KINDS)
    fresh = FRESH.assign(city=FRESH["city"].where(FRESH.index % 2 == 0, "?"))

    assert export(tmp_path, fitted) == 0
    read = assert_equal(tmp_path, fitted, fresh)
    assert {error.code for error in read.errors} == {"null_not_allowed"}


def test_none_under_an_imputer_for_nan_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """scikit-learn leaves None where NaN is to be filled; which of the two null is cannot be known, so exit 5."""
    trained = with_holes(table(400, 1), ["city"], 3, null=None)
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    fitted = make_pipeline(ColumnTransformer([("t", texts, ["city"])]), LogisticRegression()).fit(trained, KINDS)

    assert export(tmp_path, fitted) == 5
    assert capsys.readouterr().err.splitlines() == [
        "error: Nulls of column 'city' were None in training, and its imputer fills in only NaN.",
        "hint: Fit with NaN for null, or give the imputer missing_values=None.",
    ]
    assert not (tmp_path / "model.onnx").exists()


def test_none_that_is_filled(tmp_path: Path) -> None:
    """An imputer that was told of None fills it in."""
    trained, fresh = (with_holes(table(rows, 1), ["city"], rows, null=None) for rows in (400, HELD_OUT))
    texts = make_pipeline(
        SimpleImputer(missing_values=None, strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    fitted = make_pipeline(ColumnTransformer([("t", texts, ["city"])]), LogisticRegression()).fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh)


def test_one_imputer_over_texts_and_numbers(tmp_path: Path) -> None:
    """One imputer over columns of both kinds fills each of its kind."""
    rows = TRAINED[["a", "city"]].astype(object)
    steps = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    fitted = make_pipeline(steps, LogisticRegression()).fit(rows.round(0), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["a", "city"]])
