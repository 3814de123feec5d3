"""What model files are made of: a sound model, and a thing that calls a function when it is opened."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression

from mlship.export.load import load_source
from mlship.export.loading import Loaded, Loading
from mlship.export.source import read_source


def fitted() -> LinearRegression:
    """Return a small fitted model."""
    return LinearRegression().fit(np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0]))


def load_model(path: Path) -> Loaded:
    """Load a file in this process, as an export's child does."""
    return load_source(read_source(path), Loading())


def packed(thing: Any, compress: Any = 0) -> bytes:
    """Return a thing as joblib writes it."""
    stream = io.BytesIO()
    joblib.dump(thing, stream, compress=compress)
    return stream.getvalue()


class Call:
    """Calls a function when it is unpickled.

    Args:
        function: The function.
        arguments: What it is called with.
    """

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call
