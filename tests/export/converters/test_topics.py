"""Mixtures of topics are the original's on rows that their export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.export.grids import picked
from tests.export.judging import assert_equal, export

NEAR = 1e-10


def documents(rows: int, seed: int, words: int = 12) -> Any:
    """Make counts of words, some rows without any, drawn from three topics."""
    source = np.random.default_rng(seed)
    topics = np.random.default_rng(0).dirichlet(np.full(words, 0.3), size=3)
    counts = source.poisson(source.dirichlet(np.full(3, 0.5), size=rows) @ topics * 30).astype(np.float64)
    counts[::25] = 0.0
    return counts


TRAINED, FRESH = documents(120, 1), documents(300, 2)
MODELS = [
    LatentDirichletAllocation(3, max_iter=4, random_state=0),
    LatentDirichletAllocation(
        4, learning_method="online", doc_topic_prior=0.01, topic_word_prior=0.2, max_iter=3, random_state=0
    ),
    LatentDirichletAllocation(3, mean_change_tol=1e-2, max_doc_update_iter=20, max_iter=3, random_state=0),
    LatentDirichletAllocation(3, max_doc_update_iter=2, max_iter=3, random_state=0),
    LatentDirichletAllocation(1, max_iter=3, random_state=0),
]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize("model", picked(MODELS, 1, 3), ids=name)
def test_topics(tmp_path: Path, model: Any) -> None:
    """Mixtures are the original's, for empty, for fractional and for large counts too."""
    fitted = clone(model).fit(TRAINED)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([FRESH, FRESH[:50] / 7, FRESH[:50] * 1e4, TRAINED]), NEAR)


def test_topics_before_a_classifier(tmp_path: Path) -> None:
    """A classifier of mixtures gives the original's labels and probabilities."""
    topics = LatentDirichletAllocation(3, mean_change_tol=1e-2, max_doc_update_iter=20, max_iter=4, random_state=0)
    fitted = make_pipeline(topics, LogisticRegression()).fit(TRAINED, TRAINED[:, 0] > 2)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH, NEAR)


def test_single_precision_is_refused(tmp_path: Path) -> None:
    """A model that rounds counts to single precision is refused."""
    assert export(tmp_path, clone(MODELS[0]).fit(TRAINED.astype(np.float32))) == 5
