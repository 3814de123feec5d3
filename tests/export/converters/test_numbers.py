"""Discretizers, polynomials, powers, quantiles and functions of numbers answer as their originals do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    KernelCenterer,
    MaxAbsScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
)

from tests.export.grids import crossed, picked, thinned
from tests.export.judging import assert_equal, export, named
from tests.export.tables import HELD_OUT, NUMBERS, amount_of, kinds_of, table, with_holes

TRAINED = table(300, 1)[NUMBERS]
HOLED = with_holes(TRAINED, NUMBERS, 3)
ROUGH = TRAINED.round(-1).assign(c=3.0)
HELD = table(HELD_OUT, 2)[NUMBERS]
FRESH = pd.concat([HELD, HELD * 10, -HELD, TRAINED[:50], HELD[:50] * 0, HELD[:50] * 1e-18], ignore_index=True)
WITH_NULL = pd.concat([with_holes(FRESH, NUMBERS, 4), HOLED[:50]], ignore_index=True)
KINDS = kinds_of(table(300, 1))

BINS = [
    *(KBinsDiscretizer(5, encode=encode) for encode in ("onehot", "onehot-dense", "ordinal")),
    *(KBinsDiscretizer(5, encode="ordinal", strategy=strategy) for strategy in ("uniform", "kmeans")),
    KBinsDiscretizer(60, encode="ordinal"),
    KBinsDiscretizer([2, 40, 3], dtype=np.float32, encode="onehot-dense"),
    *(Binarizer(threshold=threshold) for threshold in (0.0, 50.0)),
]
POLYNOMIALS = [
    PolynomialFeatures(degree, interaction_only=only, include_bias=bias)
    for degree in (1, 2, 3, 4, (0, 2), (1, 3), (2, 2), (3, 4))
    for only, bias in ((False, True), (True, False))
]
QUANTILES = [
    QuantileTransformer(n_quantiles=count, output_distribution=distribution)
    for count in (1, 2, 20, 300)
    for distribution in ("uniform", "normal")
]
OTHERS = [
    *(Normalizer(norm=norm) for norm in ("l1", "l2", "max")),
    PowerTransformer(),
    PowerTransformer(standardize=False),
    PolynomialFeatures(0),
]
FUNCTIONS: list[tuple[Any, dict[str, Any]]] = [
    (None, {}),
    *((function, {}) for function in (np.exp, np.cbrt, np.round, np.sign, np.tanh, special.expit, np.square)),
    (np.clip, {"a_min": -1.0, "a_max": 40.0}),
    (np.round, {"decimals": 1}),
    (np.round, {"decimals": -1}),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("step", "rough"),
    crossed(
        [*BINS, *POLYNOMIALS, *QUANTILES, *OTHERS],
        {"": False, "few values": True},
        places=[0, 2, 4, 6, 8, 11, 14, 20, 23, 25, 28, 30, 31, 33, 34, 35, 36, 38],
    ),
)
def test_numbers(tmp_path: Path, step: Any, rough: bool) -> None:
    """Fresh rows, rows far away, of zeros and of next to nothing come out as in the original."""
    fitted = step.fit(ROUGH if rough else TRAINED)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize("step", thinned([*QUANTILES, PowerTransformer(), PowerTransformer(standardize=False)], 3))
def test_null(tmp_path: Path, step: Any) -> None:
    """Null stays null."""
    fitted = step.fit(HOLED)

    assert export(tmp_path, fitted) == 0
    assert assert_equal(tmp_path, fitted, WITH_NULL).errors == []


@pytest.mark.parametrize("flat", picked([0.0, 2.0, 1e-17, -3.0], 0, 1))
def test_powers_with_and_without_a_limit(tmp_path: Path, flat: float) -> None:
    """Where a power is 0, or 2 below zero, the logarithm stands in its place."""
    fitted = PowerTransformer(standardize=False).fit(TRAINED)
    fitted.lambdas_ = np.array([flat, 1.0, flat])

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(("function", "given"), picked(FUNCTIONS, 0, 1, 3, 6, 8, 10), ids=named)
def test_functions(tmp_path: Path, function: Any, given: dict[str, Any]) -> None:
    """Functions of numpy are written as operators, with the arguments that some may have."""
    fitted = FunctionTransformer(function, kw_args=given).fit(TRAINED)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize("given", [{}, {"nan": 3.0, "posinf": 9.0}], ids=["default", "given"])
def test_null_made_a_number(tmp_path: Path, given: dict[str, float]) -> None:
    """A function may put numbers in the place of null and of infinity."""
    fitted = FunctionTransformer(np.nan_to_num, kw_args=given).fit(HOLED)
    infinite = pd.DataFrame({name: [np.inf, -np.inf, 0.0] for name in NUMBERS})

    assert export(tmp_path, fitted) == 0
    assert assert_equal(tmp_path, fitted, pd.concat([WITH_NULL, infinite], ignore_index=True)).errors == []


@pytest.mark.parametrize("given", [{"casting": "unsafe"}, {"dtype": np.float64}], ids=named)
def test_arguments_of_functions_that_are_not_known(
    tmp_path: Path, given: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not known of a function's arguments is refused, naming the function."""
    fitted = FunctionTransformer(np.log1p, kw_args=given)

    assert export(tmp_path, make_pipeline(SimpleImputer(), fitted, LinearRegression()).fit(abs(TRAINED), KINDS)) == 5
    assert f"FunctionTransformer over numpy.log1p with {next(iter(given))} is not supported." in capsys.readouterr().err


