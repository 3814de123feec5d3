"""Tables to train and to judge on: the same columns drawn anew for each seed, many of them awkward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

NUMBERS = ["a", "b", "c"]
HELD_OUT = 1500


def table(rows: int, seed: int) -> pd.DataFrame:
    """Make rows of numbers (half of them rounded to two decimals), whole numbers, true and false, and texts."""
    source = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": source.normal(50, 20, rows),
            "b": source.lognormal(1, 2, rows),
            "c": source.normal(size=rows),
            "k": source.integers(1, 6, rows),
            "flag": source.random(rows) < 0.4,
            "city": source.choice(["Porto", "Lisboa", "Faro", "São é"], rows, p=[0.5, 0.3, 0.15, 0.05]),
            "word": source.choice(["red", "None", "nan", "NA", ""], rows),
        }
    )
    rounded = source.random(rows) < 0.5
    frame.loc[rounded, NUMBERS] = frame.loc[rounded, NUMBERS].round(2)
    for name in ("city", "word"):
        frame[name] = frame[name].astype(object)
    return frame


def with_holes(frame: pd.DataFrame, names: list[str], seed: int, null: Any = np.nan) -> pd.DataFrame:
    """Return the table with a tenth of some columns null."""
    source = np.random.default_rng(seed)
    holed = frame.copy()
    for name in names:
        values = np.array(holed[name].tolist(), dtype=object)
        values[source.random(len(frame)) < 0.1] = null
        dtype = object if frame[name].dtype == object else np.float64
        holed[name] = pd.Series(values, index=frame.index, dtype=dtype)  # without it pandas makes NaN of None
    return holed


def kinds_of(frame: pd.DataFrame, kinds: int = 2) -> Any:
    """Return class numbers that depend on the rows."""
    score = frame["a"].fillna(50).to_numpy() / 20 + frame["c"].fillna(0).to_numpy() + (frame["city"] == "Porto")
    score = score + np.random.default_rng(9).normal(0, 0.3, len(frame))
    return np.digitize(score, np.quantile(score, np.linspace(0, 1, kinds + 1)[1:-1]))


def amount_of(frame: pd.DataFrame) -> Any:
    """Return a number that depends on the rows."""
    return frame["a"].fillna(50).to_numpy() * 3 + frame["c"].fillna(0).to_numpy() ** 2
