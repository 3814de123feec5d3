"""Decompositions and projections give the original's numbers on rows that their export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import (
    PCA,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    MiniBatchSparsePCA,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table

TRAINED, FRESH = table(300, 1), table(HELD_OUT, 2)
RESIDUE = 1e-11
"""Share of a column's largest: products are summed in another order, and the large parts cancel."""


def wide(rows: int, seed: int) -> Any:
    """Make rows of 12 columns that hang together, far from zero."""
    source = np.random.default_rng(seed)
    hidden = source.normal(size=(rows, 4))
    mixed = hidden @ np.random.default_rng(0).normal(size=(4, 12))
    return mixed + source.normal(0, 0.3, (rows, 12)) + np.arange(12) * 5


WIDE, FRESH_WIDE = wide(250, 1), wide(HELD_OUT, 2)
PLAIN = [
    PCA(),
    PCA(n_components=3, whiten=True),
    PCA(n_components=0.9, svd_solver="full"),
    PCA(n_components="mle"),
    PCA(n_components=4, svd_solver="randomized", random_state=0),
    PCA(n_components=4, svd_solver="arpack", random_state=0),
    PCA(n_components=12, whiten=True, svd_solver="covariance_eigh"),
    IncrementalPCA(n_components=5, batch_size=50),
    IncrementalPCA(n_components=5, whiten=True),
    TruncatedSVD(n_components=4, random_state=0),
    TruncatedSVD(n_components=4, algorithm="arpack", random_state=0),
    SparsePCA(n_components=4, max_iter=20, random_state=0),
    SparsePCA(n_components=4, alpha=0.1, ridge_alpha=1.0, max_iter=20, method="cd", random_state=0),
    SparsePCA(n_components=15, alpha=0.01, max_iter=5, random_state=0),
    MiniBatchSparsePCA(n_components=4, max_iter=20, random_state=0),
    FactorAnalysis(n_components=3),
    FactorAnalysis(n_components=3, rotation="varimax", svd_method="lapack"),
    FactorAnalysis(n_components=3, rotation="quartimax"),
    *(FastICA(n_components=3, whiten=whiten, whiten_solver=solver, random_state=0, max_iter=500, tol=0.01)
      for whiten in ("unit-variance", "arbitrary-variance") for solver in ("svd", "eigh")),
    FastICA(n_components=3, fun="cube", algorithm="deflation", random_state=0, max_iter=500, tol=0.1),
    FastICA(whiten=False, random_state=0, max_iter=3),
    GaussianRandomProjection(n_components=5, random_state=0),
    GaussianRandomProjection(n_components=5, compute_inverse_components=True, random_state=0),
    SparseRandomProjection(n_components=5, random_state=0),
    SparseRandomProjection(n_components=5, density=0.5, dense_output=True, random_state=0),
]  # fmt: skip


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", picked(PLAIN, 0, 1, 8, 9, 11, 13, 14, 15, 18, 21, 23, 24, 26), ids=name)
def test_products_alone(tmp_path: Path, model: Any) -> None:
    """Each decomposition, whatever its parameters, gives the original's numbers, far out and at zero too."""
    fitted = clone(model).fit(WIDE)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH_WIDE, RESIDUE)
    assert_equal(tmp_path, fitted, np.vstack([FRESH_WIDE[:50] * 1e6, FRESH_WIDE[:50] * 0, WIDE[:50]]), RESIDUE)


@pytest.mark.parametrize("init", picked(["auto", "pca", "identity"], 0))
def test_neighborhood_components(tmp_path: Path, init: str) -> None:
    """The linear map that brings neighbours of one class together is the original's."""
    model = NeighborhoodComponentsAnalysis(n_components=3, init=init, max_iter=5, random_state=0)
    fitted = model.fit(WIDE, WIDE[:, 0] > 0)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH_WIDE, RESIDUE)


def test_hidden_units(tmp_path: Path) -> None:
    """A restricted Boltzmann machine before a classifier gives the original's probabilities."""
    model = make_pipeline(MinMaxScaler(), BernoulliRBM(8, n_iter=5, random_state=0), LogisticRegression())
    fitted = model.fit(WIDE, WIDE[:, 0] > 0)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([FRESH_WIDE, FRESH_WIDE * 100]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "dtype"), crossed([PLAIN[1], PLAIN[7], PLAIN[9], PLAIN[11], PLAIN[15], PLAIN[18]], [np.float32, np.int64])
)
def test_fitted_on_other_numbers(tmp_path: Path, model: Any, dtype: Any) -> None:
    """What was fitted on single precision or on whole numbers is answered in the arithmetic of the rows."""
    fitted = clone(model).set_params(max_iter=20) if hasattr(model, "max_iter") else clone(model)
    fitted.fit((WIDE * 10).astype(dtype))

    if isinstance(fitted, SparsePCA) and dtype == np.float32:  # it rounds the rows
        assert export(tmp_path, fitted) == 5
    else:
        assert export(tmp_path, fitted) == 0
        assert_equal(tmp_path, fitted, FRESH_WIDE, RESIDUE)


@pytest.mark.parametrize("step", picked([PLAIN[1], PLAIN[9], PLAIN[15], PLAIN[18], PLAIN[-1]], 0, 2, 4), ids=name)
def test_between_a_scaler_and_a_forest(tmp_path: Path, step: Any) -> None:
    """Behind a scaler and before a forest the labels stay the original's."""
    forest = RandomForestClassifier(8, random_state=0)
    step = clone(step).set_params(n_components=2)
    fitted = make_pipeline(StandardScaler(), step, forest).fit(TRAINED[NUMBERS], kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize("step", [TruncatedSVD(3, random_state=0), SparseRandomProjection(3, random_state=0)], ids=name)
def test_over_sparse_tables(tmp_path: Path, step: Any) -> None:
    """Behind an encoder that gives a sparse table the numbers are the original's."""
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), clone(step)).fit(TRAINED[["city", "word"]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["city", "word"]])
