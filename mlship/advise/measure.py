"""Measuring a model on this machine: calls, a server, a run of batch, cold starts and memory, one after the other."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from mlship.advise import scoring, serving
from mlship.advise.figures import Calls, Measured, Point
from mlship.advise.processes import run, stopped_by_sigterm
from mlship.errors import OutputFailed
from mlship.quota import available_cpus
from mlship.serve.host import require_server

_STARTS = 3
_LONG_START = 5.0  # seconds of a start past which one has to do

Memory = Callable[[Path], tuple[int, int]]
"""Tells the bytes that a worker of serve and a run of batch need with a model."""


def measured(model: Path, memory: Memory, say: Callable[[str], None]) -> tuple[dict[str, str], Measured]:
    """Measure a model, which takes about half a minute.

    Args:
        model: The ONNX file.
        memory: Tells what memory it needs.
        say: Told what is being measured.

    Returns:
        The model's name, version and digest, and the figures.

    Raises:
        UsageError: There is no such file.
        ModelRefused: It does not open, or cannot be measured.
        DependencyMissing: The server cannot run here.
        OutputFailed: No folder can be made for temporary files, or the server failed.
        Stopped: SIGTERM came; nothing is left behind.
    """
    require_server()
    model = model.absolute()
    try:
        with stopped_by_sigterm(), tempfile.TemporaryDirectory(prefix="mlship-") as scratch:
            return _measured(model, Path(scratch), memory, say)
    except OSError as error:
        raise OutputFailed(f"The model could not be measured: {os.strerror(error.errno or 0)}.") from error


def _measured(model: Path, folder: Path, memory: Memory, say: Callable[[str], None]) -> tuple[dict[str, str], Measured]:
    say("Measuring calls of one row and of many ...")
    told = run(["mlship.advise.calls", str(model), str(folder)], folder).told
    curve = tuple(Point(rows, max(seconds, 1e-9)) for rows, seconds in told["curve"])
    calls = Calls(told["p50"], told["p99"], told["asked"], curve)
    records = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    (folder / "first.json").write_text(json.dumps(records[0]), encoding="utf-8")
    say("Starting cold ...")
    start = ["mlship.advise.calls", str(model), str(folder), "first"]
    cold = run(start, folder).seconds
    if cold < _LONG_START:
        cold = median([cold, *(run(start, folder).seconds for _ in range(_STARTS - 1))])
    say("Asking a server with one worker ...")
    served, notes = serving.measured(model, records, calls, folder)
    say("Scoring a file with one worker ...")
    scored = scoring.measured(model, records, max(point.rate for point in curve), folder)
    say("Measuring memory ...")
    needed = memory(model)
    found = Measured(available_cpus(), cold, calls, served, scored, *needed, notes=(*told["cut"], *notes))
    return told["model"], found
