"""Train the diabetes sample: ten clinical numbers, and a regression on the progression of the disease.

Run as ``python sample_models/diabetes/train.py``; it rewrites ``input.csv`` and ``model.joblib`` beside itself.
"""

from __future__ import annotations

from pathlib import Path

import joblib
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor

HERE = Path(__file__).resolve().parent
LABEL = "target"


def write_data() -> Path:
    """Write the measurements as they were taken (unscaled), the target as the last column."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    target = HERE / "input.csv"
    # The source has at most six digits a number: 15 keep every one of them, and 59.0 reads as 59.
    frame.to_csv(target, index=False, float_format="%.15g", lineterminator="\n")
    return target


def main() -> None:
    """Write the data, fit the model on what a reader of that file sees, and save it with joblib."""
    frame = pd.read_csv(write_data())
    model = GradientBoostingRegressor(random_state=0)
    model.fit(frame.drop(columns=LABEL), frame[LABEL])
    joblib.dump(model, HERE / "model.joblib")


if __name__ == "__main__":
    main()