@pytest.mark.parametrize(("standardize", "power"), crossed({"": False, "standardized": True}, [None, 0.0, -2.5, 3.0]))
def test_powers_of_what_is_positive(tmp_path: Path, standardize: bool, power: float | None) -> None:
    """Box and Cox's power takes positive numbers and null; all else is refused, row by row."""
    fitted = PowerTransformer(method="box-cox", standardize=standardize).fit(abs(HOLED) + 0.1)
    if power is not None:
        fitted.lambdas_ = np.array([power, 1.0, power])
    fresh = abs(WITH_NULL) + 1e-6

    assert export(tmp_path, fitted) == 0
    assert assert_equal(tmp_path, fitted, fresh).errors == []
    assert assert_equal(tmp_path, fitted, pd.concat([fresh, -fresh, fresh * 0], ignore_index=True)).errors != []


SPARSE = [PolynomialFeatures(2), PolynomialFeatures(3, interaction_only=True), Normalizer(), Normalizer("l1")]


@pytest.mark.parametrize(
    "step",
    picked([*SPARSE, Normalizer("max"), Binarizer(), MaxAbsScaler(), KBinsDiscretizer(3)], 0, 2, 5, 7),
    ids=named,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_behind_an_encoder(tmp_path: Path, step: Any) -> None:
    """Sparse tables are computed as the original computes them."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=not isinstance(step, KBinsDiscretizer))
    fitted = make_pipeline(encoder, step, LogisticRegression()).fit(ROUGH[["a"]].assign(b=ROUGH["b"] > 5), KINDS)
    fresh = HELD.round(-1)[["a"]].assign(b=HELD["b"] > 5)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh)


@pytest.mark.parametrize(
    "last", [LinearRegression(), RandomForestClassifier(5, random_state=0)], ids=["linear", "forest"]
)
def test_inside_of_a_pipeline(tmp_path: Path, last: Any) -> None:
    """All of them stand side by side in a pipeline, behind an imputer."""
    steps: list[tuple[str, Any, list[str]]] = [
        ("bins", KBinsDiscretizer(4), ["a", "b"]),
        ("powers", make_pipeline(PowerTransformer(), PolynomialFeatures(2)), ["a", "c"]),
        ("quantiles", QuantileTransformer(n_quantiles=30, output_distribution="normal"), ["b"]),
        ("log", make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(np.log1p)), ["b", "c"]),
        ("rows", Normalizer(), NUMBERS),
    ]
    filled = ColumnTransformer([(name, make_pipeline(SimpleImputer(), step), names) for name, step, names in steps])
    fitted = make_pipeline(filled, last).fit(
        HOLED, KINDS if last.__class__.__name__ != "LinearRegression" else KINDS * 1.5
    )

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, with_holes(HELD, NUMBERS, 4))


def test_centred_kernels(tmp_path: Path) -> None:
    """A kernel given as a table is centred."""
    source = np.random.default_rng(0)
    rows = source.normal(size=(21, 3))
    fitted = make_pipeline(KernelCenterer(), LinearRegression()).fit(rows @ rows.T, amount_of(table(21, 1)))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, source.normal(size=(100, 3)) @ rows.T)


def test_products_of_what_is_not_kept(tmp_path: Path) -> None:
    """In a sparse table a zero times what has grown to infinity is a zero."""
    columns = ColumnTransformer([("o", OneHotEncoder(handle_unknown="ignore"), ["a"])], remainder="passthrough")
    rows = ROUGH[["a", "b"]].assign(a=ROUGH["a"].clip(30, 60))  # of few kinds, whose products are columns
    fitted = make_pipeline(columns, PolynomialFeatures(3)).fit(rows)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, rows.assign(b=1e200))
