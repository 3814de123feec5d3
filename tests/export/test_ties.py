"""Exact ties of votes are rows of the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlship.model.artifact import read_artifact
from tests.export.judging import assert_equal, export
from tests.export.tables import NUMBERS, kinds_of, table

TRAINED, FRESH = table(200, 1), table(3000, 2)


@pytest.mark.parametrize(
    ("model", "ties"),
    [
        (RandomForestClassifier(10, random_state=0), True),
        (ExtraTreesClassifier(12, random_state=0), True),
        (LogisticRegression(max_iter=5000), False),
    ],
    ids=["forest", "extra trees", "line"],
)
@pytest.mark.parametrize("classes", [2, 3])
def test_ties_are_proven(tmp_path: Path, model: Any, classes: int, *, ties: bool) -> None:
    """What counts votes is compared on rows that tie, none of them golden; what does not has none."""
    fitted = model.fit(TRAINED[NUMBERS], kinds_of(TRAINED, classes))

    assert export(tmp_path, fitted) == 0
    card = read_artifact(tmp_path / "model.onnx").card
    assert card is not None
    assert card.parity is not None
    assert (card.parity.rows.get("tie", 0) > 0) is ties
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].round(0))
