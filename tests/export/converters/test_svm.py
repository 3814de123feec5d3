"""libsvm's machines give the original's labels, scores and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.gaussian_process.kernels import RBF
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import NUMBERS, amount_of, kinds_of, table

TRAINED, FRESH = table(250, 1), table(700, 2)
FAR = pd.concat([FRESH[NUMBERS], FRESH[NUMBERS][:40] * 1e6, FRESH[NUMBERS][:1] * 0], ignore_index=True)
pytestmark = pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
KERNELS: list[dict[str, Any]] = [
    {"kernel": "linear"},
    {"kernel": "poly", "coef0": 1.0},
    {"kernel": "poly", "degree": 2, "gamma": 0.5},
    {"kernel": "rbf", "gamma": "auto"},
    {"kernel": "sigmoid", "coef0": 0.5},
]
CLASSIFIERS = [
    *(SVC(**kernel) for kernel in KERNELS),
    SVC(class_weight="balanced", C=10.0),
    SVC(break_ties=True),
    NuSVC(nu=0.2),
]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


@pytest.mark.parametrize(("model", "kinds"), crossed(CLASSIFIERS, [2, 4], places=[0, 1, 3, 4, 6, 7]))
def test_classes_and_scores(tmp_path: Path, model: Any, kinds: int) -> None:
    """Labels and scores of every kernel are the original's, also of rows far from all training rows."""
    fitted = make_pipeline(StandardScaler(), clone(model)).fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR, within=1e-11)


@pytest.mark.parametrize(
    ("model", "kinds"), crossed([SVC(), SVC(kernel="linear"), NuSVC(nu=0.2, gamma=2.0)], [2, 3, 5])
)
def test_coupled_probabilities(tmp_path: Path, model: Any, kinds: int) -> None:
    """Probabilities are those of libsvm's own iteration, which stops early, and labels do not come of them."""
    asked = clone(model).set_params(probability=True, random_state=0)
    fitted = make_pipeline(StandardScaler(), asked).fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR, within=1e-11)


def test_texts_as_classes_on_raw_columns(tmp_path: Path) -> None:
    """Classes that are texts, on columns of unlike sizes that nothing scales."""
    fitted = SVC(probability=True, random_state=0).fit(TRAINED[NUMBERS], TRAINED["city"].tolist())

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize("kernel", picked(KERNELS, 0, 3), ids=str)
def test_machines_fitted_on_sparse_rows(tmp_path: Path, kernel: dict[str, Any]) -> None:
    """A machine that saw sparse rows, and keeps sparse vectors, equals the original."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city", "word"]), ("passthrough", ["c"]), sparse_threshold=1.0
    )
    fitted = make_pipeline(columns, SVC(**kernel)).fit(TRAINED, kinds_of(TRAINED, 3))
    assert fitted[-1]._sparse

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


def test_regressor_fitted_on_sparse_rows(tmp_path: Path) -> None:
    """A regressor of sparse vectors and coefficients equals the original."""
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), SVR()).fit(
        TRAINED[["city", "word"]], amount_of(TRAINED)
    )

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["city", "word"]])


@pytest.mark.parametrize(
    "model",
    picked([*(SVR(**kernel) for kernel in KERNELS), NuSVR(gamma=0.1), SVR(epsilon=1e6)], 1, 3, 5, 6),
    ids=name,
)
def test_amounts(tmp_path: Path, model: Any) -> None:
    """Numbers of every kernel are the original's, also where no training row became a vector."""
    fitted = make_pipeline(StandardScaler(), clone(model)).fit(TRAINED[NUMBERS], amount_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], within=1e-11)


@pytest.mark.parametrize(
    ("model", "scaled"),
    crossed(
        [OneClassSVM(), OneClassSVM(nu=0.1, gamma="auto"), OneClassSVM(kernel="sigmoid")],
        {"scaled": True, "raw": False},
    ),
)
def test_outliers(tmp_path: Path, model: Any, scaled: bool) -> None:
    """A machine of one class tells 1 from -1 and scores as the original does."""
    made = make_pipeline(StandardScaler(), clone(model)) if scaled else clone(model)
    fitted = made.fit(TRAINED[NUMBERS])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FAR)


def test_a_score_of_zero_is_the_second_class_of_two(tmp_path: Path) -> None:
    """On the border itself libsvm votes for the second class, as the original's labels say."""
    fitted = SVC(kernel="linear").fit([[-1.0, 0.0], [1.0, 0.0]], [0, 1])
    border = np.array([[0.0, 0.0], [0.0, 3.0], [-1e-300, 1.0], [1e-300, 1.0]])
    assert fitted.decision_function(border).tolist()[:2] == [0.0, 0.0]

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, border)


@pytest.mark.parametrize("kernel", [RBF(), "precomputed"], ids=["callable", "precomputed"])
def test_kernels_that_are_none_of_libsvms_are_refused(tmp_path: Path, kernel: Any, capsys: Any) -> None:
    """A kernel of the user's own, or one computed beforehand, is refused by name."""
    rows = np.eye(8) + 0.1
    fitted = make_pipeline(StandardScaler(), SVC(kernel=kernel)).fit(rows, [0, 1] * 4)

    assert export(tmp_path, fitted) == 5
    assert not (tmp_path / "model.onnx").exists()
    assert "kernel is not supported" in capsys.readouterr().err


def test_scores_of_pairs_are_refused(tmp_path: Path, capsys: Any) -> None:
    """Scores of pairs of classes would stand under the names of classes, so they are refused."""
    fitted = SVC(decision_function_shape="ovo").fit(TRAINED[NUMBERS], kinds_of(TRAINED, 3))

    assert export(tmp_path, fitted) == 5
    assert "ovo" in capsys.readouterr().err
