"""The path by which a step that cannot be converted is named begins with what was exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from tests.export.judging import export
from tests.export.tables import NUMBERS, kinds_of, table

ROWS = table(120, 1)
SCALED = make_pipeline(StandardScaler(), KNeighborsClassifier())
VOTING = VotingClassifier([("a", SCALED), ("b", LogisticRegression())])
COLUMNS = ColumnTransformer([("num", make_pipeline(StandardScaler(), KNNImputer()), ["a"])])


@pytest.mark.parametrize(
    ("model", "path", "nearest"),
    [
        (KNNImputer(), "", "SimpleImputer and IterativeImputer"),
        (COLUMNS, "columntransformer.num[1]: ", "SimpleImputer and IterativeImputer"),
        (make_pipeline(COLUMNS, LogisticRegression()), "pipeline.columntransformer.num[1]: ", "IterativeImputer"),
        (make_union(StandardScaler(), KNNImputer()), "featureunion.knnimputer: ", "IterativeImputer"),
        (VOTING, "votingclassifier.a[1]: ", "RadiusNeighborsClassifier"),
        (make_pipeline(StandardScaler(), VOTING), "pipeline.votingclassifier.a[1]: ", "RadiusNeighborsClassifier"),
        (BaggingClassifier(SCALED, 2), "baggingclassifier.estimators_[0][1]: ", "RadiusNeighborsClassifier"),
        (GridSearchCV(SCALED, {}), "pipeline.kneighborsclassifier: ", "RadiusNeighborsClassifier"),
    ],
    ids=["alone", "columns", "pipeline", "union", "voting", "pipeline of voting", "bagging", "search"],
)
def test_paths(tmp_path: Path, model: Any, path: str, nearest: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names every step down to the one that is not supported, and the nearest that is."""
    assert export(tmp_path, model.fit(ROWS[NUMBERS], kinds_of(ROWS))) == 5
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {path}KN")
    assert nearest in hint
