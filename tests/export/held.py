"""Real data of many kinds, half of it held out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import MinMaxScaler, StandardScaler

_WORDS = (
    "The quick brown fox jumps over the lazy dog",
    "A dog barks, and the fox runs away!",
    "Ação rápida: o São João é uma festa",
    "Über alles weiß niemand etwas",
    "Numbers like 12 and 3.50 are words too",
    "fox fox fox dog",
)


@dataclass(frozen=True)
class Data:
    """Rows to fit on and rows held out.

    Attributes:
        train: What is fitted on, a frame, an array or a sequence of texts.
        target: Its target.
        fresh: Rows that the fit did not see, of the same form.
    """

    train: Any
    target: Any
    fresh: Any


def _halves(rows: Any, target: Any) -> Data:
    return Data(rows[::2], target[::2], rows[1::2])


@cache
def flowers() -> Data:
    """Iris: four measures of three kinds, with many ties."""
    bunch = datasets.load_iris()
    return _halves(bunch.data, bunch.target_names[bunch.target])


@cache
def wines() -> Data:
    """Wine: 13 measures of very different sizes, three kinds as numbers."""
    bunch = datasets.load_wine()
    return _halves(bunch.data, bunch.target)


@cache
def cells() -> Data:
    """Breast cancer: 30 measures of two kinds, as a frame."""
    bunch = datasets.load_breast_cancer(as_frame=True)
    return Data(bunch.data[::2], bunch.target[::2], bunch.data[1::2])


@cache
def patients() -> Data:
    """Diabetes: ten measures and a number to predict."""
    bunch = datasets.load_diabetes()
    return _halves(bunch.data[:200], bunch.target[:200])


@cache
def counted() -> Data:
    """Diabetes with a positive target."""
    data = patients()
    return Data(data.train, np.round(data.target), data.fresh)


@cache
def positive() -> Data:
    """Iris scaled to between 0.1 and 1."""
    data = flowers()
    scaler = MinMaxScaler((0.1, 1.0), clip=True).fit(data.train)
    return Data(scaler.transform(data.train), data.target, scaler.transform(data.fresh))


@cache
def scaled() -> Data:
    """Wine, standardized."""
    data = wines()
    scaler = StandardScaler().fit(data.train)
    return Data(scaler.transform(data.train), data.target, scaler.transform(data.fresh))


@cache
def gaps() -> Data:
    """Diabetes with holes."""
    data = patients()
    source = np.random.default_rng(0)

    def holed(rows: Any) -> Any:
        return np.where(source.random(rows.shape) < 0.15, np.nan, rows)

    return Data(holed(data.train), data.target, holed(data.fresh))


@cache
def kinds() -> Data:
    """Columns of texts and of whole numbers to encode."""
    source = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "city": source.choice(["Porto", "Braga", "São Paulo"], 200),
            "size": source.choice(["s", "m", "l"], 200),
            "rooms": source.integers(0, 5, 200),
        }
    )
    return Data(frame[::2], (frame["rooms"] > 2).to_numpy()[::2], frame[1::2])


@cache
def codes() -> Data:
    """Small whole numbers."""
    data = kinds()
    source = np.random.default_rng(1)
    return Data(source.integers(0, 4, (100, 3)), data.target, source.integers(0, 4, (100, 3)))


@cache
def texts() -> Data:
    """Short texts in several languages."""
    words = np.array(_WORDS * 4, dtype=object)
    return Data(words[:12], np.arange(12) % 2, words[12:])


@cache
def several() -> Data:
    """Diabetes with two targets."""
    data = patients()
    return Data(data.train, np.column_stack([data.target, data.target[::-1]]), data.fresh)


@cache
def marks() -> Data:
    """Iris with two yes-or-no targets."""
    data = flowers()
    return Data(data.train, np.column_stack([data.target == "setosa", data.train[:, 0] > 5.8]).astype(int), data.fresh)


@cache
def pair() -> Data:
    """Breast cancer standardized: two classes."""
    data = cells()
    scaler = StandardScaler().fit(data.train)
    return Data(scaler.transform(data.train), np.asarray(data.target), scaler.transform(data.fresh))


@cache
def labels() -> Data:
    """A column of labels."""
    target = flowers().target
    return Data(target, None, target)


@cache
def single() -> Data:
    """One column of diabetes."""
    data = patients()
    return Data(data.train[:, 2], data.target, data.fresh[:, 2])


@cache
def kernel() -> Data:
    """A square table of kernel values."""
    data = flowers()
    return Data(rbf_kernel(data.train), data.target, rbf_kernel(data.fresh, data.train))


@cache
def partly() -> Data:
    """Iris of which some rows bear no label."""
    data = flowers()
    target = np.unique(data.target, return_inverse=True)[1]
    return Data(data.train, np.where(np.arange(len(target)) % 5 == 0, -1, target), data.fresh)
