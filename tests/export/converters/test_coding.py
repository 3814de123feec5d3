"""Sparse codes and pooled columns are the original's on rows that their export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.fft import dct
from scipy.linalg import hadamard
from sklearn.base import clone
from sklearn.cluster import FeatureAgglomeration
from sklearn.decomposition import DictionaryLearning, MiniBatchDictionaryLearning, SparseCoder
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT

RESIDUE = 1e-10
"""Share of a column's largest: atoms that hang together make last bits larger, in the original too."""
FEW: dict[str, Any] = {"n_components": 6, "max_iter": 4, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore")


def wide(rows: int, seed: int, columns: int = 12) -> Any:
    """Make rows of columns that hang together."""
    source = np.random.default_rng(seed)
    mixed = source.normal(size=(rows, 4)) @ np.random.default_rng(0).normal(size=(4, columns))
    return mixed + source.normal(0, 0.3, (rows, columns))


WIDE, FRESH = wide(150, 1), wide(400, 2)
ATOMS = wide(9, 5) / np.linalg.norm(wide(9, 5), axis=1, keepdims=True)
CODERS = [
    DictionaryLearning(**FEW),
    DictionaryLearning(**FEW, transform_n_nonzero_coefs=4),
    DictionaryLearning(**FEW, transform_n_nonzero_coefs=6, split_sign=True),
    DictionaryLearning(**FEW, transform_algorithm="threshold"),
    DictionaryLearning(**FEW, transform_algorithm="threshold", transform_alpha=0.1, split_sign=True),
    DictionaryLearning(**FEW, transform_algorithm="threshold", fit_algorithm="cd", positive_code=True),
    MiniBatchDictionaryLearning(**FEW, transform_n_nonzero_coefs=3),
    MiniBatchDictionaryLearning(**FEW, transform_algorithm="threshold", alpha=0.3),
    SparseCoder(ATOMS, transform_n_nonzero_coefs=5),
    SparseCoder(ATOMS * 2, transform_n_nonzero_coefs=9),
    SparseCoder(ATOMS, transform_algorithm="threshold"),
    SparseCoder(ATOMS.astype(np.float32), transform_n_nonzero_coefs=2),
]


POOLS = {pool.__name__: pool for pool in (np.mean, np.sum, np.max, np.min, np.median)}


def name(model: Any) -> str:
    """Return how a model was made, in one short line."""
    return "".join(str(model.get_params()).split())[:150] if not isinstance(model, SparseCoder) else "SparseCoder"


@pytest.mark.parametrize("model", picked(CODERS, 0, 4, 5, 6, 11), ids=name)
def test_codes(tmp_path: Path, model: Any) -> None:
    """Codes are the original's, also of rows that are zero, tiny, or made of few atoms."""
    fitted = clone(model).fit(WIDE)
    made = np.vstack([FRESH, FRESH[:5] * 0, FRESH[:50] * 1e-9, ATOMS[:1] * 3, ATOMS[:4] + ATOMS[1:5]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, made, RESIDUE)


@pytest.mark.parametrize(
    "steps",
    picked([1, 2, 3, 4], 1),
)
def test_ties_of_columns_go_by_the_order_of_the_original(tmp_path: Path, steps: int) -> None:
    """Atoms of one column each tie on whole numbers; the first is taken, after the swaps that the original makes."""
    rows = np.random.default_rng(3).integers(-3, 4, (500, 4)).astype(float)
    fitted = SparseCoder(np.eye(4), transform_n_nonzero_coefs=steps).fit(rows)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, rows, 0.0)


TIED = {
    "twice": np.vstack([ATOMS[:3], ATOMS[:3]]),
    "turned": np.vstack([ATOMS[:3], -ATOMS[1:2]]),
    "once one is taken": np.vstack([ATOMS[:3], ATOMS[1] + 0.5 * ATOMS[0]]),
    "cosines": dct(np.eye(8), norm="ortho", axis=0),
    "signs": hadamard(8) / np.sqrt(8),
}


@pytest.mark.parametrize("atoms", TIED.values(), ids=TIED)
def test_atoms_that_tie_are_refused(tmp_path: Path, atoms: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Which of two atoms that fit equally well is taken hangs on the processor: such a dictionary is refused."""
    assert export(tmp_path, SparseCoder(atoms, transform_n_nonzero_coefs=3).fit(atoms)) == 5
    assert "SparseCoder with atoms that fit some rows equally well" in capsys.readouterr().err


@pytest.mark.parametrize("algorithm", ["lasso_lars", "lasso_cd", "lars"])
def test_other_algorithms_are_refused(tmp_path: Path, algorithm: str) -> None:
    """What solves a regression a row is refused."""
    assert export(tmp_path, SparseCoder(ATOMS, transform_algorithm=algorithm).fit(WIDE)) == 5


@pytest.mark.parametrize(("clusters", "pool"), crossed([1, 5, 30], POOLS))
def test_pooled_columns(tmp_path: Path, pool: Any, clusters: int) -> None:
    """Groups of columns of several sizes are pooled as in the original."""
    fitted = FeatureAgglomeration(clusters, pooling_func=pool).fit(wide(60, 1, 30))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, wide(HELD_OUT, 2, 30))


def test_pooled_columns_before_a_classifier(tmp_path: Path) -> None:
    """Pooled columns behind a scaler and before a classifier give the original's labels and probabilities."""
    pooled = FeatureAgglomeration(n_clusters=None, distance_threshold=15.0)
    fitted = make_pipeline(StandardScaler(), pooled, LogisticRegression()).fit(WIDE, WIDE[:, 0] > 0)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


def test_other_pools_are_refused(tmp_path: Path) -> None:
    """A function that is not known to pool is refused."""
    assert export(tmp_path, FeatureAgglomeration(3, pooling_func=np.nan_to_num).fit(WIDE)) == 5
