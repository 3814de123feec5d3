"""Naive Bayes gives the original's labels and probabilities on rows that its export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

from mlship.model.values.typed import TypedColumn, read_typed
from tests.export.grids import crossed
from tests.export.judging import assert_equal, export, opened
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table

TRAINED, FRESH = table(300, 1), table(HELD_OUT, 2)
PROBABILITY = 1e-10
"""Logarithms of many counts are so large that their last bit is much of a probability, in the original too."""


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


def counts(rows: int, seed: int) -> Any:
    """Make rows of small whole numbers."""
    return np.random.default_rng(seed).poisson([0.3, 1, 2, 2, 3, 5], (rows, 6))


def kinds_of_counts(rows: Any, kinds: int) -> Any:
    """Return class numbers that depend on the rows."""
    return (rows[:, 1] + rows[:, 5] // 2) % kinds


@pytest.mark.parametrize(("uniform", "smoothing", "kinds"), crossed([True, False], [1e-9, 1e-2], [2, 3, 5]))
def test_gaussian(tmp_path: Path, kinds: int, smoothing: float, uniform: bool) -> None:
    """Gaussian naive Bayes equals the original, also far away, where all classes are next to impossible."""
    model = GaussianNB(priors=[1 / kinds] * kinds if uniform else None, var_smoothing=smoothing)
    fitted = model.fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))
    rows = FRESH[NUMBERS]

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, rows)
    assert_equal(tmp_path, fitted, pd.concat([rows[:50] * 1e6, rows[:1] * 0], ignore_index=True), PROBABILITY)


@pytest.mark.parametrize(
    ("model", "kinds"),
    crossed(
        [
            MultinomialNB(),
            MultinomialNB(alpha=0.1, fit_prior=False),
            ComplementNB(),
            ComplementNB(alpha=0.3, norm=True),
            BernoulliNB(),
            BernoulliNB(binarize=2.0, fit_prior=False),
            BernoulliNB(binarize=0.5, alpha=0.01),
            CategoricalNB(min_categories=16),
            CategoricalNB(min_categories=16, alpha=0.0, force_alpha=True),
        ],
        [2, 4],
        places=[0, 3, 5, 7, 8],
    ),
)
def test_counts(tmp_path: Path, model: Any, kinds: int) -> None:
    """Models of counts equal the original, also of rows without anything, and where classes tie."""
    rows = counts(300, 1)
    with np.errstate(divide="ignore"):
        fitted = clone(model).fit(rows, kinds_of_counts(rows, kinds))
    fresh = np.minimum(counts(HELD_OUT, 2), 15)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([fresh, np.zeros((1, 6), dtype=int)]), PROBABILITY)


def test_yes_and_no_as_they_are(tmp_path: Path) -> None:
    """Bernoulli naive Bayes that makes no zeros and ones of its own multiplies what it is given."""
    rows = counts(300, 1) > 1
    fitted = BernoulliNB(binarize=None).fit(rows, kinds_of_counts(counts(300, 1), 3))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([counts(400, 2) > 1, counts(400, 3) * 0.25]))


@pytest.mark.parametrize("model", [CategoricalNB(), BernoulliNB(alpha=0.5)], ids=name)
def test_bins_as_categories(tmp_path: Path, model: Any) -> None:
    """Bins of numbers are categories, which cannot be unseen."""
    binned = KBinsDiscretizer(4, encode="ordinal")
    fitted = make_pipeline(binned, clone(model)).fit(TRAINED[NUMBERS], kinds_of(TRAINED, 3))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


def test_categories_beyond_those_known(tmp_path: Path) -> None:
    """What the original has no place for, its signature refuses; it answers all others."""
    rows = np.minimum(counts(300, 1)[:, :3], 3)
    fitted = CategoricalNB().fit(rows, kinds_of_counts(counts(300, 1), 2))
    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.minimum(counts(300, 2)[:, :3], rows.max(axis=0)))

    signature = opened(tmp_path).signature
    beyond = TypedColumn(np.array([99, -1, 0]), np.zeros(3, dtype=bool))
    assert read_typed(signature, dict.fromkeys(signature.names, beyond), 3).accepted.tolist() == [False, False, True]


@pytest.mark.parametrize(
    "model", [MultinomialNB(alpha=0.0, force_alpha=True), BernoulliNB(alpha=0.0, force_alpha=True)], ids=name
)
def test_words_that_a_class_never_had(tmp_path: Path, model: Any, capsys: Any) -> None:
    """Without smoothing the original gives NaN for most rows; that is refused."""
    rows = np.array([[1, 0], [2, 0], [0, 1], [0, 3]])
    with np.errstate(divide="ignore"):
        fitted = clone(model).fit(rows, [0, 0, 1, 1])

    assert export(tmp_path, fitted) == 5
    assert "alpha" in capsys.readouterr().err


def test_a_column_that_never_varied(tmp_path: Path, capsys: Any) -> None:
    """Without smoothing a variance can be zero, by which the original divides; that is refused."""
    fitted = GaussianNB(var_smoothing=0.0).fit([[1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [2.0, 1.0]], [0, 0, 1, 1])

    assert export(tmp_path, fitted) == 5
    assert "var_smoothing" in capsys.readouterr().err
