"""Neighbours within a radius equal their originals; those of the nearest k, which hang on ties, are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.neighbors import (
    KNeighborsClassifier,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.export.grids import crossed
from tests.export.judging import assert_equal, export, opened

ROWS, KINDS = load_iris(return_X_y=True)
AMOUNT = KINDS * 1.5  # of whole numbers the original makes a huge negative one where nobody is near
FRESH = np.vstack([ROWS[1::2], (ROWS[:40] + ROWS[60:100]) / 2, np.round(ROWS[:30] * 1.3, 1), ROWS[:20] * 50])
MODELS = [
    RadiusNeighborsClassifier(0.7, outlier_label="most_frequent"),
    RadiusNeighborsClassifier(0.7, weights="distance", outlier_label="most_frequent"),
    RadiusNeighborsClassifier(0.9, p=1, algorithm="brute", outlier_label=2),
    RadiusNeighborsRegressor(0.7),
    RadiusNeighborsRegressor(0.7, weights="distance", algorithm="kd_tree"),
    RadiusNeighborsTransformer(radius=0.7),
    RadiusNeighborsTransformer(mode="connectivity", radius=0.7),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model", "scaled"), crossed(MODELS, {"": False, "scaled": True}))
def test_within_a_radius(tmp_path: Path, model: Any, scaled: bool) -> None:
    """Weights, metrics and rows with nobody near give the original's answers, on ties and training points too."""
    fitted = make_pipeline(StandardScaler(), model) if scaled else model
    fitted.fit(ROWS[::2], (AMOUNT if isinstance(model, RadiusNeighborsRegressor) else KINDS)[::2])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=1e-9)


def test_rows_far_from_all_points_are_refused(tmp_path: Path) -> None:
    """Where distances differ by less than a double tells, the signature has a limit."""
    assert export(tmp_path, RadiusNeighborsRegressor(0.7).fit(ROWS, AMOUNT)) == 0
    assert [column.limit for column in opened(tmp_path).signature.inputs] == pytest.approx(
        (np.abs(ROWS).max(axis=0) * 1e6).tolist()
    )


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (RadiusNeighborsClassifier(0.7), "without an outlier label"),
        (RadiusNeighborsRegressor(0.7, metric="chebyshev"), "with metric 'chebyshev' is not supported"),
        (KNeighborsClassifier(3), "KNeighborsClassifier is not supported"),
    ],
    ids=["outliers", "metric", "nearest"],
)
def test_what_is_refused(tmp_path: Path, model: Any, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A metric without a formula here, rows without an answer, and ties are exit 5 with the reason."""
    assert export(tmp_path, model.fit(ROWS, KINDS)) == 5
    assert reason in capsys.readouterr().err
