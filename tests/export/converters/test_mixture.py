"""Mixtures and the elliptic envelope give the original's labels, shares and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, table

TRAINED, FRESH = table(300, 1), table(HELD_OUT, 2)
FAR = pd.concat([FRESH[NUMBERS], FRESH[NUMBERS][:50] * 1e3, FRESH[NUMBERS][:1] * 0], ignore_index=True)
MIXTURES = [
    GaussianMixture(4, random_state=0),
    GaussianMixture(1, random_state=0),
    BayesianGaussianMixture(n_components=4, random_state=0),
    BayesianGaussianMixture(
        n_components=3, weight_concentration_prior_type="dirichlet_distribution", random_state=0, max_iter=300
    ),
]
ENVELOPES = [
    EllipticEnvelope(random_state=0),
    EllipticEnvelope(assume_centered=True, contamination=0.25, random_state=0),
    EllipticEnvelope(store_precision=False, support_fraction=0.9, random_state=0),
]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize(
    ("model", "kind", "scaled"),
    crossed(MIXTURES, ["full", "tied", "diag", "spherical"], {"scaled": True, "raw": False}),
)
def test_components(tmp_path: Path, model: Any, kind: str, scaled: bool) -> None:
    """Components and their shares are the original's for every form of covariance, near and far."""
    made = clone(model).set_params(covariance_type=kind)
    fitted = (make_pipeline(StandardScaler(), made) if scaled else made).fit(TRAINED[NUMBERS])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR, within=1e-10)


@pytest.mark.parametrize(("model", "scaled"), crossed(ENVELOPES, {"scaled": True, "raw": False}))
def test_outliers(tmp_path: Path, model: Any, scaled: bool) -> None:
    """The envelope tells 1 from -1 and scores as the original does."""
    made = clone(model)
    fitted = (make_pipeline(StandardScaler(), made) if scaled else made).fit(TRAINED[NUMBERS])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR)


@pytest.mark.parametrize("kind", picked(["full", "tied", "diag", "spherical"], 0, 2))
def test_components_fitted_on_float32(tmp_path: Path, kind: str) -> None:
    """A mixture fitted on float32 keeps numbers of float32, whose products it rounds to that."""
    fitted = GaussianMixture(3, covariance_type=kind, random_state=0).fit(TRAINED[NUMBERS].astype("float32"))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR, within=1e-10)
