"""What `mlship batch` with one worker does on a CSV file made for it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlship.advise.figures import Scored
from mlship.advise.processes import Done, run

_FIRST_SECONDS, _SECONDS = 0.5, 3.0
_MOST_BYTES = 64 << 20
_FEW_BYTES = 4 << 20


def measured(model: Path, records: Sequence[Mapping[str, Any]], rate: float, folder: Path) -> Scored:
    """Score files of one row, of some rows, and of so many that it takes seconds.

    What a run takes beyond its rows is told apart from what the rows take.

    Args:
        model: The ONNX file.
        records: Rows that it accepts.
        rate: Rows a second that the model answers at best.
        folder: Where the files go.

    Raises:
        MlshipError: What batch failed of.
    """
    head, rows = _lines(records)
    size = max(1, sum(map(len, rows)) // len(rows))
    one = _run(model, head, rows, 1, folder)
    few = max(2, min(int(_FIRST_SECONDS * rate), _FEW_BYTES // size))
    some = _run(model, head, rows, few, folder)
    speed = few / max(some.seconds - one.seconds, 0.05)
    many = max(few, min(int(_SECONDS * speed), _MOST_BYTES // size))
    most = _run(model, head, rows, many, folder) if many > few else some
    seconds = max(most.seconds - one.seconds, 1e-3)
    return Scored(one.seconds, one.cpu, many / seconds, many / max(most.cpu - one.cpu, 1e-3), many)


def _run(model: Path, head: str, rows: Sequence[str], count: int, folder: Path) -> Done:
    file = folder / f"rows-{count}.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        target.write(head)
        whole, rest = divmod(count, len(rows))
        for _ in range(whole):
            target.writelines(rows)
        target.writelines(rows[:rest])
    output = folder / f"scored-{count}.csv"
    options = ["--model", str(model), "--output", str(output), "--workers", "1", "--json", "--quiet"]
    done = run(["mlship", "batch", str(file), *options], folder)
    for path in (file, output):
        path.unlink()
    return done


def _lines(records: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """The head of a CSV file, and its rows."""
    return _line(list(records[0])), [_line(list(record.values())) for record in records]


def _line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow("" if value is None else value for value in values)
    return line.getvalue()
