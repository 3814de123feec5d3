"""XGBoost, LightGBM and CatBoost: trees and lines, categories, missing values and objectives equal the original."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlship.cli.main import run
from tests.export.grids import picked
from tests.export.judging import EXACT, assert_equal, export, opened

ULP = 2.4e-7
"""One unit in the last place of float32, as a share: XGBoost's exponential may differ in it."""
SMALL: dict[str, Any] = {"n_estimators": 6, "n_jobs": 1}  # threads started here would hang the child that loads
LIGHT = {**SMALL, "num_leaves": 7, "verbose": -1}
CAT: dict[str, Any] = {"iterations": 6, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def table(rows: int, seed: int, *, text: bool = False) -> pd.DataFrame:
    """Return numbers of two decimals with holes, and categories when asked for."""
    source = np.random.default_rng(seed)
    frame = pd.DataFrame(source.normal(size=(rows, 4)), columns=list("abcd")).round(2)
    frame["i"] = source.integers(0, 5, rows).astype(np.float64)
    frame.loc[source.random(rows) < 0.1, "b"] = np.nan
    if text:
        frame["e"] = pd.Categorical(source.choice(list("stuvwxyz"), rows))
        frame["g"] = pd.Categorical(source.choice([10, 20, 35], rows))
        frame.loc[source.random(rows) < 0.1, "e"] = None
    return frame


def amount(frame: pd.DataFrame) -> Any:
    """Return numbers to be told."""
    found = frame["a"] * 10 + frame["d"] ** 2 + frame["i"] * 3 + frame["b"].fillna(3) + 100
    return (found + frame["e"].cat.codes * 4 if "e" in frame else found).to_numpy()


TRAINED, FRESH = table(300, 1), table(2000, 2)
AMOUNT = amount(TRAINED)
TWO, THREE = (AMOUNT > 107).astype(int), pd.cut(AMOUNT, 3, labels=False)

NUMBERS = [
    *(xgboost.XGBRegressor(objective=name, **SMALL) for name in (
        "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "count:poisson", "reg:gamma", "reg:tweedie",
        "survival:cox")),
    xgboost.XGBRegressor(booster="dart", rate_drop=0.4, **SMALL),
    xgboost.XGBRegressor(booster="gblinear", **SMALL),
    xgboost.XGBRegressor(missing=0.0, **SMALL),
    xgboost.XGBRFRegressor(**SMALL),
    xgboost.XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.9], **SMALL),
    *(lightgbm.LGBMRegressor(objective=name, **LIGHT) for name in (
        "regression", "regression_l1", "huber", "quantile", "mape", "poisson", "gamma", "tweedie")),
    lightgbm.LGBMRegressor(boosting_type="rf", subsample=0.6, subsample_freq=1, **LIGHT),
    lightgbm.LGBMRegressor(boosting_type="dart", reg_sqrt=True, **LIGHT),
    lightgbm.LGBMRegressor(zero_as_missing=True, **LIGHT),
    lightgbm.LGBMRegressor(use_missing=False, **LIGHT),
    lightgbm.LGBMRegressor(linear_tree=True, **LIGHT),
    *(catboost.CatBoostRegressor(loss_function=name, **CAT) for name in (
        "RMSE", "MAE", "Poisson", "Tweedie:variance_power=1.5", "Huber:delta=1", "MultiQuantile:alpha=0.1,0.9")),
    catboost.CatBoostRegressor(nan_mode="Max", **CAT),
    catboost.CatBoostRegressor(grow_policy="Lossguide", **CAT),
]  # fmt: skip
KINDS = [
    *(xgboost.XGBClassifier(booster=booster, **SMALL) for booster in ("gbtree", "dart", "gblinear")),
    xgboost.XGBClassifier(objective="binary:hinge", **SMALL),
    xgboost.XGBClassifier(objective="multi:softmax", **SMALL),
    xgboost.XGBRFClassifier(**SMALL),
    lightgbm.LGBMClassifier(sigmoid=0.7, **LIGHT),
    lightgbm.LGBMClassifier(boosting_type="rf", subsample=0.6, subsample_freq=1, **LIGHT),
    catboost.CatBoostClassifier(**CAT),
    catboost.CatBoostClassifier(grow_policy="Depthwise", **CAT),
]


def name(model: Any) -> str:
    """Return how a model was made, in one line."""
    made = {key: value for key, value in model.get_params().items() if isinstance(value, str)}
    return f"{type(model).__name__}{made}"


