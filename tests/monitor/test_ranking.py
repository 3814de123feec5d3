"""The area under the ROC curve from bins, against scikit-learn's of every row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mlship.monitor import ranking

PROBABILITY = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5, 1e-300])
SCORE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


@pytest.mark.parametrize(("meaning", "values"), [("probability", PROBABILITY), ("score", SCORE)])
@given(data=st.data())
def test_the_bound_holds(meaning: str, values: st.SearchStrategy[float], data: st.DataObject) -> None:
    """However scores lie and rows are cut, the true area is within the bound, and cuts change nothing."""
    rows = data.draw(st.lists(st.tuples(st.booleans(), values), min_size=2, max_size=200))
    labels, scores = np.array([label for label, _ in rows]), np.array([score for _, score in rows], dtype=np.float64)
    assume(len(set(labels.tolist())) == 2)

    whole = ranking.ranks(labels, scores, meaning)
    cut = data.draw(st.integers(0, len(rows)))
    pieces = [ranking.ranks(labels[part], scores[part], meaning) for part in (slice(cut), slice(cut, None))]
    assert ranking.added(*pieces) == whole
    area, error = ranking.area(whole, "True")
    assert area is not None
    assert error is not None
    assert abs(area - roc_auc_score(labels, scores)) <= error + 1e-12


def test_what_is_no_number_ranks_lowest() -> None:
    """A row without a score counts as one with the lowest, so that it is not left out unseen."""
    labels = np.array([True, False, True])
    for meaning in ("probability", "score"):
        counted = ranking.ranks(labels, np.array([np.nan, 0.0, 0.9]), meaning)
        assert ranking.area(counted, "True") == (0.5, 0.0)


@pytest.mark.parametrize("labels", [["a", "a", "a"], ["a", "b", "c"], ["b", "c", "c"]])
def test_no_area(labels: list[str]) -> None:
    """There is an area of two classes only, one of which is the positive one."""
    counted = ranking.ranks(np.array(labels, dtype=object), np.array([0.1, 0.2, 0.3]), "score")
    assert ranking.area(counted, "a") == (None, None)
