"""Pipelines put together at random: each equals its original on rows never seen, or is refused; none is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.export.grids import thinned
from tests.export.judging import assert_never_wrong

pytestmark = pytest.mark.usefixtures("made_here")

BLOCKS, SEEDS = 6, 10
ROWS, FRESH = 150, 500
NAMES = ["a", "my age", "my_age", "2x", "São é", "q'", "x\ny", "", "nan", "input", " z"]
KINDS = ["number", "rounded", "holes", "whole", "codes", "halves", "flag", "flag with holes", "text", "text with holes"]
TEXTS = [
    ["x", "y", "z"],
    ["nan", "None", "", "a"],
    ["NA", "null", "b", "c c"],
    ["1", "2", "3.0"],
    ["São", "日本", "True"],
]


def _series(values: Any) -> Any:
    """A column that pandas leaves as it is: left to itself it makes its own texts of objects."""
    return pd.Series(values, dtype=object if values.dtype == object else None)


class Maker:
    """Draws tables and pipelines.

    Args:
        seed: The seed of all that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self.source = np.random.default_rng(seed)
        picked = self.source.permutation(NAMES)[: self.source.integers(2, 6)].tolist()
        self.kinds = {name: self.one(*KINDS) for name in picked}

    def one(self, *choices: Any) -> Any:
        """Draw one of several things."""
        return choices[self.source.integers(len(choices))]

    def likely(self, share: float) -> bool:
        """Draw True in a share of cases."""
        return bool(self.source.random() < share)

    def column(self, kind: str) -> Any:
        """Draw a column of a kind, the rows to train on first."""
        source, rows = self.source, ROWS + FRESH
        normal = source.normal(size=rows)
        match kind:
            case "number":
                return normal * 10.0 ** source.integers(-6, 7)
            case "rounded":
                return np.round(normal * 10, 2)
            case "holes":
                return np.where(source.random(rows) < 0.15, np.nan, np.round(normal, 1))
            case "whole":
                return (normal * self.one(3, 100, 1e6)).astype(np.int64)
            case "codes":
                return source.integers(-2, 5, rows) * self.one(1, 1000)
            case "halves":
                return np.where(source.random(rows) < 0.1, np.nan, source.integers(0, 4, rows) * 0.5)
            case "flag":
                return normal > 0.3
        values: Any = (normal > 0).astype(object)
        if kind.startswith("text"):
            texts = np.array(TEXTS[source.integers(len(TEXTS))], dtype=object)
            values = source.choice(texts, rows, p=source.dirichlet(np.ones(len(texts))))
        return np.where(source.random(rows) < 0.15, np.nan, values) if kind.endswith("holes") else values

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Draw the rows to train on, and fresh ones with what no training row has."""
        columns = {name: self.column(kind) for name, kind in self.kinds.items()}
        frame = pd.DataFrame({name: _series(values) for name, values in columns.items()})
        fresh = frame[ROWS:].reset_index(drop=True)
        for name, kind in self.kinds.items():
            odd = self.source.random(FRESH) < 0.05
            if kind.startswith("text"):
                fresh.loc[odd, name] = self.one("Unknown", "nan ", "None", "")
            elif not kind.startswith("flag"):
                fresh[name] = fresh[name].astype(np.float64)
                fresh.loc[odd, name] += self.one(0.5, 1e-9)
                fresh.loc[self.source.random(FRESH) < 0.03, name] = np.nan
                fresh.loc[self.source.random(FRESH) < 0.02, name] = self.one(1e30, -1e40, -0.0, 1e-310, 2.0**53 + 2)
        return frame[:ROWS], fresh

    def scaler(self) -> Any:
        """Draw a scaler."""
        return self.one(StandardScaler(), MinMaxScaler(), MinMaxScaler(clip=True), RobustScaler(), MaxAbsScaler())

    def imputer(self) -> SimpleImputer:
        """Draw an imputer of numbers."""
        strategy = self.one("mean", "median", "most_frequent", "constant")
        return SimpleImputer(strategy=strategy, add_indicator=self.likely(0.3), keep_empty_features=self.likely(0.5))

    def encoder(self) -> OneHotEncoder:
        """Draw an encoder."""
        options: dict[str, Any] = {self.one("min_frequency", "max_categories"): int(self.source.integers(2, 20))}
        return OneHotEncoder(
            handle_unknown=self.one("ignore", "error", "infrequent_if_exist"),
            drop=self.one(None, None, "first", "if_binary"),
            sparse_output=self.likely(0.6),
            dtype=self.one(np.float64, int),
            **(options if self.likely(0.25) else {}),
        )

    def for_numbers(self) -> Any:
        """Draw what is done to numbers."""
        return self.one(
            self.imputer(),
            make_pipeline(self.imputer(), self.scaler()),
            make_pipeline(self.scaler(), self.imputer()),
            make_pipeline(self.imputer(), FeatureUnion([("a", self.scaler()), ("b", self.scaler())])),
            "passthrough",
        )

    def for_texts(self) -> Any:
        """Draw what is done to texts and flags."""
        strategy = self.one({"strategy": "most_frequent"}, {"strategy": "constant", "fill_value": "missing"})
        return make_pipeline(SimpleImputer(**strategy), self.encoder()) if self.likely(0.5) else self.encoder()

    def some(self, *kinds: str) -> list[str]:
        """Draw some columns of kinds that begin so."""
        fitting = [name for name, kind in self.kinds.items() if kind.startswith(kinds)]
        return self.source.permutation(fitting)[: self.source.integers(0, len(fitting) + 1)].tolist() if fitting else []

    def pipeline(self) -> Pipeline:
        """Draw a pipeline."""
        numbers, codes = ("number", "rounded", "holes", "whole", "codes", "halves"), ("codes", "halves")
        parts = [
            ("n", self.for_numbers(), self.some(*numbers)),
            ("m", self.for_numbers(), self.some(*numbers)),
            ("t", self.for_texts(), self.some("text")),
            ("f", self.encoder(), self.some("flag")),
            ("c", self.encoder(), self.some(*codes)),
            ("x", self.encoder(), self.some("text", *codes)),
        ]
        taken = [part for part in parts if part[2]] or [("n", self.encoder(), list(self.kinds))]
        weights = {taken[0][0]: float(self.one(0.1, 3))} if self.likely(0.15) else None
        columns = ColumnTransformer(taken, sparse_threshold=float(self.one(0, 0.3, 1)), transformer_weights=weights)
        last = self.one(
            LogisticRegression(max_iter=200),
            RidgeClassifier(),
            DecisionTreeClassifier(max_depth=6, random_state=0),
            RandomForestClassifier(6, random_state=0),
            ExtraTreesClassifier(5, random_state=0),
            GradientBoostingClassifier(n_estimators=4, random_state=0),
            LinearRegression(),
            DecisionTreeRegressor(max_depth=5, random_state=0),
            GradientBoostingRegressor(n_estimators=4, random_state=0),
        )
        between = [StandardScaler(with_mean=False)] if self.likely(0.2) else []
        return make_pipeline(columns, *between, last)

    def target(self, frame: pd.DataFrame) -> Any:
        """Draw classes that depend on the rows; a regressor takes them for amounts."""
        codes = [pd.factorize(frame[name].astype(str))[0] % 7 for name in frame]
        score = np.sum(codes, axis=0) + self.source.normal(size=len(frame))
        return np.digitize(score, np.quantile(score, [0.33, 0.66][: self.source.integers(1, 3)]))


def fitted_pipeline(seed: int) -> tuple[Pipeline, Any] | None:
    """Draw a pipeline fitted on a frame or an array, and fresh rows; None where scikit-learn does not fit it."""
    maker = Maker(seed)
    trained, fresh = maker.tables()
    steps = maker.pipeline()
    as_array = maker.likely(0.25)
    if as_array:
        columns = steps[0]
        columns.transformers = [
            (name, step, [list(trained).index(column) for column in names])
            for name, step, names in columns.transformers
        ]
    rows = [frame.to_numpy() if as_array else frame for frame in (trained, fresh)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lines that do not converge, categories that are dropped
        try:
            return steps.fit(rows[0], maker.target(trained)), rows[1]
        except ValueError:  # such as a line behind a NaN
            return None


@pytest.mark.parametrize("block", thinned(range(BLOCKS), BLOCKS))
def test_never_wrong(tmp_path: Path, block: int) -> None:
    """Pipelines drawn at random equal their originals on fresh and odd rows, or are refused; most are exported."""
    exported = 0
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        drawn = fitted_pipeline(seed)
        if drawn is not None:
            folder = tmp_path / str(seed)
            folder.mkdir()
            exported += assert_never_wrong(folder, *drawn)
    assert exported >= SEEDS / 2
