"""Discriminant analysis and the nearest centroid give the original's labels, scores and coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table

TRAINED, FRESH = table(300, 1), table(HELD_OUT, 2)
FAR = pd.concat([FRESH[NUMBERS], FRESH[NUMBERS][:50] * 1e4, FRESH[NUMBERS][:1] * 0], ignore_index=True)
LINEAR = [
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.3),
]
QUADRATIC = [QuadraticDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(reg_param=0.3)]
CENTROIDS = [NearestCentroid(), NearestCentroid(metric="manhattan"), NearestCentroid(shrink_threshold=0.5)]
_VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if _VERSION >= (1, 6):
    CENTROIDS += [NearestCentroid(priors="empirical"), NearestCentroid(priors="empirical", metric="manhattan")]
if _VERSION >= (1, 8):
    QUADRATIC += [QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1)]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


def uneven(rows: Any, kinds: int) -> Any:
    """Return class numbers of unlike shares."""
    given = kinds_of(rows, kinds + 1)
    return np.minimum(given, kinds - 1)


@pytest.mark.parametrize(
    ("model", "kinds"), crossed([*LINEAR, *QUADRATIC, *CENTROIDS], [2, 3, 5], places=[0, 1, 3, 4, 6, 7])
)
def test_classes(tmp_path: Path, model: Any, kinds: int) -> None:
    """Labels with probabilities or scores are the original's, also far from all training rows."""
    fitted = clone(model).fit(TRAINED[NUMBERS], uneven(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR)


@pytest.mark.parametrize("model", picked([*LINEAR[:2], *QUADRATIC], 0, 2), ids=name)
def test_shares_given_beforehand(tmp_path: Path, model: Any) -> None:
    """Shares of the classes that the user gave count for more than those of the training rows."""
    fitted = clone(model).set_params(priors=[0.7, 0.2, 0.1]).fit(TRAINED[NUMBERS], kinds_of(TRAINED, 3))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR)


@pytest.mark.parametrize(("solver", "components"), crossed(["svd", "eigen"], [None, 1]))
def test_coordinates(tmp_path: Path, solver: str, components: int | None) -> None:
    """Used as a step, the linear analysis gives the original's coordinates."""
    model = LinearDiscriminantAnalysis(solver=solver, n_components=components)
    fitted = make_pipeline(StandardScaler(), model, GaussianNB()).fit(TRAINED[NUMBERS], kinds_of(TRAINED, 4))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize("model", picked(CENTROIDS, 0, 1, 2), ids=name)
def test_rows_midway_between_centroids(tmp_path: Path, model: Any) -> None:
    """Rows as near to one centroid as to another get the original's label."""
    fitted = clone(model).fit(
        [[-1.0, 0.0], [-3.0, 4.0], [1.0, 0.0], [3.0, 4.0], [-1.0, 8.0], [1.0, 8.0]], [0, 0, 1, 1, 2, 2]
    )
    middle = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 5.0], [1.0, 5.0], [-2.0, 5.0]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, middle)
