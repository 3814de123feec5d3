"""How pipelines pick their columns, by name, place, mask or rule, is how the artifact does, whatever the names are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from tests.export.grids import picked
from tests.export.judging import assert_equal, export, opened
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table, with_holes

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED = table(400, 1)
FRESH = table(HELD_OUT, 2)
KINDS = kinds_of(TRAINED)


def line() -> LogisticRegression:
    """Return an unfitted classifier that is sensitive to every column."""
    return LogisticRegression(max_iter=5000)


def encoder(**options: Any) -> OneHotEncoder:
    """Return an encoder that takes unknown categories."""
    return OneHotEncoder(handle_unknown="ignore", **options)


SELECTIONS: dict[str, ColumnTransformer] = {
    "names": ColumnTransformer([("s", StandardScaler(), ["a", "b"])]),
    "names in another order": ColumnTransformer([("s", StandardScaler(), ["c", "a"]), ("m", MinMaxScaler(), ["b"])]),
    "all names in another order": ColumnTransformer([("s", StandardScaler(), ["c", "a", "b"])]),
    "one name twice": ColumnTransformer([("s", StandardScaler(), ["a", "b"]), ("m", MinMaxScaler(), ["b", "a", "c"])]),
    "slice of names": ColumnTransformer([("s", StandardScaler(), slice("a", "b"))], remainder="passthrough"),
    "slice of places": ColumnTransformer([("s", StandardScaler(), slice(1, 3)), ("p", "passthrough", slice(0, 1))]),
    "places": ColumnTransformer([("s", StandardScaler(), [2, 0])], remainder=MinMaxScaler()),
    "places from the end": ColumnTransformer([("s", StandardScaler(), [-1, 0])], remainder="passthrough"),
    "mask": ColumnTransformer([("s", StandardScaler(), [True, False, True])], remainder="drop"),
    "numpy mask": ColumnTransformer([("s", StandardScaler(), np.array([True, False, True]))], remainder="passthrough"),
    "rule": ColumnTransformer([("s", StandardScaler(), make_column_selector(dtype_include=float))]),
    "pattern": ColumnTransformer([("s", StandardScaler(), make_column_selector("^[ab]$"))], remainder="passthrough"),
    "dropped": ColumnTransformer([("s", StandardScaler(), ["a"]), ("d", "drop", ["b"])], remainder="passthrough"),
    "nothing in a part": ColumnTransformer([("s", StandardScaler(), ["a", "c"]), ("e", encoder(), [])]),
    "weights": ColumnTransformer(
        [("s", StandardScaler(), ["c", "a"]), ("m", MinMaxScaler(), ["b"])], transformer_weights={"s": 0.1, "m": 3.3}
    ),
}


@pytest.mark.parametrize("selection", picked(SELECTIONS.values(), 0, 2, 3, 4, 7, 9, 11, 12, 14), ids=SELECTIONS)
def test_selections_from_a_frame(tmp_path: Path, selection: ColumnTransformer) -> None:
    """However a part says which columns it takes, the artifact gives it the same ones."""
    fitted = make_pipeline(selection, line()).fit(TRAINED[NUMBERS], KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS])


@pytest.mark.parametrize(
    "places",
    picked([[0, 1], [2, 1, 0], [1, 1, 0], slice(0, 2), slice(0, 3), [False, True, True], [-1]], 2, 3, 5, 6),
)
def test_selections_from_an_array(tmp_path: Path, places: Any) -> None:
    """Places, slices and masks pick from an array without names what they pick in the original."""
    columns = ColumnTransformer([("s", StandardScaler(), places)], remainder="passthrough")
    fitted = make_pipeline(columns, line()).fit(TRAINED[NUMBERS].to_numpy(), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[NUMBERS].to_numpy())


def _inner(remainder: str) -> ColumnTransformer:
    return ColumnTransformer([("s", StandardScaler(), ["b", "a"])], remainder=remainder)


NESTED: dict[str, Any] = {
    "transformer in a pipeline in a transformer": ColumnTransformer(
        [("n", make_pipeline(_inner("passthrough"), MinMaxScaler()), NUMBERS), ("t", encoder(), ["city"])]
    ),
    "inner part leaves columns out": ColumnTransformer([("n", _inner("drop"), NUMBERS), ("t", encoder(), ["city"])]),
    "pipeline in a pipeline": make_pipeline(make_pipeline(_inner("passthrough"), MinMaxScaler()), StandardScaler()),
    "passthrough first": Pipeline([("p", "passthrough"), ("c", _inner("passthrough"))]),
    "None between": Pipeline([("c", _inner("passthrough")), ("n", None)]),
    "imputer first": make_pipeline(SimpleImputer(), ColumnTransformer([("s", StandardScaler(), [2, 0])])),
    "imputer first, as a frame": Pipeline(
        [
            ("i", SimpleImputer().set_output(transform="pandas")),
            ("c", ColumnTransformer([("s", StandardScaler(), ["c", "a"])], remainder="passthrough")),
        ]
    ),
    "frames between transformers": make_pipeline(
        ColumnTransformer([("n", StandardScaler(), NUMBERS), ("t", encoder(sparse_output=False), ["city"])]).set_output(
            transform="pandas"
        ),
        ColumnTransformer([("m", MinMaxScaler(), ["n__c", "n__a"])], remainder="passthrough"),
    ),
    "polars between transformers": make_pipeline(
        ColumnTransformer([("n", StandardScaler(), NUMBERS)]).set_output(transform="polars"), MinMaxScaler()
    ),
}


@pytest.mark.parametrize("steps", picked(NESTED.values(), 0, 1, 4, 6, 7, 8), ids=NESTED)
def test_steps_within_steps(tmp_path: Path, steps: Any) -> None:
    """Transformers in pipelines in transformers, in any place, see the columns that they see in the original."""
    names = [*NUMBERS, "city"] if "city" in str(steps) else NUMBERS
    fitted = make_pipeline(steps, line()).fit(TRAINED[names], KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[names])


AWKWARD = {"a": "my age", "b": "my_age", "c": "2x", "k": "qu'o\"te", "city": "São é", "word": "new\nline", "flag": ""}


@pytest.mark.usefixtures("made_apart")
def test_awkward_names(tmp_path: Path) -> None:
    """Names with spaces, accents, quotes, a newline or nothing at all in them lead to their columns."""
    trained, fresh = TRAINED.rename(columns=AWKWARD), FRESH.rename(columns=AWKWARD)
    numbers = [AWKWARD[name] for name in ("a", "b", "c", "k")]
    columns = ColumnTransformer(
        [("n", StandardScaler(), numbers), ("t", encoder(), [AWKWARD["word"], AWKWARD["city"]]), ("f", encoder(), [""])]
    )
    fitted = make_pipeline(columns, line()).fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert set(opened(tmp_path).signature.names) == set(AWKWARD.values())
    assert_equal(tmp_path, fitted, fresh)


@pytest.mark.parametrize("names", [[0, 1, 2], [0.5, 1.5, 2.5]], ids=["whole numbers", "floats"])
def test_names_that_are_no_texts(tmp_path: Path, names: list[Any]) -> None:
    """A frame whose columns are named by numbers fits a model without names: its columns are x0, x1, x2."""
    trained, fresh = TRAINED[NUMBERS].set_axis(names, axis=1), FRESH[NUMBERS].set_axis(names, axis=1)
    fitted = line().fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert opened(tmp_path).signature.names == ("x0", "x1", "x2")
    assert_equal(tmp_path, fitted, fresh)


def test_fitted_on_polars(tmp_path: Path) -> None:
    """A model that was fitted on a frame of Polars answers as it does on one of pandas."""
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("t", encoder(), ["city"])])
    fitted = make_pipeline(columns, line()).fit(pl.from_pandas(TRAINED[[*NUMBERS, "city"]]), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, FRESH[[*NUMBERS, "city"]])


def test_arrays_of_objects(tmp_path: Path) -> None:
    """An array that holds numbers and texts side by side is read column by column."""

    def objects(frame: pd.DataFrame) -> Any:
        return frame[["a", "city", "k"]].astype(object).to_numpy()

    columns = ColumnTransformer([("n", StandardScaler(), [0]), ("t", encoder(), [1]), ("k", encoder(), [2])])
    fitted = make_pipeline(columns, line()).fit(objects(TRAINED), KINDS)

    assert export(tmp_path, fitted) == 0
    assert [column.dtype for column in opened(tmp_path).signature.inputs] == ["float64", "category", "float64"]
    assert_equal(tmp_path, fitted, objects(FRESH))


@pytest.mark.parametrize("output", [True, False], ids=["sparse", "dense"])
def test_scaled_after_a_sparse_encoder(tmp_path: Path, output: bool) -> None:
    """On sparse tables scikit-learn multiplies where it divides on dense ones; trees notice the last bit."""
    columns = ColumnTransformer(
        [("t", encoder(sparse_output=output), ["city", "k"]), ("n", SimpleImputer(), ["c"])], sparse_threshold=1.0
    )
    steps = make_pipeline(columns, StandardScaler(with_mean=False), RandomForestClassifier(8, random_state=0))
    trained, fresh = (with_holes(frame, ["c"], 5).round(1) for frame in (TRAINED, FRESH))
    fitted = steps.fit(trained, KINDS)
    assert fitted[0].sparse_output_ == output

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh[["city", "k", "c"]])
