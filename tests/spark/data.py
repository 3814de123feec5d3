"""A model of several dtypes, and rows of which some must be rejected, as CSV and as Parquet in several files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlship.export.job import ExportJob
from mlship.export.run import run_export

INPUTS = ["visits", "age", "income", "city", "member"]
CITIES = ["Porto", "Lisboa", "Évora", 'São "João", da Madeira']
NOTES = ["plain", "", "a, b", 'said "no"', "  spaces  ", "naïve ✓", "0012", "1e5", "null?", "it's"]
FILES = 4
_TRAINED = 2000


def frame(rows: int, seed: int = 0) -> pl.DataFrame:
    """Return rows that a model takes.

    Columns: `id` (int64, from 0), `visits` (int64), `age` (float64), `income` (float32, a tenth null), `city` (string),
    `member` (bool), `note` (string, for no model), `label` (string, what came true).
    """
    dice = np.random.default_rng(seed)
    visits, age = dice.integers(0, 50, rows), dice.normal(45, 12, rows)
    income = dice.lognormal(8, 1, rows).astype(np.float32)
    city, member = dice.integers(0, len(CITIES), rows), dice.random(rows) < 0.5
    truth = visits / 25 + (age - 45) / 12 + np.log(income) - 8 + city / 2 + member + dice.normal(0, 1, rows) > 2.5
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "visits": visits,
            "age": age,
            "income": pl.Series(income).zip_with(
                pl.Series(dice.random(rows) >= 0.1), pl.Series([None], dtype=pl.Float32)
            ),
            "city": pl.Series(CITIES)[city],
            "member": member,
            "note": pl.Series(NOTES)[dice.integers(0, len(NOTES), rows)],
            "label": pl.Series(["no", "yes"])[truth.astype(int)],
        }
    )


def put_models(folder: Path) -> None:
    """Write two models that read the same columns: `boosted.onnx`, with a baseline, and `linear.onnx`."""
    sample = folder / "sample.parquet"
    frame(_TRAINED, seed=1).to_pandas().to_parquet(sample)
    rows = pd.read_parquet(sample)
    models = {
        "boosted": GradientBoostingClassifier(n_estimators=30, random_state=0),
        "linear": LogisticRegression(max_iter=1000),
    }
    for name, model in models.items():
        fitted = _pipeline(model).fit(rows[INPUTS], rows["label"])
        joblib.dump(fitted, folder / f"{name}.joblib")
        run_export(ExportJob(folder / f"{name}.joblib", output=folder / f"{name}.onnx", sample=sample))


def _pipeline(model: Any) -> Any:
    columns = ColumnTransformer(
        [
            ("known", "passthrough", ["visits", "age", "member"]),
            ("filled", SimpleImputer(strategy="median"), ["income"]),
            ("city", OneHotEncoder(), ["city"]),  # a city that it has not seen is refused
        ]
    )
    return make_pipeline(columns, model)


def put_rows(folder: Path, rows: int, files: int = FILES) -> None:
    """Write rows of which about 1 % must be rejected: `csv/part<N>.csv` as text, `parquet/part<N>.parquet` typed."""
    for suffix in ("csv", "parquet"):
        (folder / suffix).mkdir()
    given = frame(rows)
    texts, typed = _as_text(given), _with_bad_values(given)
    size = -(-rows // files)
    for number in range(files):
        texts[number * size :][:size].write_csv(folder / "csv" / f"part{number}.csv")
        typed[number * size :][:size].write_parquet(
            folder / "parquet" / f"part{number}.parquet", row_group_size=size // 3
        )


def _every(rows: pl.DataFrame, nth: int, column: str, value: Any) -> pl.Expr:
    """A column with another value in every nth row, each column in rows of its own."""
    first = 7 * rows.columns.index(column)
    put = (pl.col("id") % nth == first) if nth > first else pl.lit(value=False)
    return pl.when(put).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    texts = rows.with_columns(pl.all().cast(pl.String))
    texts = texts.with_columns(pl.col("id").cast(pl.Int64))
    return texts.with_columns(
        _every(texts, 500, "visits", "many"),
        _every(texts, 510, "age", ""),
        _every(texts, 520, "income", "1,5 k"),
        _every(texts, 530, "city", "Atlantis"),
        _every(texts, 540, "member", "perhaps"),
    ).with_columns(  # several reasons in one row, and texts that mean null where null is allowed
        pl.when(pl.col("id") % 997 == 3).then(pl.lit("9 or 10")).otherwise("visits").alias("visits"),
        pl.when(pl.col("id") % 997 == 3).then(pl.lit("")).otherwise("city").alias("city"),
        pl.when(pl.col("id") % 41 == 5).then(pl.lit("NA")).otherwise("income").alias("income"),
    )


def _with_bad_values(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        _every(rows, 500, "visits", None),
        _every(rows, 510, "age", float("inf")),
        _every(rows, 530, "city", "Atlantis"),
        _every(rows, 540, "member", None),
    ).with_columns(
        pl.when(pl.col("id") % 997 == 3).then(None).otherwise("visits").alias("visits"),
        pl.when(pl.col("id") % 997 == 3).then(None).otherwise("city").alias("city"),
    )


def put_slow_model(path: Path) -> None:
    """Write a model of `visits` and `age` that takes about a tenth of a millisecond a row: its network is wide."""
    rows = frame(_TRAINED, seed=1).to_pandas()
    network = MLPClassifier((1000, 1000), max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = make_pipeline(StandardScaler(), network).fit(rows[["visits", "age"]], rows["label"])
    joblib.dump(fitted, path.with_suffix(".joblib"))
    run_export(ExportJob(path.with_suffix(".joblib"), output=path))
