"""What makes many classes or targets of estimators of one: rests, pairs, codes, chains, and calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import calibration
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.export.grids import crossed
from tests.export.judging import assert_equal, export, opened
from tests.export.tables import NUMBERS, amount_of, kinds_of, table

TRAINED, FRESH = table(200, 1), table(1000, 2)
X, ROWS, AMOUNT = TRAINED[NUMBERS], FRESH[NUMBERS], amount_of(TRAINED)
KINDS = {count: kinds_of(TRAINED, count) for count in (2, 3, 5)}
LABELS = np.column_stack([np.median(AMOUNT) < AMOUNT, X["a"] > X["a"].median(), X["c"] > 0]).astype(int)
ALWAYS = np.column_stack([LABELS[:, 0], np.ones(len(X), int), np.zeros(len(X), int)])
AMOUNTS = np.column_stack([AMOUNT, -AMOUNT, AMOUNT + X["a"]])

TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
"""Its scores are shares of few kinds, so that many rows have a tie."""
LINE = make_pipeline(StandardScaler(), LogisticRegression())
MEMBERS = {"tree": TREE, "line": LINE, "ridge": RidgeClassifier()}
NUMBER_MEMBERS = {"line": LinearRegression(), "tree": DecisionTreeRegressor(max_depth=3, random_state=0)}

pytestmark = pytest.mark.filterwarnings("ignore:Label (not )?. is present in all training:UserWarning")


def judged(folder: Path, model: Any, rows: Any = ROWS) -> None:
    """Export a model and compare it on rows, also far out."""
    assert export(folder, model) == 0
    assert_equal(folder, model, rows)
    if isinstance(rows, pd.DataFrame):
        assert_equal(folder, model, rows * 1e5)


@pytest.mark.parametrize(
    ("wrapper", "member", "kinds"),
    crossed([OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier], MEMBERS, [2, 3, 5]),
)
def test_many_classes_of_two(tmp_path: Path, wrapper: Any, member: Any, kinds: int) -> None:
    """Rests, pairs and codes of classifiers tell kinds apart as the original does, ties included."""
    more = {"code_size": 3.0, "random_state": 0} if wrapper is OutputCodeClassifier else {}
    judged(tmp_path, wrapper(member, **more).fit(X, KINDS[kinds]))


def test_codes_of_huge_scores(tmp_path: Path) -> None:
    """Scores so large that distances to codes round to the same are told apart as in the original."""
    rows = table(300, 1)  # of which two codes differ in one place only
    line = LogisticRegression(max_iter=300)
    model = OutputCodeClassifier(line, code_size=3.0, random_state=0).fit(rows[NUMBERS], kinds_of(rows, 3))
    judged(tmp_path, model)
    assert_equal(tmp_path, model, ROWS.assign(c=2.0**53 + 2))
    assert_equal(tmp_path, model, ROWS.assign(a=2.0**53 + 2))


@pytest.mark.parametrize(("member", "kinds"), crossed(NUMBER_MEMBERS, [2, 3]))
def test_rests_of_regressors(tmp_path: Path, member: Any, kinds: int) -> None:
    """A regressor of zeros and ones scores each class."""
    judged(tmp_path, OneVsRestClassifier(member).fit(X, KINDS[kinds]))


@pytest.mark.parametrize(
    ("member", "labels"),
    crossed({**MEMBERS, "numbers": LinearRegression()}, {"some": LABELS, "always and never": ALWAYS}),
)
def test_several_labels(tmp_path: Path, member: Any, labels: Any) -> None:
    """One estimator a label, and none where a label is always or never there."""
    judged(tmp_path, OneVsRestClassifier(member).fit(X, labels))


@pytest.mark.parametrize(("texts", "member"), crossed({"numbers": False, "texts": True}, MEMBERS))
def test_a_classifier_for_each_target(tmp_path: Path, member: Any, texts: bool) -> None:
    """Targets of two and of three classes beside each other, each with its own labels and probabilities."""
    targets = np.column_stack([KINDS[2], KINDS[3]])
    judged(tmp_path, MultiOutputClassifier(member).fit(X, np.char.add("k", targets.astype(str)) if texts else targets))


@pytest.mark.parametrize("member", NUMBER_MEMBERS.values(), ids=NUMBER_MEMBERS)
def test_a_regressor_for_each_target(tmp_path: Path, member: Any) -> None:
    """Several numbers, beside each other and in a chain of another order."""
    judged(tmp_path, MultiOutputRegressor(member).fit(X, AMOUNTS))
    judged(tmp_path, RegressorChain(member, order=[2, 0, 1]).fit(X, AMOUNTS))


CHAINED = [
    ("tree", "predict"),
    ("tree", "predict_proba"),
    ("line", "predict_proba"),
    ("line", "decision_function"),
    ("ridge", "predict"),
    ("ridge", "decision_function"),
]


@pytest.mark.parametrize(("chained", "order"), crossed(CHAINED, [[1, 2, 0], "random"]))
def test_chains(tmp_path: Path, chained: tuple[str, str], order: Any) -> None:
    """A chain hands on classes, probabilities or scores, and gives one probability or score a target."""
    member, method = chained
    more = {"chain_method": method} if "chain_method" in ClassifierChain(TREE).get_params() else {}  # of 1.5
    judged(tmp_path, ClassifierChain(MEMBERS[member], order=order, random_state=3, **more).fit(X, LABELS))


def test_what_a_chain_gives_is_named_by_target(tmp_path: Path) -> None:
    """Labels are floats as the chain gives them, and a probability is that of the last class."""
    assert export(tmp_path, ClassifierChain(TREE).fit(X, LABELS[:, :2])) == 0
    outputs = opened(tmp_path).signature.outputs

    assert [(output.name, output.dtype) for output in outputs] == [
        ("prediction_0", "float64"), ("prediction_1", "float64"),
        ("probability_0_1.0", "float64"), ("probability_1_1.0", "float64"),
    ]  # fmt: skip


def test_a_chain_of_logarithms_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Logarithms of probabilities, which some models compute otherwise than as such, are not handed on."""
    model = ClassifierChain(LINE, chain_method="predict_log_proba").fit(X, LABELS)

    assert export(tmp_path, model) == 5
    assert "chain_method='predict_log_proba' is not supported" in capsys.readouterr().err


