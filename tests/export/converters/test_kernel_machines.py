"""Models that weigh kernels with their training points give the original's numbers, labels and shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor, kernels
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, assert_never_wrong, export
from tests.export.tables import NUMBERS, amount_of, kinds_of, table

TRAINED, FRESH = table(90, 1), table(600, 2)
RESIDUE = 1e-9
"""Share of a column's largest: weights of near points cancel each other, in the original too."""
KERNELS = [
    kernels.RBF(),
    kernels.RBF([0.5, 2.0, 1.0]),
    *(kernels.Matern(nu=nu) for nu in (0.5, 1.5, 2.5, float("inf"))),
    kernels.RationalQuadratic(alpha=0.7),
    kernels.DotProduct(2.0),
    kernels.ConstantKernel(2.0) * kernels.RBF() + kernels.WhiteKernel(0.1),
    kernels.Matern() ** 2 * kernels.DotProduct() + 1.0,
]
PERIODIC = kernels.ExpSineSquared(1.3, 2.5)
PAIRWISE = kernels.PairwiseKernel(metric="laplacian", gamma=0.5) + kernels.WhiteKernel()


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


def test_prior_kernel_on_unlike_targets(tmp_path: Path) -> None:
    """Without a kernel the default is meant, and each target is shifted and stretched by itself."""
    targets = np.column_stack([amount_of(TRAINED), TRAINED["c"]])
    fitted = make_pipeline(StandardScaler(), GaussianProcessRegressor(alpha=0.1, normalize_y=True)).fit(
        TRAINED[NUMBERS], targets
    )

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.filterwarnings("ignore")  # the kernels' bounds, and a solver that gives up early
@pytest.mark.parametrize("kernel", picked([*KERNELS, PAIRWISE], 1, 3, 5, 6, 7, 9, 10), ids=name)
def test_mean_of_a_process(tmp_path: Path, kernel: Any) -> None:
    """The mean is the original's for every kernel, alone and combined."""
    model = GaussianProcessRegressor(kernel, alpha=0.1, normalize_y=True, optimizer=None)
    fitted = make_pipeline(StandardScaler(), model).fit(TRAINED[NUMBERS], amount_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


def test_periodic_process(tmp_path: Path) -> None:
    """A kernel that repeats itself along one column equals the original, far along it too."""
    model = GaussianProcessRegressor(PERIODIC, alpha=0.1, optimizer=None)
    fitted = model.fit(TRAINED[["c"]], TRAINED["a"])

    assert assert_never_wrong(tmp_path, fitted, FRESH[["c"]])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kernel", "kinds"), crossed([None, *KERNELS[1::2]], [2, 3], places=[0, 1, 3, 5]))
def test_classes_of_a_process(tmp_path: Path, kernel: Any, kinds: int) -> None:
    """Labels and Laplace's probabilities are the original's; of three classes each against the rest."""
    model = GaussianProcessClassifier(kernel, optimizer=None)
    fitted = make_pipeline(StandardScaler(), model).fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.parametrize("kernel", [kernels.Matern(nu=3.5), kernels.RBF() + kernels.Matern(nu=0.7)], ids=name)
def test_kernels_without_a_closed_form_are_refused(tmp_path: Path, kernel: Any, capsys: Any) -> None:
    """A Matern kernel that needs Bessel functions is refused by its parameter."""
    fitted = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None).fit(TRAINED[NUMBERS], amount_of(TRAINED))

    assert export(tmp_path, fitted) == 5
    assert "nu=" in capsys.readouterr().err


def test_pairs_of_processes_are_refused(tmp_path: Path, capsys: Any) -> None:
    """One class against one gives no probabilities, though the original has the method; that is refused."""
    model = GaussianProcessClassifier(kernels.RBF(), multi_class="one_vs_one", optimizer=None)
    fitted = model.fit(TRAINED[NUMBERS], kinds_of(TRAINED, 3))

    assert export(tmp_path, fitted) == 5
    assert "one_vs_one" in capsys.readouterr().err


@pytest.mark.parametrize("kernel", picked(["poly", "rbf", "laplacian", kernels.RBF(2.0)], 0, 3), ids=name)
def test_ridge(tmp_path: Path, kernel: Any) -> None:
    """Ridge regression on kernels equals the original, of one target and of two."""
    rows, targets = TRAINED[NUMBERS], np.column_stack([amount_of(TRAINED), TRAINED["c"]])
    for target in (targets[:, 0], targets):
        fitted = make_pipeline(StandardScaler(), KernelRidge(kernel=kernel)).fit(rows, target)
        assert export(tmp_path, fitted) == 0
        assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.parametrize("kernel", ["linear", "cosine"])
def test_ridge_whose_weights_cancel(tmp_path: Path, kernel: str) -> None:
    """Where many weights cancel each other the proof may refuse, but never lets anything wrong through."""
    fitted = make_pipeline(StandardScaler(), KernelRidge(kernel=kernel)).fit(TRAINED[NUMBERS], amount_of(TRAINED))

    if export(tmp_path, fitted) == 0:
        assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.parametrize("kernel", picked(["linear", "poly", "rbf", "sigmoid", "cosine"], 1, 2, 4))
def test_components(tmp_path: Path, kernel: str) -> None:
    """Components of kernels are the original's, alone and before a classifier."""
    rows = StandardScaler().fit_transform(TRAINED[NUMBERS])
    fresh = StandardScaler().fit_transform(FRESH[NUMBERS])
    alone = KernelPCA(3, kernel=kernel, gamma=0.3).fit(rows)
    assert export(tmp_path, alone) == 0
    assert_equal(tmp_path, alone, fresh, RESIDUE)

    before = make_pipeline(KernelPCA(2, kernel=kernel), LogisticRegression()).fit(rows, kinds_of(TRAINED, 3))
    assert export(tmp_path, before) == 0
    assert_equal(tmp_path, before, fresh, RESIDUE)


@pytest.mark.parametrize(
    ("model", "scaled"),
    crossed(
        [LabelPropagation(gamma=1.0), LabelSpreading(gamma=0.5, alpha=0.5), LabelSpreading()],
        {"scaled": True, "raw": False},
    ),
)
def test_labels_that_spread(tmp_path: Path, model: Any, scaled: bool) -> None:
    """Labels and shares are the original's, also so far away that no training row counts."""
    known = kinds_of(TRAINED, 3)
    known[::3] = -1
    fitted = (make_pipeline(StandardScaler(), clone(model)) if scaled else clone(model)).fit(TRAINED[NUMBERS], known)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


def test_labels_of_neighbours_are_refused(tmp_path: Path, capsys: Any) -> None:
    """Labels that spread to the nearest neighbours are refused by the kernel's name."""
    fitted = LabelSpreading(kernel="knn").fit(TRAINED[NUMBERS], kinds_of(TRAINED, 2))

    assert export(tmp_path, fitted) == 5
    assert "knn" in capsys.readouterr().err