def bound(model: Any) -> float:
    """Return how far a model's numbers may be off."""
    return ULP if "xgboost" in type(model).__module__ else EXACT


def rows() -> pd.DataFrame:
    """Return fresh rows and hard ones."""
    hard = FRESH[:200].assign(a=0.0, c=-0.0, d=1e-36)
    return pd.concat([FRESH, hard, FRESH[:50] * 1e20], ignore_index=True)


@pytest.mark.parametrize("model", picked(NUMBERS, 0, 3, 7, 8, 9, 10, 11, 12, 17, 20, 22, 24, 25, 30, 31, 32), ids=name)
def test_numbers(tmp_path: Path, model: Any) -> None:
    """Boosters of every objective and kind of tree give the original's numbers; lines in leaves are refused."""
    fitted = model.fit(TRAINED, AMOUNT)
    lines = model.get_params().get("linear_tree")

    assert export(tmp_path, fitted) == (5 if lines else 0)
    if not lines:
        assert_equal(tmp_path, fitted, rows(), bound(fitted))


@pytest.mark.parametrize("kinds", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("model", picked(KINDS, 0, 2, 3, 4, 6, 8), ids=name)
def test_classes(tmp_path: Path, model: Any, kinds: Any) -> None:
    """Boosters of two and three classes give the original's labels, and its probabilities."""
    only = {"binary:hinge": TWO, "multi:softmax": THREE}.get(str(model.get_params().get("objective")), kinds)
    if only is not kinds:
        model = xgboost.XGBClassifier(num_parallel_tree=2, subsample=0.5, **SMALL)
    fitted = model.fit(TRAINED, kinds)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, rows(), bound(fitted))
    single = "xgboost" in type(model).__module__
    assert opened(tmp_path).card.parity.precision == ("float32" if single else "float64")  # type: ignore[union-attr]


def test_labels_of_text(tmp_path: Path) -> None:
    """Classes that are texts stay texts."""
    labels = np.array(["no", "yes", "maybe"])[THREE]
    for model in (lightgbm.LGBMClassifier(**LIGHT), catboost.CatBoostClassifier(**CAT)):
        fitted = model.fit(TRAINED, labels)
        assert export(tmp_path, fitted) == 0
        assert_equal(tmp_path, fitted, rows())


@pytest.mark.parametrize("one_hot", [1, 100])
@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_columns_of_categories(tmp_path: Path, kind: str, one_hot: int) -> None:
    """Categories of pandas, of texts and of numbers, split singly and in sets, have their codes in training."""
    trained, fresh = table(400, 3, text=True), table(1000, 4, text=True)
    if kind == "xgboost":
        model: Any = xgboost.XGBRegressor(enable_categorical=True, max_cat_to_onehot=one_hot, **SMALL)
    else:
        model = lightgbm.LGBMRegressor(max_cat_to_onehot=one_hot, min_data_per_group=5, cat_smooth=1, **LIGHT)
        fresh["e"] = pd.Categorical(fresh["e"].astype(object).where(fresh.index % 9 != 0, "never seen"))
    fitted = model.fit(trained, amount(trained))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh, bound(fitted))
    assert opened(tmp_path).signature.inputs[5].unknown == (kind == "lightgbm")  # XGBoost would take it for another


def test_codes_are_cut_as_the_library_cuts_them(tmp_path: Path) -> None:
    """Codes that are no whole numbers, negative, huge or missing go where the original sends them."""
    trained, fresh = TRAINED.to_numpy(), FRESH[:800].to_numpy()
    fresh[::7, 4] += 0.7
    fresh[::9, 4], fresh[::11, 4], fresh[::13, 4] = -0.5, 1e7, np.nan
    trained[:, 4] = np.where(AMOUNT > 107, 0.0, 1.0 + trained[:, 4])  # so that the code 0 goes a way of its own
    light = lightgbm.LGBMRegressor(min_data_per_group=5, **LIGHT).fit(trained, AMOUNT, categorical_feature=[4])
    extreme = xgboost.XGBRegressor(
        enable_categorical=True, feature_types=["q"] * 4 + ["c"], max_cat_to_onehot=1, **SMALL
    ).fit(trained, AMOUNT)
    for model in (light, extreme):
        assert export(tmp_path, model) == 0
        assert_equal(tmp_path, model, fresh, bound(model))


def test_early_stopping(tmp_path: Path) -> None:
    """A model that stopped early answers with its best round."""
    model = xgboost.XGBRegressor(early_stopping_rounds=2, learning_rate=1.0, n_estimators=60, n_jobs=1)
    model.fit(TRAINED, AMOUNT, eval_set=[(TRAINED[:90], -AMOUNT[:90])], verbose=False)

    assert export(tmp_path, model) == 0
    assert_equal(tmp_path, model, rows(), ULP)


