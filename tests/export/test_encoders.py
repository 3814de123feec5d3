"""OneHotEncoder tells categories apart in the artifact as it does in the original, unknown and null ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlship.model.artifact import read_artifact
from tests.export.grids import crossed
from tests.export.judging import EXACT, assert_equal, export, opened
from tests.export.tables import HELD_OUT, NUMBERS, kinds_of, table, with_holes

pytestmark = pytest.mark.usefixtures("made_here")

TRAINED = table(400, 1)
FRESH = table(HELD_OUT, 2)
KINDS = kinds_of(TRAINED)
UNKNOWN = ["ignore", "error", "infrequent_if_exist"]


def encoded(names: list[str], **options: Any) -> Any:
    """Return a classifier of encoded columns and a scaled one."""
    columns = ColumnTransformer([("t", OneHotEncoder(**options), names), ("n", StandardScaler(), ["c"])])
    return make_pipeline(columns, LogisticRegression(max_iter=5000))


def with_unknown(frame: pd.DataFrame, value: Any = "Braga") -> pd.DataFrame:
    """Return the table with an unknown city in each seventh row."""
    cities = [value if row % 7 == 0 else city for row, city in enumerate(frame["city"])]
    return frame.assign(city=pd.Series(cities, index=frame.index, dtype=object))


@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
@pytest.mark.parametrize(("unknown", "drop"), crossed([*UNKNOWN, "warn"], [None, "first", "if_binary"]))
def test_unknown_categories(tmp_path: Path, unknown: str, drop: str | None) -> None:
    """An unknown category is left out, pooled or refused as the original does it, with any category dropped."""
    fitted = encoded(["city", "k"], handle_unknown=unknown, drop=drop).fit(TRAINED, KINDS)

    assert export(tmp_path, fitted) == 0
    read = assert_equal(tmp_path, fitted, with_unknown(FRESH))
    assert {error.code for error in read.errors} == ({"unknown_category"} if unknown == "error" else set())


@pytest.mark.parametrize(
    ("rare", "unknown", "drop"),
    crossed([{"min_frequency": 80}, {"max_categories": 2}, {"min_frequency": 10_000}], UNKNOWN, [None, "first"]),
)
@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
def test_infrequent_categories(tmp_path: Path, rare: dict[str, int], unknown: str, drop: str | None) -> None:
    """Rare categories share one column, which unknown ones belong to where the encoder says so."""
    fitted = encoded(["city", "word", "k"], handle_unknown=unknown, drop=drop, **rare).fit(TRAINED, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, with_unknown(FRESH))


@pytest.mark.parametrize(
    ("last", "dtype", "sparse"),
    crossed(
        [LogisticRegression(), RandomForestClassifier(5, random_state=0)],
        {"float64": np.float64, "int": int},
        {"sparse": True, "dense": False},
    ),
)
def test_nothing_but_an_encoder(tmp_path: Path, last: Any, dtype: Any, sparse: bool) -> None:
    """Behind an encoder alone the artifact computes in float64, as the original does."""
    steps = make_pipeline(OneHotEncoder(handle_unknown="ignore", dtype=dtype, sparse_output=sparse), last)
    fitted = steps.fit(TRAINED[["city", "word"]], KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, with_unknown(FRESH)[["city", "word"]])


def test_float32_arithmetic_is_not_called_exact(tmp_path: Path) -> None:
    """Behind an encoder to float32 the original itself computes in float32; the proof says how far it was reached."""
    fitted = make_pipeline(OneHotEncoder(dtype=np.float32), LogisticRegression()).fit(TRAINED[["city"]], KINDS)

    assert export(tmp_path, fitted) == 0
    card = read_artifact(tmp_path / "model.onnx").card
    assert card is not None
    assert card.parity is not None
    assert (card.parity.rung == "exact") == (card.parity.largest <= EXACT)
    assert_equal(tmp_path, fitted, FRESH[["city"]], within=card.parity.tolerance)


BESIDE = {"half": 0.5, "next": 1e-9, "negative": -100.0, "far": 1e17, "past int64": 2.0**63}


@pytest.mark.parametrize(
    ("unknown", "names"), crossed(["ignore", "error"], {"alone": ["k"], "with another column": ["k", "c"]})
)
def test_whole_numbers_as_categories(tmp_path: Path, unknown: str, names: list[str]) -> None:
    """A number beside a category, or far from all, is unknown and is not cut down to the category."""
    columns = ColumnTransformer([("k", OneHotEncoder(handle_unknown=unknown), ["k"])], remainder="passthrough")
    fitted = make_pipeline(columns, RandomForestClassifier(8, random_state=0)).fit(TRAINED[names], KINDS)
    parts = [FRESH, *(FRESH[:50].assign(k=FRESH["k"][:50] + distance) for distance in BESIDE.values())]
    fresh = pd.concat([*parts, with_holes(FRESH[:200], ["k"], 1)], ignore_index=True)

    assert export(tmp_path, fitted) == 0
    read = assert_equal(tmp_path, fitted, fresh[names])
    codes = {error.code for error in read.errors}
    assert codes == ({"unknown_category", "null_not_allowed"} if unknown == "error" else set())


@pytest.mark.parametrize("null", [False, True], ids=["", "with nan"])
def test_broken_numbers_as_categories(tmp_path: Path, null: bool) -> None:
    """Categories may be numbers with a fraction, and NaN may be one of them."""

    def halves(frame: pd.DataFrame) -> pd.DataFrame:
        made = frame[["a"]].round(-1) / 20
        return made.where(frame["k"] != 1) if null else made

    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(halves(TRAINED), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([halves(FRESH), halves(FRESH) + 1e-12, FRESH[["a"]]], ignore_index=True))


def test_numbers_that_float64_does_not_tell_apart_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole numbers past 2**53 as categories cannot be told apart in the graph: exit 5."""
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    fitted.fit(TRAINED[["k"]] + 2**60, KINDS)

    assert export(tmp_path, fitted) == 5
    assert "an encoder with integers past 2**53 as categories is not supported." in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(("null", "unknown"), crossed({"None": None, "NaN": np.nan}, ["ignore", "error"]))
