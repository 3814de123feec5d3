"""Runs of `mlship batch` in processes of their own, and what they wrote, made comparable."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.spark.processes import end

TOLD = ("model", "rows", "rejects", "predictions", "drift", "compare", "actual")
"""What of a report must be the same whatever scored."""
Reject = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Attributes:
        code: Its exit code.
        stdout: What it printed.
        stderr: What it told.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        data = json.loads(self.stdout)
        assert isinstance(data, dict)
        return data


@contextmanager
def begun(folder: Path, arguments: tuple[str, ...], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Hold a run of `mlship batch` in a folder, and end it and what it started at last."""
    command = [sys.executable, "-m", "mlship", "batch", *arguments, "--json"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        end(process)


def batch(folder: Path, *arguments: str, env: dict[str, str], seconds: float = 280) -> Ended:
    """Run `mlship batch` in a folder to its end."""
    with begun(folder, arguments, env) as process:
        return ended(process, seconds)


def ended(process: subprocess.Popen[str], seconds: float = 280) -> Ended:
    """Wait for the end of a run."""
    stdout, stderr = process.communicate(timeout=seconds)
    return Ended(process.returncode, stdout, stderr)


def scored(path: Path) -> pl.DataFrame:
    """Read an output, a file or a folder of parts, in the order of `id`: CSV with each field as its text."""
    parts = sorted(part for part in path.iterdir() if part.name[0] not in "._") if path.is_dir() else [path]
    assert parts, f"'{path}' is empty"
    found = pl.concat([_table(part) for part in parts])
    return found.sort(pl.col("id").cast(pl.Int64))


def _table(part: Path) -> pl.DataFrame:
    if ".csv" in part.suffixes:
        return pl.read_csv(part, infer_schema=False, glob=False)  # an empty field is null, and two quotes are not
    return pl.read_parquet(part, glob=False)


def assert_same_rows(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Compare two outputs bit for bit: names and order of columns, dtypes, rows, and the bits of each number."""
    assert found.schema == expected.schema
    assert found.height == expected.height
    for name in expected.columns:
        ours, theirs = found[name], expected[name]
        if ours.dtype.is_float():
            assert (ours.is_null() == theirs.is_null()).all(), name
            ours, theirs = (pl.Series(_bits(series)) for series in (ours, theirs))
        different = ours.ne_missing(theirs).arg_true()
        assert different.is_empty(), f"{len(different)} rows of '{name}' differ, the first is {different[0]}"


def _bits(series: pl.Series) -> NDArray[Any]:
    values = series.fill_null(0.0).to_numpy()
    return np.asarray(values.view(np.int64 if values.dtype == np.float64 else np.int32))


def rejected(path: Path) -> list[dict[str, Any]]:
    """Read the lines of rejected rows, of a file or of a folder of parts."""
    parts = sorted(part for part in path.iterdir() if part.name[0] not in "._") if path.is_dir() else [path]
    return [json.loads(line) for part in parts for line in part.read_text(encoding="utf-8").splitlines()]


def reasons(lines: list[dict[str, Any]], folder: Path) -> list[Reject]:
    """Return file, record and reasons of rejected rows, in an order of their own; a file as below a folder."""
    found = []
    for line in lines:
        name = line["file"].removeprefix("file://")
        below = Path(name).relative_to(folder).as_posix() if name.startswith("/") else name
        record = json.dumps(line.get("record"), sort_keys=True, ensure_ascii=False)
        found.append((below, record, tuple(sorted((error["column"], error["code"]) for error in line["errors"]))))
    return sorted(found)


def assert_same_figures(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compare what two runs told of their rows, but for the numbers of rows, which Spark does not know."""
    for key in TOLD:
        one, other = (_nameless(told.get(key)) for told in (found, expected))
        assert _near(one, other), f"{key}: {one} is not {other}"


def _nameless(told: Any) -> Any:
    return {key: value for key, value in told.items() if key != "moved"} if isinstance(told, dict) else told


def _near(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, but for the last bits of a mean, which the order of adding decides."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_near(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_near, one, other))
    return type(one) is type(other) and one == other