def test_rankers_give_numbers(tmp_path: Path) -> None:
    """A ranker's scores are numbers, not labels."""
    groups = np.arange(300) // 10
    models: list[tuple[Any, dict[str, Any]]] = [
        (xgboost.XGBRanker(**SMALL), {"qid": groups}),
        (lightgbm.LGBMRanker(**LIGHT), {"group": [10] * 30}),
        (catboost.CatBoostRanker(**CAT), {"group_id": groups}),
    ]
    for model, further in models:
        fitted = model.fit(TRAINED, TWO, **further)
        assert export(tmp_path, fitted) == 0
        assert_equal(tmp_path, fitted, rows(), bound(fitted))


@pytest.mark.parametrize("make", [
    lambda: xgboost.XGBClassifier(**SMALL), lambda: lightgbm.LGBMClassifier(**LIGHT),
])  # fmt: skip
def test_behind_sparse_columns(tmp_path: Path, make: Callable[[], Any]) -> None:
    """What a sparse matrix does not hold is missing to XGBoost, and zero to LightGBM."""
    trained, fresh = TRAINED.assign(s="p").fillna(0.5), FRESH[:500].assign(s="q").fillna(0.0)
    trained["s"], fresh["s"] = np.where(trained["a"] > 0, "p", "q"), np.where(fresh["c"] > 0, "r", "q")
    encode = OneHotEncoder(handle_unknown="ignore")
    spread = make_column_transformer((encode, ["s", "i"]), ("passthrough", ["a", "b"]), sparse_threshold=1.0)
    fitted = make_pipeline(spread, make()).fit(trained, TWO)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh, ULP)


def test_catboost_with_categories_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CatBoost's tables of hashed categories are not converted."""
    frame = TRAINED.assign(s=np.where(TRAINED["a"] > 0, "p", "q"))
    fitted = catboost.CatBoostRegressor(cat_features=["s"], **CAT).fit(frame, AMOUNT)

    assert export(tmp_path, fitted) == 5
    assert "CatBoost with categorical features is not supported" in capsys.readouterr().err


@pytest.mark.parametrize(
    "names",
    picked([["Köln", "Bonn", "Mainz"], ["é", "Zü", "a"], ["a", "b", "cä"], ["日本", "x", "y"]], 0, 3),
    ids="".join,
)
def test_names_that_xgboost_mangles_are_refused(
    tmp_path: Path, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """XGBoost keeps as many bytes of its categories as they have letters: what is not ASCII cannot be read back."""
    source = np.random.default_rng(0)
    frame = pd.DataFrame({"n": source.normal(size=200), "city": pd.Categorical(source.choice(names, 200))})
    model = xgboost.XGBRegressor(enable_categorical=True, **SMALL)
    fitted = model.fit(frame, frame["n"] + frame["city"].cat.codes)

    assert export(tmp_path, fitted) == 5
    assert "names of its categories whole when they are not ASCII" in capsys.readouterr().err


NATIVE: dict[str, tuple[Callable[[], Any], Callable[[Any, str], object], str]] = {
    "xgboost": (lambda: xgboost.XGBClassifier(**SMALL), lambda m, path: m.get_booster().save_model(path), "m.ubj"),
    "xgboost json": (lambda: xgboost.XGBRegressor(**SMALL), lambda m, path: m.save_model(path), "m.json"),
    "lightgbm": (lambda: lightgbm.LGBMClassifier(**LIGHT), lambda m, path: m.booster_.save_model(path), "m.txt"),
    "catboost": (lambda: catboost.CatBoostClassifier(**CAT), lambda m, path: m.save_model(path), "m.cbm"),
}


@pytest.mark.parametrize("kind", NATIVE)
def test_files_of_the_libraries(tmp_path: Path, kind: str) -> None:
    """A file that a library wrote itself is a classifier when its objective is one; a damaged one is refused."""
    make, save, file = NATIVE[kind]
    fitted = make().fit(TRAINED, TWO)
    save(fitted, str(tmp_path / file))

    assert run(["export", str(tmp_path / file), "-o", str(tmp_path / "model.onnx"), "-q"]) == 0
    assert_equal(tmp_path, fitted, FRESH, bound(fitted))
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    assert run(["export", str(tmp_path / file), "-o", str(tmp_path / "half.onnx"), "-q"]) == 4
