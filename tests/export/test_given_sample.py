"""What --sample adds: names, true and false, rows of the proof and a baseline; and which samples are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from mlship.cli.main import run
from tests.export.judging import assert_equal, opened, save
from tests.export.tables import NUMBERS, kinds_of, table

pytestmark = pytest.mark.usefixtures("made_here")

ROWS = table(200, 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with the data in it."""
    monkeypatch.chdir(tmp_path)
    ROWS.to_csv(tmp_path / "sample.csv", index=False)
    return tmp_path


def tree(columns: list[str], *, named: bool = True) -> Any:
    """Fit a tree on some columns."""
    rows = ROWS[columns] if named else ROWS[columns].to_numpy(np.float64)
    return DecisionTreeClassifier(max_depth=4, random_state=0).fit(rows, kinds_of(ROWS))


def test_true_and_false_are_told_by_the_sample(folder: Path) -> None:
    """A column that holds true and false in the sample is read as such, where a number alone would refuse them."""
    fitted = tree(["flag", "a"])
    save(folder, fitted)

    assert run(["export", "model.pkl", "-q", "--sample", "sample.csv"]) == 0
    assert [column.dtype for column in opened(folder).signature.inputs] == ["bool", "float64"]
    assert assert_equal(folder, fitted, table(500, 2)[["flag", "a"]], text=True).errors == []


def test_zeros_and_ones_stay_numbers(folder: Path) -> None:
    """A column of zeros and ones might hold any number elsewhere: it is not taken for true and false."""
    ROWS.assign(flag=ROWS["flag"].astype(int)).to_csv(folder / "sample.csv", index=False)
    save(folder, tree(["flag", "a"]))

    assert run(["export", "model.pkl", "-q", "--sample", "sample.csv"]) == 0
    assert [column.dtype for column in opened(folder).signature.inputs] == ["float64", "float64"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_are_told_by_the_sample(folder: Path, suffix: str) -> None:
    """A model without names takes those of a sample with exactly as many columns."""
    save(folder, tree(NUMBERS, named=False))
    if suffix == "csv":
        ROWS[NUMBERS].to_csv("numbers.csv", index=False)
    else:
        ROWS[NUMBERS].to_parquet("numbers.parquet")

    assert run(["export", "model.pkl", "-q", "--sample", f"numbers.{suffix}"]) == 0
    card = opened(folder).card
    assert card.signature.names == tuple(NUMBERS)
    assert card.parity is not None
    assert card.parity.rows["sample"] == len(ROWS)


@pytest.mark.usefixtures("made_apart")
def test_a_sample_that_lacks_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sample without some of the model's columns ends with exit 3, which names them and those that are there."""
    ROWS[["c", "k"]].to_csv("sample.csv", index=False)
    save(folder, tree(["a", "c", "b"]))

    assert run(["export", "model.pkl", "--sample", "sample.csv"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        "error: 'sample.csv' lacks the columns 'a', 'b'.",
        "hint: It has: c, k",
    ]
    assert not (folder / "model.onnx").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "There is no sample 'none.csv'."), ("model.pkl", "'model.pkl' has a name from which its format")],
)
def test_what_is_no_sample(folder: Path, capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    """A sample that is not there, or is no table, ends with exit 3."""
    save(folder, tree(NUMBERS))

    assert run(["export", "model.pkl", "--sample", name]) == 3
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {message}")
    assert hint.startswith("hint: ")


@pytest.mark.usefixtures("made_apart")
def test_rows_that_the_model_refuses_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of the sample that the signature refuses are left out of the proof and counted by their reason."""
    rows = ROWS.assign(c=ROWS["c"].where(ROWS.index >= 3), city=ROWS["city"].where(ROWS.index != 7, "Braga"))
    rows.to_csv("sample.csv", index=False)
    columns = ColumnTransformer([("t", OneHotEncoder(), ["city"]), ("n", "passthrough", ["c"])])
    save(folder, make_pipeline(columns, LogisticRegression()).fit(ROWS, kinds_of(ROWS)))

    assert run(["export", "model.pkl", "--json", "--sample", "sample.csv"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sample_rejected"] == {"null_not_allowed": 3, "unknown_category": 1}
    assert report["parity"]["rows"]["sample"] == len(ROWS) - 4


def test_few_values_are_not_described(folder: Path) -> None:
    """Of fewer than ten values the deciles would be the rows themselves, and rare texts would tell whom it is about."""
    pd.concat([ROWS[:9], ROWS[:9].assign(a=np.nan)]).to_csv("sample.csv", index=False)
    columns = ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("n", "passthrough", ["k"])])
    save(folder, make_pipeline(columns, LogisticRegression()).fit(ROWS, kinds_of(ROWS)))
    ROWS[:9].to_csv("sample.csv", index=False)

    assert run(["export", "model.pkl", "-q", "--sample", "sample.csv"]) == 0
    baseline = opened(folder).card.baseline
    assert baseline == {
        "rows": 9,
        "columns": {"k": {"missing": 0.0}, "city": {"missing": 0.0, "shares": {}, "pooled": 1.0}},
        "outputs": {},
    }


def test_a_sample_without_rows(folder: Path) -> None:
    """A sample of a header only adds no rows to the proof and no baseline."""
    ROWS[:0].to_csv("sample.csv", index=False)
    save(folder, tree(NUMBERS))

    assert run(["export", "model.pkl", "-q", "--sample", "sample.csv"]) == 0
    card = opened(folder).card
    assert card.baseline is None
    assert card.parity is not None
    assert "sample" not in card.parity.rows
