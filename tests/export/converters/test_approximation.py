"""Feature maps of kernels give the original's numbers on rows that their export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from mlship.model.values.typed import TypedColumn, read_typed
from tests.export.grids import picked, thinned
from tests.export.judging import assert_equal, assert_never_wrong, export, opened, within_limits
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table

TRAINED, FRESH = table(250, 1), table(HELD_OUT, 2)
RESIDUE = 1e-9
"""Share of a column's largest: what divides by small eigenvalues makes last bits larger, in the original too."""
MAPS = [
    RBFSampler(n_components=20, random_state=0),
    RBFSampler(gamma="scale", n_components=7, random_state=0),
    *(Nystroem(kernel=kernel, n_components=12, random_state=0)
      for kernel in ("rbf", "linear", "poly", "polynomial", "sigmoid", "laplacian", "cosine")),
    Nystroem(kernel="rbf", gamma=0.2, n_components=60, random_state=0),
    Nystroem(kernel="poly", degree=2, coef0=0.5, gamma=0.1, n_components=12, random_state=0),
    Nystroem(kernel="rbf", kernel_params={"gamma": 0.7}, n_components=12, random_state=0),
    *(PolynomialCountSketch(degree=degree, coef0=coef0, n_components=size, gamma=0.3, random_state=0)
      for degree, coef0, size in [(1, 0, 10), (2, 0, 16), (2, 1, 15), (3, 2.5, 100), (5, 1, 7)]),
]  # fmt: skip


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize("model", picked(MAPS[:12], 0, 2, 6, 7, 8, 10), ids=name)
def test_maps(tmp_path: Path, model: Any) -> None:
    """Each map gives the original's numbers, far out, at zero and on the rows of training too.

    Waves are judged as far out as their signature goes.
    """
    rows = StandardScaler().fit_transform(TRAINED[NUMBERS])
    fresh = StandardScaler().fit_transform(FRESH[NUMBERS])
    fitted = clone(model).fit(rows)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([fresh, fresh[:5] * 0, rows]), RESIDUE)
    far = within_limits(tmp_path, fresh * 1e3)
    assert len(far) > 0.99 * len(fresh) if isinstance(model, RBFSampler) else len(far) == len(fresh)
    assert_equal(tmp_path, fitted, far, RESIDUE)


def test_waves_are_refused_where_rounding_decides(tmp_path: Path) -> None:
    """The magnitude past which a phase keeps too few digits is the model's own, on any processor, and is kept."""
    fitted = clone(MAPS[0]).fit(StandardScaler().fit_transform(TRAINED[NUMBERS]))
    limits = 1e5 / np.abs(fitted.random_weights_).max(axis=1)

    assert export(tmp_path, fitted) == 0
    inputs = opened(tmp_path).signature.inputs
    assert [column.limit for column in inputs] == pytest.approx(limits.tolist(), rel=1e-15)
    assert_equal(tmp_path, fitted, np.diag([column.limit for column in inputs]), RESIDUE)
    beyond = {column.name: TypedColumn(np.full(1, limits.max() * 1.01), np.zeros(1, bool)) for column in inputs}
    assert not read_typed(opened(tmp_path).signature, beyond, 1).accepted.any()


@pytest.mark.parametrize("model", thinned(MAPS, 5))
def test_maps_before_a_classifier(tmp_path: Path, model: Any) -> None:
    """Between a scaler and a classifier the labels and scores stay the original's."""
    last = SGDClassifier(loss="log_loss", random_state=0)
    fitted = make_pipeline(StandardScaler(), clone(model), last).fit(TRAINED[NUMBERS], kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.parametrize("model", picked([MAPS[0], MAPS[2], MAPS[6]], 0, 1), ids=name)
def test_maps_of_texts(tmp_path: Path, model: Any) -> None:
    """Behind an encoder that gives a sparse table the numbers are the original's."""
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), clone(model)).fit(TRAINED[["city", "word"]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["city", "word"]], RESIDUE)


@pytest.mark.parametrize("model", picked(MAPS[12:], 0, 3, 4), ids=name)
def test_sketches_are_never_wrong(tmp_path: Path, model: Any) -> None:
    """A sketch alone is the original's, or refused where the original gives nothing but the noise of its transform."""
    rows = StandardScaler().fit_transform(TRAINED[NUMBERS])

    assert_never_wrong(tmp_path, clone(model).fit(rows), rows)


POSITIVE = [
    *(AdditiveChi2Sampler(sample_steps=steps, sample_interval=interval)
      for steps, interval in [(1, None), (2, None), (3, None), (5, 0.3)]),
    SkewedChi2Sampler(n_components=9, random_state=0),
    SkewedChi2Sampler(skewedness=0.01, n_components=9, random_state=0),
    Nystroem(kernel="chi2", n_components=12, random_state=0),
    Nystroem(kernel="chi2", gamma=0.3, n_components=12, random_state=0),
    Nystroem(kernel="additive_chi2", n_components=12, random_state=0),
]  # fmt: skip


@pytest.mark.parametrize("model", picked(POSITIVE, 1, 4, 6, 8), ids=name)
def test_maps_of_what_is_never_negative(tmp_path: Path, model: Any) -> None:
    """Maps of histograms give the original's numbers, and refuse what the original refuses."""
    rows, fresh = TRAINED[NUMBERS].abs().to_numpy(copy=True), FRESH[NUMBERS].abs().to_numpy(copy=True)
    fresh[:50] = fresh[:50].round(0)
    fresh[50:60, 0] = 0.0
    fitted = clone(model).fit(rows)  # of a frame pandas 3 gives what may not be written, which chi2 refuses

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([fresh, rows]), RESIDUE)
    assert assert_equal(tmp_path, fitted, FRESH[NUMBERS].to_numpy(copy=True), RESIDUE).accepted.sum() < len(FRESH)


@pytest.mark.parametrize("model", picked([POSITIVE[1], POSITIVE[7]], 0), ids=name)
def test_histograms_behind_a_scaler(tmp_path: Path, model: Any) -> None:
    """Behind a scaler the smallest number accepted is that which becomes zero."""
    last = SGDClassifier(loss="log_loss", random_state=0)
    fitted = make_pipeline(MinMaxScaler(), clone(model), last).fit(TRAINED[NUMBERS], kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)
    assert_equal(tmp_path, fitted, TRAINED[NUMBERS], RESIDUE)


@pytest.mark.parametrize("sparse", [True, False])
def test_histograms_of_texts(tmp_path: Path, sparse: bool) -> None:
    """Behind an encoder, whether its table is sparse or not, the numbers are the original's."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)
    fitted = make_pipeline(encoder, AdditiveChi2Sampler()).fit(TRAINED[["city", "word"]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["city", "word"]])


def test_functions_of_the_user_are_refused(tmp_path: Path) -> None:
    """A kernel that is a function cannot be read, and is refused."""
    assert export(tmp_path, Nystroem(kernel=np.vdot, n_components=5).fit(TRAINED[NUMBERS])) in (4, 5)
