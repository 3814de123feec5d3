"""A session for bulk work: tree ensembles of real models laid out for many rows, with the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier
from sklearn import datasets
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from mlship.export.job import ExportJob
from mlship.export.run import run_export
from mlship.model import bulk, ensembles, trial
from mlship.model.artifact import RowPlan, read_artifact, sign
from mlship.model.golden import Golden
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.codes import Array
from tests.export.grids import picked
from tests.model.making import counting_session, linear_artifact, linear_graph

ROWS = 10_000
QUIET: dict[str, Any] = {"verbose": 0, "allow_writing_files": False}


def cells() -> tuple[Any, Any]:
    """Breast cancer: 30 measures of two kinds."""
    bunch = datasets.load_breast_cancer(as_frame=True)
    return bunch.data, bunch.target


def gappy() -> tuple[Any, Any]:
    """The same, a tenth of the measures missing."""
    frame, target = cells()
    return frame.mask(np.random.default_rng(1).random(frame.shape) < 0.1), target


def wines() -> tuple[Any, Any]:
    """Wine: 13 measures of three kinds."""
    bunch = datasets.load_wine(as_frame=True)
    return bunch.data, bunch.target


def patients() -> tuple[Any, Any]:
    """Diabetes: ten measures and a number."""
    bunch = datasets.load_diabetes(as_frame=True, scaled=False)
    return bunch.data, bunch.target


def gappy_patients() -> tuple[Any, Any]:
    """The same, a tenth of the measures missing."""
    frame, target = patients()
    return frame.mask(np.random.default_rng(2).random(frame.shape) < 0.1), target


def two_targets() -> tuple[Any, Any]:
    """Diabetes with two numbers to predict."""
    frame, target = patients()
    return frame.drop(columns="bmi"), np.column_stack([target, frame["bmi"]])


def with_category() -> tuple[Any, Any]:
    """Diabetes with the age as one of ten categories, some of them missing."""
    frame, target = gappy_patients()
    decades = (frame["age"] // 10).map(lambda decade: None if math.isnan(decade) else f"age {decade:.0f}0")
    return frame.assign(age=decades.astype("category")), target


def with_codes() -> tuple[Any, Any]:
    """Diabetes with the age as a category that a booster counts itself."""
    frame, target = patients()
    return frame.assign(age=(frame["age"] // 10).astype(int).astype("category")), target


@cache
def digits() -> tuple[Any, Any]:
    """Digits: 64 brightnesses of four digits, some of them mistaken."""
    bunch = datasets.load_digits(n_class=4, as_frame=True)
    noise = np.random.default_rng(3).random(len(bunch.target)) < 0.3
    return bunch.data, bunch.target.mask(noise, (bunch.target + 1) % 4)


@dataclass(frozen=True)
class Case:
    """A model.

    Attributes:
        make: Makes it, not yet fitted.
        data: What it is fitted on.
        nulls: Whether rows with null are asked, too.
    """

    make: Callable[[], Any]
    data: Callable[[], tuple[Any, Any]]
    nulls: bool = False


CASES = {
    "forest of two classes": Case(lambda: RandomForestClassifier(60, random_state=0), cells),
    "forest of two classes, impure": Case(lambda: RandomForestClassifier(60, max_depth=6, random_state=0), cells),
    "forest with null": Case(lambda: RandomForestClassifier(60, random_state=0), gappy, nulls=True),
    "forest of three classes": Case(lambda: RandomForestClassifier(60, random_state=0), wines),
    "forest of numbers": Case(lambda: RandomForestRegressor(20, random_state=0), gappy_patients, nulls=True),
    "forest of two numbers": Case(lambda: RandomForestRegressor(10, random_state=0), two_targets),
    "one tree of four classes": Case(DecisionTreeClassifier, digits),
    "extra trees": Case(lambda: ExtraTreesClassifier(40, random_state=0), wines),
    "gradient boosting": Case(lambda: GradientBoostingRegressor(n_estimators=60, max_depth=5), patients),
    "gradient boosting of four classes": Case(
        lambda: GradientBoostingClassifier(n_estimators=20, max_depth=7, subsample=0.9), digits
    ),
    "histogram boosting": Case(lambda: HistGradientBoostingRegressor(max_iter=60), with_category, nulls=True),
    "histogram boosting of three classes": Case(
        lambda: HistGradientBoostingClassifier(max_iter=40, min_samples_leaf=3), wines, nulls=False
    ),
    "xgboost": Case(lambda: XGBClassifier(n_estimators=100, reg_lambda=0.01), gappy, nulls=True),
    "xgboost of categories": Case(lambda: XGBRegressor(n_estimators=40, enable_categorical=True), with_codes),
    "lightgbm of three classes": Case(
        lambda: LGBMClassifier(n_estimators=60, min_child_samples=3, verbose=-1), wines
    ),
    "lightgbm of categories": Case(
        lambda: LGBMClassifier(n_estimators=60, verbose=-1), lambda: (with_codes()[0], with_codes()[1] > 140)
    ),
    "catboost": Case(lambda: CatBoostRegressor(iterations=40, **QUIET), patients),
    "catboost of three classes": Case(
        lambda: CatBoostClassifier(iterations=30, **QUIET), wines
    ),
    "isolation forest": Case(lambda: IsolationForest(n_estimators=40, random_state=0), cells),
    "pipeline": Case(lambda: make_pipeline(StandardScaler(), RandomForestClassifier(60, random_state=0)), wines),
    "stacked": Case(
        lambda: StackingClassifier(
            [
                ("forest", RandomForestClassifier(60, random_state=0)),
                ("boosting", GradientBoostingClassifier(n_estimators=60, max_depth=5)),
            ],
            LogisticRegression(),
            cv=2,
        ),
        cells,
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def artifact_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Return what fits and exports a case, each once."""

    @cache
    def make(name: str) -> bytes:
        folder = tmp_path_factory.mktemp("bulk")
        case = CASES[name]
        joblib.dump(case.make().fit(*case.data()), folder / "model.joblib")
        run_export(ExportJob(folder / "model.joblib", output=folder / "model.onnx", confined=False))
        return (folder / "model.onnx").read_bytes()

    return make


