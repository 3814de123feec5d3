"""What a model was trained on and to: labels of every type, numbers of every size, ties, float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.export.grids import crossed
from tests.export.judging import assert_equal, assert_never_wrong, export, opened
from tests.export.tables import HELD_OUT, NUMBERS, amount_of, kinds_of, table

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED = table(400, 1)
FRESH = table(HELD_OUT, 2)

LABELS = {
    "texts": np.array(["no", "yes", "São é"], dtype=object),
    "fixed-width texts": np.array(["1", "2", "10"]),
    "texts that look like null": np.array(["nan", "None", ""], dtype=object),
    "bools": np.array([False, True]),
    "whole numbers": np.array([-5, 7, 2**40]),
    "small whole numbers": np.array([3, 9, 200], dtype=np.uint8),
    "floats": np.array([1.0, 2.0, 40.0]),
}
MODELS = [
    LogisticRegression(max_iter=3000),
    DecisionTreeClassifier(max_depth=5, random_state=0),
    RandomForestClassifier(5, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
]


@pytest.mark.parametrize(("model", "labels"), crossed(MODELS, LABELS))
def test_labels_keep_their_type(tmp_path: Path, model: Any, labels: Any) -> None:
    """Labels come out as the original gives them, in value and in type."""
    fitted = clone(model).fit(TRAINED[NUMBERS], labels[kinds_of(TRAINED, len(labels))])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize(
    ("model", "label"),
    crossed({"tree": DecisionTreeClassifier(), "forest": RandomForestClassifier(3)}, ["only", 1, True]),
)
def test_a_single_class(tmp_path: Path, model: Any, label: Any) -> None:
    """A tree that saw one class only gives that class with certainty, as the original does."""
    fitted = clone(model).fit(TRAINED[NUMBERS], np.array([label] * len(TRAINED)))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


def test_outputs_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Classes whose probabilities would have one name cannot be told apart in an answer: exit 5."""
    model = DecisionTreeClassifier(max_depth=2).fit(TRAINED[NUMBERS], kinds_of(TRAINED))
    model.classes_ = np.array(["1", 1], dtype=object)

    assert export(tmp_path, model) == 5
    assert "mixed type" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(("kind", "trees"), crossed([RandomForestClassifier, ExtraTreesClassifier], [2, 10, 50]))
def test_ties_go_to_the_class_of_the_original(tmp_path: Path, kind: Any, trees: int) -> None:
    """Where the trees of a forest are divided evenly, the label is the one that the original gives."""
    source = np.random.default_rng(5)
    fitted = kind(trees, random_state=0).fit(source.normal(size=(200, 2)), source.integers(0, 2, 200))
    fresh = source.normal(size=(1000, 2))
    assert (np.abs(fitted.predict_proba(fresh)[:, 0] - 0.5) < 1e-9).sum() > 10

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh)


@pytest.mark.parametrize(
    ("model", "size"),
    crossed(
        {
            "forest": RandomForestClassifier(6, random_state=0),
            "line": make_pipeline(StandardScaler(), LogisticRegression()),
        },
        [1e-44, 1e-30, 1e-6, 1e6, 1e30],
    ),
)
def test_numbers_of_every_size(tmp_path: Path, model: Any, size: float) -> None:
    """Numbers near the ends of float32, where it has few digits left, are answered as the original answers them."""
    fitted = clone(model).fit(TRAINED[["a", "c"]] * size, kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[["a", "c"]] * size)


@pytest.mark.parametrize(
    "last", [LogisticRegression(), RandomForestClassifier(6, random_state=0)], ids=["line", "forest"]
)
def test_trained_on_float32(tmp_path: Path, last: Any) -> None:
    """A model fitted on float32 answers rows of float64 as it would itself."""
    fitted = make_pipeline(StandardScaler(), last).fit(TRAINED[NUMBERS].to_numpy(np.float32), kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].to_numpy())


