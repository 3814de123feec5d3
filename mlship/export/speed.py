"""How fast the original and its graph answer: for people and reports, and never a part of the artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from mlship.export.job import Speed
from mlship.export.original import Original
from mlship.export.parity import Kind
from mlship.model.session import Session

_SECONDS = 0.15  # spent on each of the four figures, or one call when that takes longer
_MOST_CALLS = 200


def measured(original: Original, session: Session, kinds: Mapping[str, Kind]) -> dict[str, Speed]:
    """Measure both forms on the typical rows of the proof.

    Returns:
        Figures for `original` and for `onnx`.
    """
    rows = kinds["typical"]
    return {
        "original": _speed(original.answers, rows),
        "onnx": _speed(session.predict, rows),
    }


def _speed(ask: Callable[[Mapping[str, Any]], Any], kind: Kind) -> Speed:
    first = {name: values[:1] for name, values in kind.inputs.items()}
    return Speed(_seconds(ask, first), kind.rows / _seconds(ask, kind.inputs), kind.rows)


def _seconds(ask: Callable[[Mapping[str, Any]], Any], inputs: Mapping[str, Any]) -> float:
    """The median time of a call."""
    times: list[float] = []
    while not times or (sum(times) < _SECONDS and len(times) < _MOST_CALLS):
        start = time.perf_counter()
        ask(inputs)
        times.append(time.perf_counter() - start)
    return median(times)
