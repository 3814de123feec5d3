"""SplineTransformer gives the very bits of the original, also beyond its knots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from tests.export.grids import crossed
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, amount_of, table, with_holes

TRAINED = table(300, 1)[NUMBERS]
HOLED = with_holes(TRAINED, NUMBERS, 3)
HELD = table(HELD_OUT, 2)[NUMBERS]
FRESH = pd.concat([HELD, HELD * 10, -HELD, TRAINED[:50], HELD[:50] * 1e6], ignore_index=True)
WITH_NULL = pd.concat([with_holes(FRESH, NUMBERS, 4), HOLED[:50]], ignore_index=True)
INFINITE = pd.DataFrame({name: [np.inf, -np.inf, 0.0, np.nan] for name in NUMBERS})

BEYOND = ["constant", "linear", "continue", "periodic"]
KNOTS: dict[str, dict[str, Any]] = {
    "two": {"n_knots": 2},
    "many": {"n_knots": 40, "include_bias": False},
    "quantile": {"n_knots": 6, "knots": "quantile"},
    "given": {"knots": np.array([[0.0, 0.0, -1.0], [10.0, 0.1, 0.0], [100.0, 100.0, 1.0], [101.0, 130.0, 1.5]])},
}


@pytest.mark.parametrize(
    ("extrapolation", "degree", "sparse"), crossed(BEYOND, [1, 2, 3, 5], {"dense": False, "sparse": True})
)
def test_degrees(tmp_path: Path, extrapolation: str, degree: int, sparse: bool) -> None:
    """Splines of every degree go on beyond the knots in each way as those of the original do."""
    step = SplineTransformer(n_knots=6, degree=degree, extrapolation=extrapolation, sparse_output=sparse)
    fitted = step.fit(TRAINED)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=0.0)


@pytest.mark.parametrize(("extrapolation", "knots"), crossed(BEYOND[:3], KNOTS))
def test_knots(tmp_path: Path, extrapolation: str, knots: dict[str, Any]) -> None:
    """Knots may be few, many, of quantiles, or given; and the last spline may be left out."""
    fitted = SplineTransformer(extrapolation=extrapolation, **knots).fit(TRAINED)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=0.0)


@pytest.mark.parametrize(("extrapolation", "degree"), crossed(BEYOND, [1, 3]))
def test_null_and_infinity(tmp_path: Path, extrapolation: str, degree: int) -> None:
    """Null is in no spline where it is accepted, and infinity, which then is accepted too, is as in the original."""
    step = SplineTransformer(degree=degree, extrapolation=extrapolation, handle_missing="zeros")
    fitted = step.fit(HOLED)

    assert export(tmp_path, fitted) == 0
    read = assert_equal(tmp_path, fitted, pd.concat([WITH_NULL, INFINITE], ignore_index=True), within=0.0)
    assert read.errors == []


@pytest.mark.parametrize("extrapolation", ["linear", "continue", "periodic"])
def test_steps(tmp_path: Path, extrapolation: str) -> None:
    """Splines of degree 0 are steps."""
    fitted = SplineTransformer(degree=0, extrapolation=extrapolation).fit(TRAINED)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, within=0.0)


@pytest.mark.parametrize("extrapolation", ["constant", "linear", "periodic"])
def test_equal_knots(tmp_path: Path, extrapolation: str) -> None:
    """A column of one value has knots that are all equal, and few values make some of the quantiles equal."""
    fitted = SplineTransformer(n_knots=4, knots="quantile", extrapolation=extrapolation)
    fitted.fit(TRAINED.round(-1).assign(b=2.0, c=(TRAINED["c"] > 1) * 1.0))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([FRESH, FRESH.round(-1).assign(b=2.0)], ignore_index=True), within=0.0)


def test_inside_of_a_pipeline(tmp_path: Path) -> None:
    """Knots behind a scaler are found, and a linear model follows."""
    steps = make_pipeline(StandardScaler(), SplineTransformer(extrapolation="linear"), Ridge())
    fitted = steps.fit(TRAINED, amount_of(table(300, 1)))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"extrapolation": "error"}, "extrapolation='error'"),
        ({"degree": 0, "extrapolation": "constant"}, "degree 0 with extrapolation='constant'"),
    ],
    ids=["error", "constant steps"],
)
def test_refused(tmp_path: Path, given: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the original answers only between its knots is refused."""
    assert export(tmp_path, SplineTransformer(**given).fit(TRAINED)) == 5
    assert said in capsys.readouterr().err