def test_whole_numbers_past_float32(tmp_path: Path) -> None:
    """Whole numbers that float32 rounds go to the leaf that the original sends them to."""
    fitted = RandomForestClassifier(6, random_state=0).fit((TRAINED[NUMBERS] * 1e9).astype("int64"), kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, (FRESH[NUMBERS] * 1e9).astype("int64"))


@pytest.mark.usefixtures("made_apart")
def test_a_forest_that_works_in_threads_gives_the_same_bytes(tmp_path: Path) -> None:
    """Threads add up trees in any order; an export does not depend on it."""
    fitted = RandomForestRegressor(100, random_state=0, n_jobs=4).fit(TRAINED[NUMBERS], amount_of(TRAINED))
    made = []
    for _ in range(3):
        assert export(tmp_path, fitted) == 0
        made.append((tmp_path / "model.onnx").read_bytes())

    assert made[0] == made[1] == made[2]


OTHERS = {
    "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=4), 4, max_features=2, random_state=0),
    "stacking": StackingClassifier([("t", DecisionTreeClassifier(max_depth=3)), ("l", LogisticRegression())], cv=2),
    "network": make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=2000, random_state=0)),
    "search": GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [1, 10]}),
    "components": make_pipeline(StandardScaler(), PCA(2), DecisionTreeClassifier(max_depth=5, random_state=0)),
    "best columns": make_pipeline(SelectKBest(k=2), LogisticRegression(max_iter=2000)),
    "union": make_pipeline(
        FeatureUnion([("s", StandardScaler()), ("p", PCA(2))], transformer_weights={"s": 0.3}),
        DecisionTreeClassifier(max_depth=5, random_state=0),
    ),
    "own choice": make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=2, cv=2, max_iter=1000)),
}


@pytest.mark.filterwarnings("ignore::FutureWarning:sklearn")
@pytest.mark.parametrize(("model", "kinds"), crossed(OTHERS, [2, 3]))
def test_other_models_are_equal_or_refused(tmp_path: Path, model: Any, kinds: int) -> None:
    """Models of many families equal the original on fresh rows, or are refused with exit 5 and no file."""
    fitted = clone(model).fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert assert_never_wrong(tmp_path, fitted, FRESH[NUMBERS])


def test_counts(tmp_path: Path) -> None:
    """A regression through the exponential function equals the original."""
    fitted = make_pipeline(StandardScaler(), PoissonRegressor()).fit(TRAINED[NUMBERS], np.abs(amount_of(TRAINED)))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


SEVERAL = {
    "line": LinearRegression(),
    "tree": DecisionTreeRegressor(),
    "forest": RandomForestRegressor(3),
    "kinds": DecisionTreeClassifier(),
}


@pytest.mark.parametrize("model", SEVERAL.values(), ids=SEVERAL)
def test_several_targets(tmp_path: Path, model: Any) -> None:
    """A model of several targets answers each in columns of its own, numbered."""
    targets = np.column_stack([kinds_of(TRAINED), kinds_of(TRAINED, 3)])
    fitted = clone(model).fit(TRAINED[NUMBERS], targets)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])
    names = [output.name for output in opened(tmp_path).signature.outputs]
    assert names[:2] == ["prediction_0", "prediction_1"]
    if hasattr(fitted, "predict_proba"):
        assert names[2:4] == [f"probability_0_{label}" for label in fitted.classes_[0]]


def test_one_target_in_a_column_of_its_own(tmp_path: Path) -> None:
    """A regressor fitted on a target of shape [rows, 1] answers one number a row."""
    fitted = LinearRegression().fit(TRAINED[NUMBERS], amount_of(TRAINED).reshape(-1, 1))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])
    assert [output.name for output in opened(tmp_path).signature.outputs] == ["prediction"]


def test_boosting_from_an_estimator(tmp_path: Path) -> None:
    """Gradient boosting that starts from an estimator of the user's equals the original."""
    model = GradientBoostingClassifier(n_estimators=2, init=DecisionTreeClassifier(max_depth=2))
    fitted = model.fit(TRAINED[NUMBERS], kinds_of(TRAINED))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])
