"""Targets turned back, isotonic regression, and partial least squares equal the original on rows never seen."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.decomposition import PCA
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

from mlship.export.converters.functions import FUNCTIONS
from mlship.export.graph.builder import Graph
from mlship.export.graph.expr import Expr
from tests.export.grids import crossed, picked
from tests.export.judging import EXACT, assert_equal, export
from tests.export.tables import NUMBERS, amount_of, table

TRAINED, FRESH = table(200, 1), table(1000, 2)
X, ROWS, AMOUNT = TRAINED[NUMBERS], FRESH[NUMBERS], np.abs(amount_of(TRAINED)) + 0.1
MANY = np.column_stack([AMOUNT, AMOUNT * 2 + X["a"].abs(), AMOUNT**0.5])
LINE = make_pipeline(StandardScaler(), Ridge())


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    return "".join(str(model).split())


def judged(folder: Path, model: Any, rows: Any, within: float = EXACT) -> None:
    """Export a model and compare it on rows."""
    assert export(folder, model) == 0
    assert_equal(folder, model, rows, within)


def stretched(model: TransformedTargetRegressor, rows: Any) -> float:
    """How far the original's answers move, as a share of the largest, with the last bits of the regressor within."""
    value = model.regressor_.predict(rows)[:, np.newaxis]
    step = 4.0 * np.spacing(np.maximum(np.abs(value), 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is out of reach of the transformation becomes NaN
        there, above, below = (model.transformer_.inverse_transform(value + by) for by in (0.0, step, -step))
    moved = np.fmax(np.abs(above - there), np.abs(below - there))
    return float(np.nanmax(moved) / np.nanmax(np.abs(there)))


PAIRS = [
    (None, None), (np.log1p, np.expm1), (np.log, np.exp), (np.sqrt, np.square), (np.square, np.sqrt),
    (np.arcsinh, np.sinh), (np.log2, np.exp2), (np.negative, np.negative), (np.reciprocal, np.reciprocal),
    (np.exp, np.log), (np.expm1, np.log1p), (np.tanh, np.cbrt),
]  # fmt: skip


@pytest.mark.parametrize(
    ("there", "back"), picked(PAIRS, 0, 1, 3, 7, 8, 11), ids=lambda item: getattr(item, "__name__", "same")
)
def test_functions_of_numpy(tmp_path: Path, there: Any, back: Any) -> None:
    """A target turned by a function of numpy is turned back, of one and of several targets."""
    model = TransformedTargetRegressor(LINE, func=there, inverse_func=back, check_inverse=False)
    scale = AMOUNT.max() * 2.0
    judged(tmp_path, clone(model).fit(X, AMOUNT / scale), ROWS)
    judged(tmp_path, clone(model).fit(X, MANY / scale), ROWS)


TURNED = [
    StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False), MinMaxScaler((1, 3)),
    MinMaxScaler(clip=True), MaxAbsScaler(), RobustScaler(), RobustScaler(with_centering=False, unit_variance=True),
    RobustScaler(with_scaling=False), PowerTransformer(), PowerTransformer(standardize=False),
    PowerTransformer("box-cox"), QuantileTransformer(n_quantiles=20), QuantileTransformer(n_quantiles=150),
    QuantileTransformer(n_quantiles=100, output_distribution="normal"),
    make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler()),
    Pipeline([("nothing", "passthrough"), ("scale", StandardScaler())]),
]  # fmt: skip


@pytest.mark.parametrize("transformer", picked(TURNED, 0, 3, 7, 10, 11, 12, 14, 15, 16), ids=name)
def test_inverses_of_transformers(tmp_path: Path, transformer: Any) -> None:
    """A target turned by a transformer is turned back, from a line and from a tree's few values."""
    for regressor in (LINE, DecisionTreeRegressor(max_depth=4, random_state=0)):
        model = TransformedTargetRegressor(regressor, transformer=transformer, check_inverse=False)
        judged(tmp_path, clone(model).fit(X, AMOUNT if regressor is LINE else MANY), ROWS)


