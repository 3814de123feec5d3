"""How much CPU, time and memory `mlship batch` takes, beside what else would do the work.

Run with `make bench-batch`, or `python -m tests.benchmarks.bench_batch [--only NAME] [--pairs N] [--rows N] [--big]`.
Everything is a whole process, from start to end. Runs are paired and interleaved (A B A B), so that a noisy machine
slows both; a ratio is the median of those of the pairs. On a machine that does other work CPU counts, time does not.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.rows import BIG, CACHE, COLUMNS, ROOT, Files

MEGABYTE = 1_000_000
MOST_MEMORY = 450.0
"""MB that a run may take at its peak."""
MOST_GROWTH = 1.25
"""How many times that, when there is 16 times the data."""
OUTPUTS = 3
"""Columns that the models give: the prediction and two probabilities."""
LINE = "{:34} {:8} {:>7} {:>7}  {:12} {:>9} {:>9}"

Command = list[str]


@dataclass(frozen=True)
class Spent:
    """What processes took, one after the other.

    Attributes:
        cpu: Seconds of CPU.
        wall: Seconds that passed.
        peak: MB of memory that the largest held.
    """

    cpu: float
    wall: float
    peak: float

    @property
    def seconds(self) -> dict[str, float]:
        """What is compared, by its name in the table."""
        return {"CPU": self.cpu, "wall": self.wall}

    def __add__(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.cpu + other.cpu, self.wall + other.wall, max(self.peak, other.peak))


@dataclass(frozen=True)
class Contest:
    """A comparison.

    Attributes:
        name: What --only looks for.
        ours: Our command line, given the files and a folder to write to.
        theirs: The command lines that it is compared with.
        bars: The largest ratio of each measure that is named.
    """

    name: str
    ours: Callable[[Files, Path], Command]
    theirs: Callable[[Files, Path], list[Command]]
    bars: dict[str, float]


def peer(*arguments: str | Path) -> Command:
    """A command line of `tests.benchmarks.peers`."""
    return [sys.executable, "-m", "tests.benchmarks.peers", *map(str, arguments)]


def mlship(model: Path, source: Path, target: Path) -> Command:
    """A command line of ours."""
    options = ["-m", str(model), "-o", str(target), "--keep", "id", "--quiet", "--restart", "--overwrite"]
    return [sys.executable, "-m", "mlship", "batch", str(source), *options]


def against_copy(name: str) -> Contest:
    """CSV to CSV against a copy of as many columns and the graph alone."""

    def theirs(given: Files, folder: Path) -> list[Command]:
        columns = ",".join(("id", *COLUMNS[:OUTPUTS]))
        copied = peer("copy", given.csv, folder / "copied.csv", columns)
        return [copied, peer("alone", given.model(name)[1], given.matrix)]

    return Contest(f"csv {name} / copy + onnxruntime", _csv(name), theirs, {"CPU": 1.25})


def against_pandas_csv(name: str, cpu: float, wall: float) -> Contest:
    """CSV to CSV against pandas and scikit-learn."""

    def theirs(given: Files, folder: Path) -> list[Command]:
        return [peer("pandas-csv", given.model(name)[0], given.csv, folder / "pandas.csv")]

    return Contest(f"csv {name} / pandas", _csv(name), theirs, {"CPU": cpu, "wall": wall})


def against_pandas_parquet(name: str, cpu: float, wall: float) -> Contest:
    """Parquet to Parquet against pandas and scikit-learn."""

    def ours(given: Files, folder: Path) -> Command:
        return mlship(given.model(name)[1], given.parquet, folder / "ours.parquet")

    def theirs(given: Files, folder: Path) -> list[Command]:
        return [peer("pandas-parquet", given.model(name)[0], given.parquet, folder / "pandas.parquet")]

    return Contest(f"parquet {name} / pandas", ours, theirs, {"CPU": cpu, "wall": wall})


def _csv(name: str) -> Callable[[Files, Path], Command]:
    return lambda given, folder: mlship(given.model(name)[1], given.csv, folder / "ours.csv")


CONTESTS = (
    against_copy("lr"),
    against_pandas_csv("lr", 0.4, 0.35),
    against_pandas_csv("rf", 0.7, 0.7),
    against_pandas_csv("histgb", 0.7, 0.7),
    against_pandas_parquet("lr", 1.1, 0.85),
    against_pandas_parquet("rf", 0.7, 0.7),
    against_pandas_parquet("histgb", 0.7, 0.7),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench_batch", description=__doc__)
    parser.add_argument("--only", default="", help="what a line's name contains")
    parser.add_argument("--pairs", type=int, default=3, help="how many pairs of runs")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many rows")
    parser.add_argument("--big", action="store_true", help=f"also score {BIG} times the rows")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where rows and models are kept")
    options = parser.parse_args(arguments)
    compileall.compile_dir(ROOT / "mlship", quiet=1)  # as every installed package is
    given = Files(options.cache, options.rows)
    print(f"{options.rows:,} rows of {len(COLUMNS) + 1} columns, {options.pairs} pairs of runs")
    print(LINE.format("", "", "bar", "ratio", "", "ours", "theirs"), flush=True)
    with tempfile.TemporaryDirectory(prefix="mlship-bench-") as folder:
        for contest in CONTESTS:
            if options.only in contest.name:
                print("\n".join(measured(contest, given, Path(folder), options.pairs)), flush=True)
        if options.only in "memory":
            for line in memory(given, Path(folder), big=options.big):
                print(line, flush=True)


def measured(contest: Contest, given: Files, folder: Path, pairs: int) -> list[str]:
    """Run both sides in turn and return the lines for the table; times are the medians, memory the largest."""
    sides = [contest.ours(given, folder)], contest.theirs(given, folder)
    runs = [tuple(sum((spent(command) for command in side), Spent(0, 0, 0)) for side in sides) for _ in range(pairs)]
    lines = []
    for measure in ("CPU", "wall"):
        figures = [[run[side].seconds[measure] for side in (0, 1)] for run in runs]
        ratio = median(ours / theirs for ours, theirs in figures)
        taken = [f"{median(side):.2f} s" for side in zip(*figures, strict=True)]
        lines.append(_line(contest.name, measure, contest.bars.get(measure), ratio, taken))
    peaks = [f"{max(run[side].peak for run in runs):.0f} MB" for side in (0, 1)]
    lines.append(LINE.format(contest.name, "memory", "", "", "", *peaks))
    return lines


def _line(name: str, measure: str, bar: float | None, ratio: float, taken: Sequence[str]) -> str:
    said = "" if bar is None else "holds" if ratio <= bar else "not reached"
    return LINE.format(name, measure, "" if bar is None else f"{bar:.2f}", f"{ratio:.2f}", said, *taken)


def memory(given: Files, folder: Path, *, big: bool) -> list[str]:
    """Return the lines about memory."""
    model = given.model("lr")[1]
    small = spent(mlship(model, given.csv, folder / "memory.csv")).peak
    size = given.csv.stat().st_size / MEGABYTE
    said = "holds" if small <= MOST_MEMORY else "not reached"
    lines = [LINE.format(f"memory, {size:,.0f} MB", "MB", f"{MOST_MEMORY:.0f}", "", said, f"{small:.0f} MB", "")]
    if big:
        large = spent(mlship(model, given.big, folder / "memory.csv")).peak
        taken = [f"{large:.0f} MB", f"{small:.0f} MB"]
        lines.append(_line(f"memory, {BIG} times that", "MB", MOST_GROWTH, large / small, taken))
    return lines


def spent(command: Command) -> Spent:
    """Run a process and tell what it took, children of its own included.

    Raises:
        RuntimeError: It failed.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024  # of what the system tells
    return Spent(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * scale / MEGABYTE)


if __name__ == "__main__":
    main()
