"""How long calls of a model take in a process of their own.

    python -m mlship.advise.calls MODEL FOLDER

prints figures as JSON, and leaves the rows that it made in `FOLDER/rows.json` for whoever measures further;

    python -m mlship.advise.calls MODEL FOLDER first

opens the model, answers the first of these rows and says so, which is what a cold start is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mlship.advise.rows import varied
from mlship.errors import MlshipError, error_facts
from mlship.model.artifact import read_artifact
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.codes import Array
from mlship.model.values.records import read_records

SIZES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
"""Rows in a call."""
MOST_TOGETHER = 300
"""Up to here calls are made as serve makes them, which puts at most 256 rows of several requests together."""
_ONE_SECONDS, _LEAST, _MOST = 2.0, 20, 5_000
_SIZE_SECONDS = 0.2
_LONGEST = 3.0  # seconds that a call is expected to take, past which no larger one is made
_LONGEST_SECOND = 30.0  # the same for the second size, without which nobody knows whether rows together cost less
_DIFFERENT = 200  # calls of one size
_MOST_VALUES = 1 << 24  # cells of a call: 128 MB


def measured(model: Path, folder: Path) -> dict[str, Any]:
    """Measure calls of one row and of many.

    Args:
        model: The ONNX file.
        folder: Where `rows.json` is to be left.

    Returns:
        `model` by name, version and digest, `p50`, `p99`, `asked`, `curve` as pairs of rows and seconds, and what was
        `cut`, in words.

    Raises:
        ModelRefused: The model does not open, or no row is known that it accepts.
    """
    session = open_session(SessionSpec(model))
    records = varied(session, read_artifact(model))
    (folder / "rows.json").write_text(json.dumps(records), encoding="utf-8")
    columns = read_records(session.signature, records).columns
    times = _one_by_one(session, columns, len(records))
    bulk = open_session(SessionSpec(model, "bulk"))
    curve, cut = _curve(session, bulk, columns)
    if len(times) < 1_000:
        cut.append(f"One row was asked in process {len(times):,} times, as it takes long.")
    card = session.card
    return {
        "model": {"name": card.name, "version": card.version, "digest": session.digest},
        "p50": float(np.quantile(times, 0.5)),
        "p99": float(np.quantile(times, 0.99, method="inverted_cdf")),
        "asked": len(times),
        "curve": curve,
        "cut": cut,
    }


def _one_by_one(session: Session, columns: Mapping[str, Array], rows: int) -> list[float]:
    """The times of calls with one row each; the first few, which make buffers, do not count."""
    each = [{name: values[row : row + 1] for name, values in columns.items()} for row in range(rows)]
    times: list[float] = []
    begun = time.perf_counter()
    for call in range(_MOST):
        start = time.perf_counter()
        session.predict(each[call % rows])
        times.append(time.perf_counter() - start)
        if time.perf_counter() - begun > _ONE_SECONDS * (1 if call >= _LEAST else 2):
            break
    return times[min(3, len(times) - 1) :]


def _curve(single: Session, bulk: Session, columns: Mapping[str, Array]) -> tuple[list[tuple[int, float]], list[str]]:
    """The processor time of calls: work of others on this machine hardly changes it."""
    points: list[tuple[int, float]] = []
    most = max(SIZES[1], _MOST_VALUES // len(columns))
    for size in SIZES:
        rows, seconds = points[-1] if points else (1, 0.0)
        longest = _LONGEST_SECOND if len(points) == 1 else _LONGEST
        if seconds * size / rows > longest or size > most:
            return points, [f"Calls of {size:,} rows and more were left out."]
        points.append((size, _seconds(single if size <= MOST_TOGETHER else bulk, _calls(columns, size))))
    return points, []


def _calls(columns: Mapping[str, Array], size: int) -> list[dict[str, Array]]:
    """Calls of so many rows, of other rows each as far as there are others: a cache knows the same ones too well."""
    known = len(next(iter(columns.values())))
    places = [np.arange(start, start + size) % known for start in range(0, known, size)][:_DIFFERENT]
    return [{name: values[place] for name, values in columns.items()} for place in places]


def _seconds(session: Session, calls: Sequence[Mapping[str, Array]]) -> float:
    """The median processor time of a call, after a first that makes buffers unless it takes long."""
    times: list[float] = []
    begun = time.perf_counter()
    while not times or (time.perf_counter() - begun < _SIZE_SECONDS and len(times) < 1_000):
        start = time.thread_time()
        session.predict(calls[len(times) % len(calls)])
        times.append(time.thread_time() - start)
    return median(times[1:] or times)


def first(model: Path, folder: Path) -> dict[str, Any]:
    """Open the model and answer one row."""
    session = open_session(SessionSpec(model))
    record = json.loads((folder / "first.json").read_text(encoding="utf-8"))
    session.predict(read_records(session.signature, [record]).columns)
    return {"rows": 1}


def main(arguments: Sequence[str]) -> None:
    """Print what was found, or the error, as JSON."""
    model, folder, *mode = arguments
    try:
        found = (first if mode else measured)(Path(model), Path(folder))
    except MlshipError as error:
        found = {"error": error_facts(error)}
    print(json.dumps(found), flush=True)  # noqa: T201  told to whoever started it


if __name__ == "__main__":
    main(sys.argv[1:])
