"""Histogram gradient boosting: null, categories of texts and numbers, unknown ones, and every loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export


def frame(rows: int, seed: int, *, unknown: bool = False) -> pd.DataFrame:
    """Make rows of numbers, texts and codes, a tenth of them null; on request also texts and codes never trained on."""
    source = np.random.default_rng(seed)
    cities = ["Porto", "Lisboa", "São é", *(["Faro"] if unknown else [])]
    table = pd.DataFrame(
        {
            "x": source.normal(size=rows).round(2),
            "city": source.choice(cities, rows).astype(object),
            "w": source.lognormal(size=rows),
            "code": source.integers(0, 80 + 20 * unknown, rows).astype(np.float64),
        }
    )
    for column in ("x", "city"):
        table.loc[source.random(rows) < 0.1, column] = np.nan
    return table


TRAINED, FRESH = frame(500, 1), frame(2000, 2, unknown=True)
KNOWN = TRAINED.assign(city=pd.Categorical(TRAINED["city"]), code=pd.Categorical(TRAINED["code"]))
TWO = ((TRAINED["city"] == "Porto") ^ (TRAINED["code"] % 3 == 0)).to_numpy().astype(int)
THREE = TWO + (TRAINED["x"].fillna(0) > 0).to_numpy()
AMOUNT = np.exp(TWO + TRAINED["w"].to_numpy() / 5)
NUMBERS = ["x", "w", "code"]


@pytest.mark.parametrize(
    ("options", "classes"),
    crossed(
        [{}, {"early_stopping": True}, {"class_weight": "balanced"}],
        {"2": TWO, "3": THREE, "texts": np.array(["n", "y"])[TWO]},
    ),
)
def test_classes_with_categories(tmp_path: Path, options: dict[str, Any], classes: Any) -> None:
    """Categories of texts and of numbers, null and unknown ones included, go the original's ways."""
    model = HistGradientBoostingClassifier(max_iter=6, categorical_features="from_dtype", **options)
    fitted = model.fit(KNOWN, classes)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    ("known", "loss"),
    crossed(
        {"numbers": False, "categories": True}, ["squared_error", "absolute_error", "poisson", "gamma", "quantile"]
    ),
)
def test_numbers_by_every_loss(tmp_path: Path, loss: str, known: bool) -> None:
    """Each loss has its own link, with and without categories."""
    model = HistGradientBoostingRegressor(
        max_iter=6, loss=loss, quantile=0.3 if loss == "quantile" else None, categorical_features="from_dtype"
    )
    columns = list(FRESH) if known else NUMBERS
    fitted = model.fit(KNOWN[columns] if known else TRAINED[columns], AMOUNT)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[columns])


@pytest.mark.parametrize("places", picked([[2], [0, 2], [0, 1, 2]], 1, 2), ids=str)
def test_categories_by_place_in_an_array(tmp_path: Path, places: list[int]) -> None:
    """Columns of categories come first to the trees, wherever they stand."""
    whole = [frame[NUMBERS].round(0).clip(-5, 90).to_numpy() for frame in (TRAINED, FRESH)]
    fitted = HistGradientBoostingClassifier(max_iter=6, categorical_features=places).fit(whole[0], TWO)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, whole[1])


@pytest.mark.parametrize(
    "options", [{"max_bins": 12}, {"monotonic_cst": {"w": 1}}, {"interaction_cst": "no_interactions"}], ids=str
)
def test_rows_stay_in_double_precision(tmp_path: Path, options: dict[str, Any]) -> None:
    """A number just beside a threshold, which float32 cannot tell from it, goes its own way."""
    model = HistGradientBoostingClassifier(max_iter=6, **options)
    fitted = clone(model).fit(TRAINED[NUMBERS], TWO)
    splits = np.concatenate([part[0].nodes["num_threshold"] for part in fitted._predictors])
    splits = splits[np.isfinite(splits)]
    edges = np.concatenate([splits, np.nextafter(splits, np.inf), np.nextafter(splits, -np.inf)])
    rows = pd.DataFrame(dict.fromkeys(NUMBERS, edges))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([FRESH[NUMBERS], rows], ignore_index=True))
