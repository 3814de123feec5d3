"""OrdinalEncoder and TargetEncoder give in the artifact what they give in the original, null and unknown ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from tests.export.grids import crossed
from tests.export.judging import assert_equal, assert_never_wrong, export
from tests.export.tables import HELD_OUT, amount_of, kinds_of, table, with_holes

TRAINED = table(400, 1).assign(half=lambda frame: frame["k"] / 2)
FRESH = table(HELD_OUT, 2).assign(half=lambda frame: frame["k"] / 2)
KINDS = kinds_of(TRAINED)
NAMES = ["city", "word", "k", "flag", "half"]
UNKNOWN: dict[str, dict[str, Any]] = {
    "error": {"handle_unknown": "error"},
    "minus": {"handle_unknown": "use_encoded_value", "unknown_value": -1},
    "far": {"handle_unknown": "use_encoded_value", "unknown_value": 99},
    "nan": {"handle_unknown": "use_encoded_value", "unknown_value": np.nan},
}


def odd(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with categories that nothing was fitted on in each seventh row, another column each."""
    every = frame.index.to_numpy() % 14 == 0
    cities = frame["city"].where(~every, "Braga")
    halves = frame["half"].where(frame.index.to_numpy() % 14 != 7, 0.75)
    return frame.assign(city=cities, half=halves)


@pytest.mark.parametrize(
    ("rare", "null", "unknown"),
    crossed(
        [{}, {"min_frequency": 90}, {"max_categories": 2}],
        {"None": None, "NaN": np.nan, "no null": "none"},
        list(UNKNOWN),
    ),
)
def test_ordinal_encoder(tmp_path: Path, rare: dict[str, int], null: Any, unknown: str) -> None:
    """Categories, infrequent ones, null and unknown ones get the original's numbers, or are refused as there."""
    trained, fresh = TRAINED, odd(FRESH)
    if null != "none":
        trained, fresh = with_holes(trained, ["city"], 3, null=null), with_holes(fresh, ["city"], 4, null=null)
    fitted = OrdinalEncoder(**UNKNOWN[unknown], **rare).fit(trained[NAMES])

    assert export(tmp_path, fitted) == 0
    for text in (False, True):
        read = assert_equal(tmp_path, fitted, fresh[NAMES], text=text)
        assert {error.code for error in read.errors} == ({"unknown_category"} if unknown == "error" else set())


@pytest.mark.parametrize(("missing", "dtype"), crossed([-5, 77], [np.float64, np.float32, np.int16]))
def test_ordinal_number_of_null(tmp_path: Path, missing: int, dtype: Any) -> None:
    """Null in training has the number that it was given, also in columns of numbers, and in any dtype."""
    trained, fresh = with_holes(TRAINED, ["city", "half"], 3), with_holes(FRESH, ["city", "half"], 4)
    encoder = OrdinalEncoder(encoded_missing_value=missing, dtype=dtype, min_frequency=30)
    fitted = encoder.set_params(handle_unknown="use_encoded_value", unknown_value=-1).fit(trained[NAMES])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([fresh, odd(FRESH)], ignore_index=True)[NAMES])


def test_null_that_is_unknown(tmp_path: Path) -> None:
    """Null where training had none is an unknown category, which has its number."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    fitted = make_pipeline(encoder, RandomForestClassifier(5, random_state=0)).fit(TRAINED[NAMES], KINDS)

    assert export(tmp_path, fitted) == 0
    assert assert_equal(tmp_path, fitted, with_holes(FRESH, ["city", "half"], 4)[NAMES]).errors == []


@pytest.mark.parametrize(
    ("target", "null"), crossed(["binary", "multiclass", "continuous", "texts"], {"": False, "null": True})
)
def test_target_encoder(tmp_path: Path, target: str, null: bool) -> None:
    """Each category has the mean of its targets, one a class; null has its own, and unknown ones have the mean."""
    trained, fresh = TRAINED, odd(FRESH)
    if null:
        trained, fresh = with_holes(trained, ["city", "half"], 3), with_holes(fresh, ["city", "half", "k"], 4)
    targets = {"binary": KINDS, "multiclass": kinds_of(TRAINED, 3), "continuous": amount_of(TRAINED)}
    targets["texts"] = np.array(["no", "yes"], dtype=object)[KINDS]
    fitted = TargetEncoder(smooth=2.0 if null else "auto").fit(trained[NAMES], targets[target])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh[NAMES])


@pytest.mark.parametrize("encoder", [TargetEncoder(random_state=0), OrdinalEncoder()], ids=["target", "ordinal"])
@pytest.mark.filterwarnings("ignore:`TargetEncoder:FutureWarning")
def test_inside_of_pipelines(tmp_path: Path, encoder: Any) -> None:
    """Encoders stand behind imputers and in front of anything."""
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    columns = ColumnTransformer(
        [("t", texts, ["city", "word"]), ("o", OneHotEncoder(), ["k"])], remainder="passthrough"
    )
    names = ["city", "word", "k", "half", "a", "c"]
    trained, fresh = with_holes(TRAINED, ["city"], 3)[names], with_holes(FRESH, ["city"], 4)[names]
    fitted = make_pipeline(columns, LogisticRegression(max_iter=5000)).fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh)


@pytest.mark.parametrize("encoder", [OrdinalEncoder(), TargetEncoder()], ids=["ordinal", "target"])
def test_whole_numbers_of_an_array(tmp_path: Path, encoder: Any) -> None:
    """An encoder fitted on an array of integers tells them apart, and what lies between them."""
    source = np.random.default_rng(0)
    rows = source.integers(-3, 4, (200, 2))
    fitted = make_pipeline(encoder, LinearRegression()).fit(rows, rows[:, 0] ** 2.0)
    fresh = np.vstack([source.integers(-4, 6, (300, 2)).astype(float), rows[:50] + 0.5, -0.0 * rows[:2]])

    assert_never_wrong(tmp_path, fitted, fresh)
    assert (tmp_path / "model.onnx").exists()


def test_numbers_that_float64_does_not_tell_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole numbers past 2**53 as categories are refused."""
    fitted = OrdinalEncoder().fit(TRAINED[["k"]] + 2**60)

    assert export(tmp_path, fitted) == 5
    assert "past 2**53" in capsys.readouterr().err
