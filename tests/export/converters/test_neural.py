"""Multi-layer perceptrons give the original's labels and numbers on rows that their export never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import HELD_OUT, NUMBERS, amount_of, kinds_of, table

TRAINED, FRESH = table(300, 1), table(HELD_OUT, 2)
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
FEW = {"max_iter": 20, "random_state": 0}
LOSSES: list[dict[str, Any]] = [{"loss": "poisson"}] if "loss" in MLPRegressor().get_params() else [{}]  # of 1.7
RESIDUE = 1e-11
"""Share of a column's largest: layers are summed in another order, and what they hold may cancel."""

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(("layers", "activation", "kinds"), crossed([(8,), (7, 5, 3)], ACTIVATIONS, [2, 3]))
def test_classes(tmp_path: Path, kinds: int, activation: str, layers: tuple[int, ...]) -> None:
    """Labels and probabilities of two and of three classes are the original's, also of rows far out."""
    net = MLPClassifier(layers, activation=activation, **FEW)
    fitted = make_pipeline(StandardScaler(), net).fit(TRAINED[NUMBERS], kinds_of(TRAINED, kinds))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])
    assert_equal(tmp_path, fitted, FRESH[NUMBERS] * 1e5)


@pytest.mark.parametrize(("targets", "activation"), crossed([1, 2], ACTIVATIONS))
def test_amounts(tmp_path: Path, activation: str, targets: int) -> None:
    """One and several amounts are the original's."""
    amounts = np.column_stack([amount_of(TRAINED), TRAINED["a"]])[:, :targets]
    net = MLPRegressor(hidden_layer_sizes=(6,), activation=activation, **FEW)
    fitted = make_pipeline(StandardScaler(), net).fit(TRAINED[NUMBERS], amounts.squeeze())

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_counts(tmp_path: Path, loss: dict[str, Any]) -> None:
    """A regressor of counts, whose last layer is exponential, is the original's."""
    net = MLPRegressor(hidden_layer_sizes=(6,), **FEW).set_params(**loss)
    fitted = make_pipeline(StandardScaler(), net).fit(TRAINED[NUMBERS], TRAINED["k"])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS], RESIDUE)


@pytest.mark.parametrize("solver", picked(["adam", "lbfgs", "sgd"], 0))
def test_labels(tmp_path: Path, solver: str) -> None:
    """Of many labels each is 0 or 1, with its probability, as in the original."""
    labels = np.column_stack([kinds_of(TRAINED), TRAINED["k"] > 2, TRAINED["flag"]]).astype(int)
    net = MLPClassifier((5,), solver=solver, **FEW)
    fitted = make_pipeline(StandardScaler(), net).fit(TRAINED[NUMBERS], labels)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize("dtype", [object, np.float64, bool], ids=lambda dtype: dtype.__name__)
def test_names_of_classes(tmp_path: Path, dtype: Any) -> None:
    """Classes of texts, numbers and truth values come out as they are."""
    kinds = kinds_of(TRAINED, 2)
    named = np.array(["no", "yes"], dtype=object)[kinds] if dtype is object else kinds.astype(dtype)
    fitted = MLPClassifier((5,), **FEW).fit(TRAINED[NUMBERS], named)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


def test_single_precision_and_one_class(tmp_path: Path) -> None:
    """Weights of single precision are used as they are; a net that knows one class only is refused."""
    rows = TRAINED[NUMBERS].to_numpy().astype(np.float32)
    fitted = MLPRegressor(hidden_layer_sizes=(6,), **FEW).fit(rows, amount_of(TRAINED).astype(np.float32))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].to_numpy(), RESIDUE)

    (tmp_path / "model.onnx").unlink()
    assert export(tmp_path, MLPClassifier((3,), **FEW).fit(rows, np.zeros(len(rows)))) == 5
