"""Train the breast cancer sample: thirty measurements of cell nuclei, and a random forest with integer labels.

Run as ``python sample_models/breast_cancer/train.py``; it rewrites ``input.csv`` and ``model.joblib`` beside itself.
"""

from __future__ import annotations

from pathlib import Path

import joblib
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

HERE = Path(__file__).resolve().parent
LABEL = "target"


def write_data() -> Path:
    """Write the measurements under scikit-learn's names, spaces included, the target as the last column."""
    frame = load_breast_cancer(as_frame=True).frame
    target = HERE / "input.csv"
    # The source has at most six digits a number: 15 keep every one of them, and 122.0 reads as 122.
    frame.to_csv(target, index=False, float_format="%.15g", lineterminator="\n")
    return target


def main() -> None:
    """Write the data, fit the model on what a reader of that file sees, and save it compressed with joblib."""
    frame = pd.read_csv(write_data())
    model = RandomForestClassifier(n_estimators=100, random_state=0)
    model.fit(frame.drop(columns=LABEL), frame[LABEL])
    joblib.dump(model, HERE / "model.joblib", compress=3)


if __name__ == "__main__":
    main()
