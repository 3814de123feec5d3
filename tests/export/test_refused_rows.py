"""What the original refuses in the midst of what it accepts, and what it answers by the rows beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mlship.model.values.typed import TypedColumn, read_typed
from tests.export.judging import assert_equal, export, opened
from tests.export.tables import NUMBERS, kinds_of, table

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED, FRESH = table(300, 1), table(1000, 2)
POSITIVE, KINDS = TRAINED[NUMBERS].abs() + 0.01, kinds_of(TRAINED)
TEXTS = [f"{city} {word} {place % 7}th of {place % 5}" for place, (city, word) in enumerate(
    zip(TRAINED["city"], TRAINED["word"], strict=True))]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "pit"), [(np.log, 0.0), (np.log10, 0.0), (np.log1p, -1.0)], ids=["log", "log10", "log1p"]
)
def test_logarithms_before_an_imputer(tmp_path: Path, function: Any, pit: float) -> None:
    """Of numbers below one that is refused, which the imputer takes for missing, the signature takes none."""
    fitted = make_pipeline(FunctionTransformer(function), SimpleImputer(), LogisticRegression()).fit(POSITIVE, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].abs() + 1e-9)
    signature = opened(tmp_path).signature
    least = float(np.nextafter(pit, np.inf))
    assert [column.low for column in signature.inputs] == [least] * 3
    for value, accepted in [(least, True), (pit, False), (pit - 1.0, False)]:
        row = {column.name: TypedColumn(np.array([value]), np.zeros(1, bool)) for column in signature.inputs}
        assert read_typed(signature, row, 1).accepted.tolist() == [accepted]


def test_a_pit_between_real_answers_is_refused(tmp_path: Path) -> None:
    """Where the original answers on both sides of a number that it refuses, no range tells what it accepts."""
    fitted = make_pipeline(FunctionTransformer(np.reciprocal), SimpleImputer(), LogisticRegression()).fit(
        POSITIVE, KINDS
    )

    assert export(tmp_path, fitted) == 5


def test_rows_asked_one_by_one_are_told(tmp_path: Path) -> None:
    """The report says of how many rows the answers are those to the row alone, and how many did not count."""
    fitted = make_pipeline(TfidfVectorizer(), NMF(3, random_state=0, max_iter=100)).fit(TEXTS)

    assert export(tmp_path, fitted, "--report", str(tmp_path / "report.json")) == 0
    proof = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["parity"]
    assert proof["alone"] > 0
    assert proof["left_out"] >= 0
    assert export(tmp_path, fitted, "--report", str(tmp_path / "report.html")) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{proof['alone']:,} rows, as rows beside them change the original" in page


@pytest.mark.usefixtures("made_apart")
def test_hints_of_what_is_not_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tolerance too small is told the one that is enough, and float32 that differs in labels the other precision."""
    exact = LogisticRegression().fit(POSITIVE, KINDS)
    assert export(tmp_path, exact, "--tolerance", "0") == 5
    hint = capsys.readouterr().err.split("Allow it with --tolerance ")[1].split()[0].rstrip(".")
    assert export(tmp_path, exact, "--tolerance", hint) == 0

    source = np.random.default_rng(0)
    far = 1e9 + source.normal(size=(300, 1))  # what float32 does not tell apart
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(far, far[:, 0] > 1e9)
    assert export(tmp_path, fitted, "--precision", "float32", "--overwrite") == 5
    assert "--precision auto" in capsys.readouterr().err
