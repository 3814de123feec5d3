"""Train the penguins sample: numbers, strings and missing values, told apart into three species.

Run as ``python sample_models/penguins/train.py``; it rewrites ``input.csv`` and ``model.pkl`` beside itself.
"""

from __future__ import annotations

import importlib.resources
import pickle
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).resolve().parent
LABEL = "species"
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
TEXTS = ["island", "sex"]
# The order in which the data has them. The year of the observation stays in the file, unused by the model.
FEATURES = ["island", *NUMBERS, "sex"]


def write_data() -> Path:
    """Copy the package's own CSV, byte for byte, so that a missing value stays the ``NA`` it was."""
    source = importlib.resources.files("palmerpenguins").joinpath("data/penguins.csv")
    target = HERE / "input.csv"
    target.write_bytes(source.read_bytes())
    return target


def make_model() -> Pipeline:
    """Build the unfitted pipeline: impute and scale numbers, impute and one-hot encode texts, then classify."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    columns = ColumnTransformer([("num", numbers, NUMBERS), ("cat", texts, TEXTS)])
    return Pipeline([("columns", columns), ("classifier", LogisticRegression())])


def main() -> None:
    """Write the data, fit the model on what a reader of that file sees, and pickle it."""
    frame = pd.read_csv(write_data())
    model = make_model().fit(frame[FEATURES], frame[LABEL])
    with (HERE / "model.pkl").open("wb") as file:
        pickle.dump(model, file)


if __name__ == "__main__":
    main()
