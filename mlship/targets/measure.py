"""How much memory a process needs that works with a model: measured in processes of their own.

    python -m mlship.targets.measure serve|batch MODEL

prints the bytes. Measured is what was resident at most, libraries included.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mlship.errors import ModelRefused
from mlship.model.session import Purpose, SessionSpec, open_session
from mlship.model.values.codes import Array
from mlship.model.values.records import read_records
from mlship.serve.example import example_record
from mlship.serve.settings import Limits
from mlship.targets.contract import Memory

_ROWS = {"serve": Limits().rows, "batch": 100_000}
"""Rows scored at once: the most of a request, and about what a chunk of 8 MiB of CSV holds."""
_PURPOSES: dict[str, Purpose] = {"serve": "single", "batch": "bulk"}
_LIBRARIES = {"serve": ("mlship.serve.app", "polars"), "batch": ("mlship.batch.run", "polars")}
_SECONDS = 600


def measured(model: Path) -> Memory:
    """Measure in new processes.

    Args:
        model: The ONNX file; one that opens.

    Raises:
        ModelRefused: The process could not score with it.
    """
    return Memory(_peak_of("serve", model), _peak_of("batch", model))


def _peak_of(use: str, model: Path) -> int:
    command = [sys.executable, "-m", __name__, use, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603  this very module
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise ModelRefused(f"The memory that '{model}' needs could not be measured: {why[0]}.", code="not_measured")
    peak: int = json.loads(done.stdout)
    return peak


def peak(use: str, model: Path) -> int:
    """Work as a process of `serve` or `batch` would, and return the most bytes that were resident.

    Raises:
        ModelRefused: The model does not open, or answers nothing.
    """
    for library in _LIBRARIES[use]:
        importlib.import_module(library)
    session = open_session(SessionSpec(model, _PURPOSES[use]))
    record = example_record(session)
    if record is not None:  # else no row is known that it accepts, and what it takes when idle has to do
        one = read_records(session.signature, [record]).columns
        session.predict({name: _repeated(values, _ROWS[use]) for name, values in one.items()})
    return _peak_now()


def _repeated(values: Array, rows: int) -> Array:
    return np.repeat(values, rows)


def _peak_now() -> int:
    resource: Any = importlib.import_module("resource")
    most: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    print(peak(sys.argv[1], Path(sys.argv[2])))  # noqa: T201  its answer to `measured`
