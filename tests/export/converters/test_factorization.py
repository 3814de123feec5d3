"""NMF answers each row as the original answers it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import NMF, MiniBatchNMF

from tests.export.grids import picked
from tests.export.judging import export, opened

MODELS = [
    NMF(3, max_iter=40, random_state=0),
    NMF(4, tol=1e-2, init="random", max_iter=60, random_state=0),
    NMF(2, alpha_W=0.01, l1_ratio=0.5, max_iter=40, random_state=0),
]

pytestmark = pytest.mark.filterwarnings("ignore")


def rows(count: int, seed: int) -> Any:
    """Make rows that are never negative, of three parts."""
    source = np.random.default_rng(seed)
    parts = np.abs(np.random.default_rng(0).normal(size=(3, 6)))
    return np.abs(source.normal(size=(count, 3))) @ parts + source.random((count, 6)) * 0.1


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize("model", picked(MODELS, 0, 2), ids=name)
def test_parts(tmp_path: Path, model: Any) -> None:
    """Each row, one of zeros too, gets the weights that the original gives it alone."""
    fitted = clone(model).fit(rows(80, 1))
    fresh = np.vstack([rows(60, 2), np.zeros((1, 6)), rows(5, 3) * 1e4])

    assert export(tmp_path, fitted) == 0
    session = opened(tmp_path)
    given = session.predict({column.name: fresh[:, place] for place, column in enumerate(session.signature.inputs)})
    alone = np.vstack([fitted.transform(fresh[place : place + 1]) for place in range(len(fresh))])
    apart = np.abs(np.column_stack(list(given.values())) - alone).max(axis=0)
    assert (apart <= 1e-10 * np.abs(alone).max(axis=0)).all()


@pytest.mark.parametrize("model", [NMF(2, solver="mu"), NMF(2, shuffle=True), MiniBatchNMF(2)], ids=name)
def test_other_solvers_are_refused(tmp_path: Path, model: Any) -> None:
    """What is solved in another way is refused."""
    assert export(tmp_path, clone(model).fit(rows(80, 1))) == 5
