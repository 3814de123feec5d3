"""Clusterers give the original's labels and distances on rows that their export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans, KMeans, MeanShift, MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.export.grids import picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table

TRAINED, FRESH = table(250, 1), table(HELD_OUT, 2)
NEAR = 1e-8
"""Share of a column's largest: a distance near zero is what is left of large numbers, in the original too."""
CLUSTERERS = [
    KMeans(5, n_init=1, random_state=0),
    KMeans(1, n_init=1, random_state=0),
    KMeans(40, n_init=1, algorithm="elkan", init="random", random_state=0),
    MiniBatchKMeans(6, n_init=1, random_state=0),
    BisectingKMeans(7, random_state=0),
    BisectingKMeans(12, bisecting_strategy="largest_cluster", init="k-means++", random_state=0),
    Birch(n_clusters=4),
    Birch(n_clusters=None, threshold=0.8),
    Birch(n_clusters=KMeans(3, n_init=1, random_state=0), branching_factor=5),
    MeanShift(bandwidth=1.0),
    MeanShift(bandwidth=0.6, bin_seeding=True, cluster_all=False),
    AffinityPropagation(damping=0.9, random_state=0),
    AffinityPropagation(damping=0.9, preference=-50, random_state=0),
]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize("model", picked(CLUSTERERS, 0, 3, 4, 6, 8, 10, 11), ids=name)
def test_labels(tmp_path: Path, model: Any) -> None:
    """Each clusterer alone gives the original's labels, far out and on the rows of training too."""
    rows = StandardScaler().fit_transform(TRAINED[NUMBERS])
    fresh = StandardScaler().fit_transform(FRESH[NUMBERS])
    fitted = clone(model).fit(rows)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, np.vstack([fresh, fresh * 1e4, fresh[:5] * 0, rows]))


@pytest.mark.parametrize("model", picked(CLUSTERERS, 0, 5, 11), ids=name)
def test_labels_behind_a_scaler(tmp_path: Path, model: Any) -> None:
    """In a pipeline over a frame the labels stay the original's."""
    fitted = make_pipeline(StandardScaler(), clone(model)).fit(TRAINED[NUMBERS])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize("model", picked(CLUSTERERS[:9], 0, 4, 8), ids=name)
def test_distances_before_a_classifier(tmp_path: Path, model: Any) -> None:
    """As a step a clusterer gives the distances to its centres."""
    last = LogisticRegression(max_iter=2000)
    fitted = make_pipeline(StandardScaler(), clone(model), last).fit(TRAINED[NUMBERS], kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], NEAR)


@pytest.mark.parametrize("model", picked([CLUSTERERS[0], CLUSTERERS[3], CLUSTERERS[4], CLUSTERERS[6]], 0, 3), ids=name)
def test_ties_between_whole_numbers(tmp_path: Path, model: Any) -> None:
    """Rows as near to one centre as to another get the original's label."""
    corners = np.array([[x, y] for x in (0.0, 4.0) for y in (0.0, 4.0, 8.0, 12.0)])
    fitted = clone(model).set_params(n_clusters=4).fit(np.repeat(corners, 5, axis=0))
    grid = np.array([[x, y] for x in np.arange(-2, 7, 0.5) for y in np.arange(-2, 15, 0.5)])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, grid)


def test_texts(tmp_path: Path) -> None:
    """Behind an encoder that gives a sparse table the labels are the original's."""
    encoder = OneHotEncoder(handle_unknown="ignore")
    fitted = make_pipeline(encoder, KMeans(4, n_init=1, random_state=0)).fit(TRAINED[["city", "word"]])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["city", "word"]])
