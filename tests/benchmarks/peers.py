"""What `mlship batch` is measured against, each a program: `python -m tests.benchmarks.peers NAME ...`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHUNK = 100_000
CALL = 16_384
"""Rows that onnxruntime gets at once."""


def copy(source: str, target: str, columns: str) -> None:
    """Copy some columns of a CSV file with Polars' own streaming engine.

    Args:
        source: The file.
        target: The copy.
        columns: Their names, with commas between.
    """
    import polars as pl

    pl.scan_csv(source).select(columns.split(",")).sink_csv(target)


def alone(model: str, matrix: str) -> None:
    """Run a model's graph on a matrix that is there already, and do nothing else.

    Args:
        model: The exported file.
        matrix: A file of numpy's, float64 [rows, columns].
    """
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    rows = np.load(matrix)
    kind = np.float32 if given.type == "tensor(float)" else np.float64
    for start in range(0, len(rows), CALL):
        session.run(None, {given.name: np.ascontiguousarray(rows[start : start + CALL], dtype=kind)})


def pandas_csv(model: str, source: str, target: str) -> None:
    """Score a CSV file in chunks with pandas and the library that trained the model."""
    import joblib
    import pandas as pd

    fitted = joblib.load(model)
    with Path(target).open("w", encoding="utf-8", newline="") as stream:
        for number, chunk in enumerate(pd.read_csv(source, chunksize=CHUNK)):
            scored(fitted, chunk).to_csv(stream, index=False, header=number == 0)


def pandas_parquet(model: str, source: str, target: str) -> None:
    """Score a Parquet file with pandas and the library that trained the model."""
    import joblib
    import pandas as pd

    scored(joblib.load(model), pd.read_parquet(source)).to_parquet(target, index=False)


def scored(fitted: Any, rows: Any) -> Any:
    """Return the number of each row and what a model says of it."""
    given = rows.drop(columns="id")
    found = rows[["id"]].copy()
    found["prediction"] = fitted.predict(given)
    chances = fitted.predict_proba(given)
    for place, label in enumerate(fitted.classes_):
        found[f"probability_{label}"] = chances[:, place]
    return found


PEERS: dict[str, Callable[..., None]] = {
    "copy": copy,
    "alone": alone,
    "pandas-csv": pandas_csv,
    "pandas-parquet": pandas_parquet,
}


if __name__ == "__main__":
    PEERS[sys.argv[1]](*sys.argv[2:])