WAYS = ["sigmoid", "isotonic", *(["temperature"] if hasattr(calibration, "_TemperatureScaling") else [])]  # of 1.8


@pytest.mark.parametrize(
    ("member", "method", "ensemble", "kinds"),
    crossed({"shares": TREE, "scores": MEMBERS["ridge"]}, WAYS, {"each fold": True, "one": False}, [2, 3]),
)
def test_calibration(tmp_path: Path, member: Any, method: str, ensemble: bool, kinds: int) -> None:
    """Calibrated probabilities equal the original's by every method."""
    model = CalibratedClassifierCV(member, method=method, ensemble=ensemble, cv=2)
    judged(tmp_path, model.fit(X, KINDS[kinds]))


def test_calibration_of_a_fold_without_a_class(tmp_path: Path) -> None:
    """A fold that never saw a class gives it no probability."""
    target = np.where(np.arange(len(X)) < 3, 9, KINDS[3])
    folds = [(np.arange(3, len(X)), np.arange(20)), (np.arange(len(X)), np.arange(40))]
    judged(tmp_path, CalibratedClassifierCV(TREE, cv=folds).fit(X, target))


def test_calibration_on_single_precision_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Isotonic calibration of scores in float32 rounds what it is given, and is refused with what to do."""
    model = CalibratedClassifierCV(LINE, method="isotonic", cv=2).fit(X, KINDS[2])
    calibrator = model.calibrated_classifiers_[0].calibrators[0]
    calibrator.X_thresholds_ = calibrator.X_thresholds_.astype(np.float32)

    assert export(tmp_path, model) == 5
    assert "calibrated_classifiers_[0]: IsotonicRegression in float32 is not supported" in capsys.readouterr().err


def test_wrappers_within_wrappers_and_pipelines(tmp_path: Path) -> None:
    """A chain of rests of calibrated trees behind a scaler."""
    inner = OneVsRestClassifier(CalibratedClassifierCV(TREE, cv=2))
    judged(tmp_path, make_pipeline(StandardScaler(), inner).fit(X, KINDS[3]))
    judged(tmp_path, make_pipeline(StandardScaler(), MultiOutputRegressor(make_pipeline(StandardScaler(), Ridge())))
           .fit(X.to_numpy(), AMOUNTS), ROWS.to_numpy())  # fmt: skip
