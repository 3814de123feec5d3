"""What model files are made of: a sound model, and a thing that calls a function when it is opened."""

from __future__ import annotations

import io
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression


def fitted() -> LinearRegression:
    """Return a small fitted model."""
    return LinearRegression().fit(np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0]))


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