def test_null_as_a_category(tmp_path: Path, null: Any, unknown: str) -> None:
    """None, and NaN, in training is a category of its own, and null in the data is it."""
    trained, fresh = with_holes(TRAINED, ["city"], 3, null=null), with_holes(FRESH, ["city"], 4, null=null)
    columns = ColumnTransformer([("t", OneHotEncoder(handle_unknown=unknown), ["city"])])
    fitted = make_pipeline(columns, LogisticRegression()).fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert opened(tmp_path).signature.inputs[0].nullable
    for text in (False, True):
        assert assert_equal(tmp_path, fitted, fresh, text=text).errors == []


def test_none_and_nan_as_two_categories_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None and NaN as categories of one column are both null in data, so that which is meant cannot be told."""
    trained = with_holes(with_holes(TRAINED, ["city"], 3, null=None), ["city"], 4)
    fitted = encoded(["city"], handle_unknown="ignore").fit(trained, KINDS)

    assert export(tmp_path, fitted) == 5
    assert "Column 'city' has both None and NaN among its categories." in capsys.readouterr().err


def test_null_of_polars(tmp_path: Path) -> None:
    """Null in a frame of Polars, which becomes None, is the category that it was in training."""
    trained, fresh = with_holes(TRAINED, ["city"], 3, null=None), with_holes(FRESH, ["city"], 4, null=None)
    fitted = encoded(["city"], handle_unknown="ignore").fit(pl.from_pandas(trained[["city", "c"]]), KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh[["city", "c"]])


@pytest.mark.parametrize("unknown", ["ignore", "error"])
def test_categories_that_look_like_null(tmp_path: Path, unknown: str) -> None:
    """`NA`, `nan`, `None` and the empty text, when they were categories in training, are categories in a CSV too."""
    fitted = encoded(["word"], handle_unknown=unknown).fit(TRAINED, (TRAINED["word"] == "nan").astype(int))

    assert export(tmp_path, fitted) == 0
    for text in (False, True):
        assert assert_equal(tmp_path, fitted, FRESH, text=text).errors == []


def test_null_beside_categories_that_look_like_it(tmp_path: Path) -> None:
    """NaN and the text `nan` as categories of one column stay two."""
    trained, fresh = with_holes(TRAINED, ["word"], 3), with_holes(FRESH, ["word"], 4)
    fitted = encoded(["word"], handle_unknown="ignore").fit(trained, (trained["word"] == "nan").astype(int))

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, fresh)


@pytest.mark.parametrize("holes", [False, True], ids=["", "with nan"])
def test_true_and_false_as_categories(tmp_path: Path, holes: bool) -> None:
    """Bools, also as objects beside NaN, are read as true and false and encoded."""
    trained, fresh = TRAINED.astype({"flag": object}), FRESH.astype({"flag": object})
    if holes:
        trained, fresh = with_holes(trained, ["flag"], 3), with_holes(fresh, ["flag"], 4)
    fitted = encoded(["flag"], handle_unknown="ignore").fit(trained, KINDS)

    assert export(tmp_path, fitted) == 0
    assert opened(tmp_path).signature.inputs[-1].dtype == "bool"
    for text in (False, True):
        assert assert_equal(tmp_path, fitted, fresh, text=text).errors == []


def test_one_column_in_two_encoders(tmp_path: Path) -> None:
    """Of two encoders over one column the one that refuses unknown categories says what is accepted."""
    strict = OneHotEncoder(categories=[["Faro", "Lisboa", "Porto", "São é"]])
    loose = OneHotEncoder(categories=[["Porto", "Braga"]], handle_unknown="ignore")
    columns = ColumnTransformer([("s", strict, ["city"]), ("l", loose, ["city"]), ("n", StandardScaler(), ["c"])])
    fitted = make_pipeline(columns, LogisticRegression()).fit(TRAINED, KINDS)

    assert export(tmp_path, fitted) == 0
    read = assert_equal(tmp_path, fitted, with_unknown(FRESH))
    assert {error.code for error in read.errors} == {"unknown_category"}


@pytest.mark.parametrize("order", [1, -1])
def test_one_column_as_category_and_as_number(tmp_path: Path, order: int) -> None:
    """A whole number that is both encoded and scaled is each of both."""
    parts = [("o", OneHotEncoder(handle_unknown="ignore"), ["k"]), ("s", StandardScaler(), ["k", "a"])][::order]
    fitted = make_pipeline(ColumnTransformer(parts), RandomForestClassifier(8, random_state=0)).fit(TRAINED, KINDS)

    assert export(tmp_path, fitted) == 0
    assert_equal(tmp_path, fitted, pd.concat([FRESH, FRESH.assign(k=FRESH["k"] + 0.25)], ignore_index=True))


@pytest.mark.parametrize("kind", ["category", "string"])
def test_other_dtypes_of_pandas(tmp_path: Path, kind: str) -> None:
    """Categories of pandas' categorical and string columns are read as texts."""
    fitted = encoded(["city"], handle_unknown="ignore").fit(TRAINED.astype({"city": kind}), KINDS)

    assert export(tmp_path, fitted) == 0
    assert opened(tmp_path).signature.inputs[-1].categories == ("Faro", "Lisboa", "Porto", "São é")
    assert_equal(tmp_path, fitted, with_unknown(FRESH))


def test_dates_as_categories_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Dates as categories are refused in one line, not read as something else."""
    trained = TRAINED[["k"]].assign(day=pd.to_datetime("2026-01-01") + pd.to_timedelta(TRAINED["k"], unit="D"))
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(trained[["day"]], KINDS)

    assert export(tmp_path, fitted) == 5
    assert capsys.readouterr().err.splitlines()[0] == (
        "error: The categories of column 'day' are neither texts nor numbers."
    )


@pytest.mark.parametrize("text", ["\ud800", "a\x00", "\uffff"], ids=["lone surrogate", "nul", "noncharacter"])
@pytest.mark.usefixtures("made_apart")
def test_texts_that_no_file_can_hold(tmp_path: Path, text: str) -> None:
    """A category that is no valid text ends in a proven artifact or in a refusal, never in a wrong answer or a bug."""
    trained = with_unknown(TRAINED, text)
    fitted = encoded(["city"], handle_unknown="ignore").fit(trained, [city == text for city in trained["city"]])
    code = export(tmp_path, fitted)

    assert code in (0, 5)
    if code == 0:
        assert_equal(tmp_path, fitted, FRESH[[*NUMBERS, "city"]])