@pytest.mark.parametrize(("method", "power"), crossed(["yeo-johnson", "box-cox"], [0.0, 0.5, 1.0, 2.0, 3.0, -1.5]))
def test_inverses_of_every_power(tmp_path: Path, method: str, power: float) -> None:
    """The powers at which a formula changes, and what is out of reach of the transformation.

    Near a pole, as at -1 with a power of 3, the original itself is no better than the last bit of the regressor, which
    processors sum up differently: there the answer may be as far off as that bit moves it.
    """
    model = TransformedTargetRegressor(LINE, transformer=PowerTransformer(method, standardize=False)).fit(X, AMOUNT)
    model.transformer_.lambdas_ = np.array([power])
    model.regressor_[-1].coef_ = model.regressor_[-1].coef_ / 50.0
    model.regressor_[-1].intercept_ = -0.1
    judged(tmp_path, model, ROWS, max(EXACT, stretched(model, ROWS)))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"func": np.log, "inverse_func": np.rint}, "transformer_: the inverse function rint, which jumps, is not"),
        ({"func": np.log, "inverse_func": np.mean}, "transformer_: the inverse function mean is not supported"),
        (
            {"transformer": FunctionTransformer(np.log, np.round, inv_kw_args={"decimals": 2}, check_inverse=False)},
            "transformer_: the inverse function round is not supported",
        ),
    ],
)
def test_what_cannot_be_turned_back_is_refused(
    tmp_path: Path, options: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function that jumps, that takes more than a number, or that is not numpy's is refused by name."""
    model = TransformedTargetRegressor(LINE, check_inverse=False, **options).fit(X, AMOUNT)

    assert export(tmp_path, model) == 5
    assert reason in capsys.readouterr().err


def test_a_transformer_without_a_converted_inverse_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A transformer whose inverse is not written is refused by name."""
    model = TransformedTargetRegressor(LINE, transformer=PCA(2), check_inverse=False).fit(X, MANY)

    assert export(tmp_path, model) == 5
    assert "transformer_: inverse_transform of PCA is not supported" in capsys.readouterr().err


@pytest.mark.parametrize(("increasing", "bounds", "count"), crossed([True, False], ["nan", "clip"], [1, 15, 200]))
def test_isotonic_regression(tmp_path: Path, bounds: str, count: int, *, increasing: bool) -> None:
    """Steps and the lines between them, few and many, in bounds and out of them, alone and behind a scaler."""
    model = IsotonicRegression(out_of_bounds=bounds, increasing=increasing)
    one, target = X[["a"]][:count], AMOUNT[:count] if count > 1 else AMOUNT[:count] * 0 + 3
    rows = pd.concat([ROWS[["a"]], one, one[:1] + 1e9, one[:1] - 1e9], ignore_index=True)
    judged(tmp_path, clone(model).fit(one, target), rows)
    judged(tmp_path, make_pipeline(StandardScaler(), clone(model)).fit(one, target), rows)


def test_isotonic_regression_that_raises_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that raises out of bounds has no answer for some rows, and the hint says what to do."""
    assert export(tmp_path, IsotonicRegression(out_of_bounds="raise").fit(X[["a"]], AMOUNT)) == 5
    assert "out_of_bounds='clip'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "model", [PLSRegression(1), PLSRegression(2, scale=False), PLSCanonical(2), CCA(2), PLSSVD(2)], ids=name
)
def test_partial_least_squares(tmp_path: Path, model: Any) -> None:
    """Predictions of several targets, and scores as columns for what comes next."""
    fitted = clone(model).fit(X, MANY)
    judged(tmp_path, fitted, ROWS)
    joined = Pipeline([("scores", fitted), ("line", LinearRegression().fit(fitted.transform(X), MANY))])
    judged(tmp_path, joined, ROWS)


def test_partial_least_squares_of_one_target(tmp_path: Path) -> None:
    """One target is one number."""
    judged(tmp_path, PLSRegression(2).fit(X, AMOUNT), ROWS)


def test_every_function_is_accurate_everywhere() -> None:
    """Each function of numpy is right to a few units in the last place: near zero, huge, infinite and NaN."""
    source = np.random.default_rng(0)
    sizes = 10.0 ** np.concatenate([source.uniform(-300, 300, 1000), source.uniform(-18, 3, 2000)])
    near = 1.0 + np.array([1.0, -1.0])[:, None] * 10.0 ** source.uniform(-16, 0, 500)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308, 709.9, 710.3, -745.0, 1.0, 0.5, 1.5, 2.5, 8.0]
    x = np.concatenate([sizes, -sizes, near.ravel(), source.normal(size=2000) * 5, special])[:, None]
    for function, write in FUNCTIONS.items():
        graph = Graph()
        graph.output("y", write(Expr(graph, graph.input("x", "float64", 1))).name, "float64", 1)
        given = ort.InferenceSession(graph.model().SerializeToString()).run(None, {"x": x})[0]
        with np.errstate(all="ignore"):
            wanted = np.asarray(function(x), dtype=np.float64)
            apart = np.abs(given - wanted) / np.where(wanted == 0.0, 1.0, np.abs(wanted))
        finite = np.isfinite(wanted)
        periodic = function in (np.sin, np.cos, np.tan)  # near their zeros numpy's own are as far off
        np.testing.assert_array_equal(given[~finite], wanted[~finite], err_msg=str(function))
        assert apart[finite].max() < (1e-11 if periodic else 1e-15), function