def rows_of(case: Case, session: Session, rows: int = ROWS) -> dict[str, Array]:
    """Rows whose values are drawn from the data column by column, numbers moved a little."""
    random = np.random.default_rng(4)
    frame = case.data()[0]
    made: dict[str, Array] = {}
    for column in session.signature.inputs:
        known = frame[column.name]
        drawn = known.to_numpy(dtype=object if column.dtype in ("category", "string") else None)[
            random.integers(0, len(known), rows)
        ]
        if drawn.dtype == object:
            made[column.name] = np.array([None if pd.isna(value) else value for value in drawn], dtype=object)
            continue
        numbers = drawn.astype(np.float64) * random.uniform(0.9, 1.1, rows)
        if case.nulls:
            numbers[random.random(rows) < 0.05] = np.nan
        made[column.name] = np.rint(numbers).astype(np.int64) if column.dtype == "int64" else numbers
    return made


def in_calls(session: Session, columns: Mapping[str, Array], size: int) -> dict[str, Array]:
    """Score in calls of some rows."""
    rows = len(next(iter(columns.values())))
    parts = [
        session.predict({name: values[start : start + size] for name, values in columns.items()})
        for start in range(0, rows, size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def first(columns: Mapping[str, Array], rows: int) -> dict[str, Array]:
    """Return the first rows."""
    return {name: values[:rows] for name, values in columns.items()}


def assert_same_bits(one: Mapping[str, Array], other: Mapping[str, Array]) -> None:
    """Two answers are equal to the bit."""
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.dtype == other[name].dtype
        assert (
            values.tolist() == other[name].tolist()
            if values.dtype == object
            else (values.tobytes() == other[name].tobytes())
        ), name


def bulk_session(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Open for bulk work with the layout for it, whatever the clock and the size of the trees say."""
    monkeypatch.setattr(trial, "_CLEARLY", math.inf)
    monkeypatch.setattr(ensembles, "_FEWEST_NODES", 0)
    monkeypatch.setattr(ensembles, "_SMALLEST", 0.0)
    session = open_session(SessionSpec(data, purpose="bulk"))
    assert session.way.by_tree
    return session


@pytest.mark.parametrize("name", picked(CASES, 1, 2, 3, 5, 9, 10, 13, 14, 16, 18, 20))
def test_same_bits_as_the_graph_as_it_is(
    name: str, artifact_of: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """Every layout gives the bits of the artifact's own, in calls of any size and from two threads at once."""
    data = artifact_of(name)
    plain, laid = open_session(SessionSpec(data)), bulk_session(data, monkeypatch)
    assert laid.replay.rows == plain.replay.rows > 0
    assert laid.digest == plain.digest
    columns = rows_of(CASES[name], plain)
    expected = plain.predict(columns)
    if plain.signature.outputs[0].dtype == "float64":
        assert len(np.unique(expected[plain.signature.outputs[0].name])) > 100  # the rows tell trees apart
    assert_same_bits(laid.predict(columns), expected)
    few = first(columns, 1500 if whole else 200)
    assert_same_bits(in_calls(laid, few, 1), first(expected, len(next(iter(few.values())))))
    # Small calls take long: by default fewer of them.
    jobs = [(7, columns if whole else first(columns, 700)), (999, columns), (5_000, columns)]
    with ThreadPoolExecutor(2) as pool:
        for answers in pool.map(lambda job: in_calls(laid, job[1], job[0]), [*jobs, jobs[0]]):
            assert_same_bits(answers, first(expected, len(next(iter(answers.values())))))


@pytest.mark.parametrize("rows", trial.SIZES)
def test_same_bits_however_many_rows_a_call(rows: int, artifact_of: Callable[[str], bytes]) -> None:
    """What the trial chooses, by a clock, changes no bit."""
    name = "forest of three classes"
    session = open_session(SessionSpec(artifact_of(name)))
    columns = rows_of(CASES[name], session, 40_000)
    expected = session.predict(columns)
    session.way = replace(session.way, rows=rows)
    assert_same_bits(session.predict(columns), expected)


def test_large_forest_is_laid_out_because_it_pays(tmp_path: Path) -> None:
    """A forest of several classes is much faster when each tree is walked once and not once a class."""
    frame, target = datasets.make_classification(4000, 20, n_informative=12, n_classes=3, random_state=0)
    joblib.dump(RandomForestClassifier(60, random_state=0).fit(frame, target), tmp_path / "model.joblib")
    run_export(ExportJob(tmp_path / "model.joblib", output=tmp_path / "model.onnx", confined=False))
    session = open_session(SessionSpec(tmp_path / "model.onnx", purpose="bulk"))
    assert session.way.by_tree
    assert session.way.rows in trial.SIZES


def slightly(values: Any) -> Any:
    """Change numbers by a little more than their last bits."""
    return values * (1.0 + 1e-12) if values.dtype == np.float64 else values


@pytest.mark.parametrize("name", ["forest of numbers", "forest of three classes", "gradient boosting of four classes"])
def test_layout_that_answers_differently_is_not_used(
    name: str, artifact_of: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant that differs in its last bits is noticed when the session is opened."""
    data = artifact_of(name)
    honest_table, honest_tree = bulk._Writer._constant, bulk._Writer._tree
    damaged: list[Any] = []

    def table(self: Any, values: Any) -> Any:
        if values.dtype == np.float64 and not damaged:
            damaged.append(values)
            values = slightly(values)
        return honest_table(self, values)

    def tree(self: Any, tree: Any, weights: Any) -> Any:
        whole = (weights == np.arange(len(weights))).all()
        if not whole and not damaged:
            damaged.append(weights)
            weights = slightly(weights)
        return honest_tree(self, tree, weights)

    monkeypatch.setattr(bulk._Writer, "_constant", table)
    monkeypatch.setattr(bulk._Writer, "_tree", tree)
    monkeypatch.setattr(trial, "_CLEARLY", math.inf)
    session = open_session(SessionSpec(data, purpose="bulk"))
    assert damaged
    assert not session.way.by_tree
    plain = open_session(SessionSpec(data))
    columns = rows_of(CASES[name], plain, 500)
    assert_same_bits(session.predict(columns), plain.predict(columns))


def test_layout_that_does_not_open_is_not_used(
    artifact_of: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph as it is stays when the runtime refuses the other."""
    monkeypatch.setattr(trial, "laid_out", lambda data: bulk.Layout(data[:100], {}))
    session = open_session(SessionSpec(artifact_of("forest of numbers"), purpose="bulk"))
    assert not session.way.by_tree
    assert session.replay.agrees


def test_rows_of_the_trial_that_fail_change_nothing(
    artifact_of: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the runtime fails on rows made up for the trial, the graph as it is stays and the session opens."""
    data = artifact_of("forest of three classes")
    monkeypatch.setattr(trial, "feed", lambda *_: np.zeros((2000, 1)))
    session = open_session(SessionSpec(data, purpose="bulk"))
    assert not session.way.by_tree
    assert session.replay.rows > 0


def test_trees_whose_leaves_add_to_many_sums_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that marks one of many columns is left to the single operator, and not for want of nodes."""
    monkeypatch.setattr(ensembles, "_FEWEST_NODES", 0)
    monkeypatch.setattr(ensembles, "_SMALLEST", 0.0)
    frame, _ = cells()
    joblib.dump(RandomTreesEmbedding(4, random_state=0, sparse_output=False).fit(frame), tmp_path / "model.joblib")
    run_export(ExportJob(tmp_path / "model.joblib", output=tmp_path / "model.onnx", confined=False))
    data = (tmp_path / "model.onnx").read_bytes()
    assert b"TreeEnsemble" in data
    assert bulk.laid_out(data) is None


def test_graph_without_trees_is_cut_into_calls() -> None:
    """Without trees nothing is tried, and calls are of some thousand rows, a multiple of what the artifact asks for."""
    session = counting_session(RowPlan(3), purpose="bulk")
    answers = session.predict({"x": np.arange(10_000.0)})
    assert answers["same"].tolist() == list(range(10_000))
    assert list(dict.fromkeys(answers["calls"].tolist())) == [4098.0, 1806.0]


def test_calls_of_a_fixed_size_stay_so() -> None:
    """Where every call must have one size, bulk work changes nothing."""
    answers = counting_session(RowPlan(fixed=7), purpose="bulk").predict({"x": np.arange(20.0)})
    assert set(answers["calls"].tolist()) == {7.0}


def test_foreign_graph_is_called_as_ever() -> None:
    """Of a graph that mlship did not prove nobody knows what its answers depend on."""
    session = open_session(SessionSpec(linear_graph(), purpose="bulk"))
    assert session.way.rows is None
    assert not session.way.by_tree


def test_golden_rows_are_replayed() -> None:
    """A session for bulk work has replayed its golden rows as any other."""
    assert open_session(SessionSpec(linear_artifact(), purpose="bulk")).replay.rows == 3


def test_rows_of_the_trial(artifact_of: Callable[[str], bytes]) -> None:
    """They are the same each time, begin with the golden rows, take no null where none is allowed, and are many."""
    data = artifact_of("gradient boosting")
    card, layout = read_artifact(data).card, bulk.laid_out(data)
    assert card is not None
    assert card.golden is not None
    assert layout is not None
    made, again = (trial.trial_rows(card.signature, card.golden, layout.splits, 5000) for _ in range(2))
    assert layout.splits.keys() == {tensor.name for tensor in card.signature.tensors}
    for column in card.signature.inputs:
        values = made[column.name]
        assert values.tobytes() == again[column.name].tobytes()
        assert values[: card.golden.rows].tobytes() == card.golden.inputs[column.name].tobytes()
        assert values.dtype == card.golden.inputs[column.name].dtype
        assert not np.isnan(values).any()
        assert column.limit is None or (np.abs(values) <= column.limit).all()
        if column.name != "sex":
            assert len(np.unique(values)) > 50


def test_without_golden_rows_nothing_is_tried(artifact_of: Callable[[str], bytes]) -> None:
    """A layout on which nothing could be replayed is not used."""
    artifact = read_artifact(artifact_of("forest of three classes"))
    assert artifact.card is not None
    none = Golden(0, 1e-12, *({key: v[:0] for key, v in part.items()} for part in _parts(artifact.card.golden)))
    for golden in (None, none):
        data = sign(_unsigned(artifact.data), replace(artifact.card, golden=golden))
        assert not open_session(SessionSpec(data, purpose="bulk")).way.by_tree


def _parts(golden: Golden | None) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    assert golden is not None
    return golden.inputs, golden.outputs


def _unsigned(data: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    return bytes(model.SerializeToString())
