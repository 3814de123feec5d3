"""Rows and models to measure with, made once and kept in a folder that git ignores.

`python -m tests.benchmarks.rows CACHE ROWS NAME` makes them, and is how they are made when they are asked for: what
a process holds counts for the memory of those that it starts, so that who measures must stay small.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
COLUMNS = tuple(f"x{column}" for column in range(30))
SHARE, LEAST = 50, 500
"""Models are trained on a fiftieth of so many rows, but on so many at least."""
AT_ONCE = 250_000
DECIMALS = 5
BIG = 16
"""How many times the file of rows is in the big one."""


def logistic_regression() -> Any:
    """Make the small model."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def random_forest() -> Any:
    """Make a forest."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, max_depth=12, random_state=0)


def boosting() -> Any:
    """Make a boosted ensemble."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=200, early_stopping=False, random_state=0)


def network() -> Any:
    """Make a network of which a call takes some milliseconds; how well it is trained is of no matter."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((1024, 1024), max_iter=3, random_state=0)


MODELS: dict[str, Callable[[], Any]] = {
    "lr": logistic_regression,
    "rf": random_forest,
    "histgb": boosting,
    "mlp": network,
}


@dataclass(frozen=True)
class Files:
    """Where things lie.

    Attributes:
        cache: The folder for all.
        rows: How many rows.
    """

    cache: Path
    rows: int

    @property
    def csv(self) -> Path:
        """The rows: `id` and 30 columns of numbers with five decimals."""
        return self._made("rows.csv")

    @property
    def parquet(self) -> Path:
        """The same as Parquet."""
        return self._made("rows.parquet")

    @property
    def matrix(self) -> Path:
        """The same without `id`, as a matrix of float64 in the order of rows."""
        return self._made("rows.npy")

    @property
    def big(self) -> Path:
        """The rows of the CSV file many times over."""
        return self._made("big.csv")

    def model(self, name: str) -> tuple[Path, Path]:
        """Return a fitted model and its export."""
        return self._made(f"{name}.joblib"), self._made(f"{name}.onnx")

    def _made(self, name: str) -> Path:
        path = self.cache / f"{self.rows}" / name
        if not path.exists():
            command = [sys.executable, "-m", "tests.benchmarks.rows", str(self.cache), str(self.rows), name]
            subprocess.run(command, cwd=ROOT, check=True)
        return path


def make(given: Files, name: str, path: Path) -> None:
    """Write one of the files."""
    stem, _, suffix = name.partition(".")
    if name == "big.csv":
        _repeat(given.csv, path)
    elif suffix == "joblib":
        _fit(stem, max(LEAST, given.rows // SHARE), path)
    elif suffix == "onnx":
        _export(path.with_name(f"{stem}.joblib"), path)
    else:
        _table(given, suffix, path)


def _table(given: Files, suffix: str, path: Path) -> None:
    import numpy as np
    import polars as pl

    if suffix == "csv":
        columns = dict(zip(COLUMNS, _values(given.rows).T, strict=True))
        pl.DataFrame({"id": np.arange(given.rows), **columns}).write_csv(path, float_precision=DECIMALS)
        return
    frame = pl.read_csv(given.csv)
    if suffix == "parquet":
        frame.write_parquet(path)
    else:
        np.save(path, np.ascontiguousarray(frame.drop("id").to_numpy()))


def _repeat(csv: Path, path: Path) -> None:
    import shutil

    with path.open("wb") as target:
        for turn in range(BIG):
            with csv.open("rb") as source:
                if turn:
                    source.readline()
                shutil.copyfileobj(source, target, 1 << 20)


def _values(rows: int) -> Any:
    """The same numbers every time: float64 [rows, 30]."""
    import numpy as np

    dice = np.random.default_rng(0)
    found = np.empty((rows, len(COLUMNS)))
    for start in range(0, rows, AT_ONCE):
        part = found[start : start + AT_ONCE]
        part[:] = dice.standard_normal(part.shape)
    return found.round(DECIMALS)


def _fit(name: str, rows: int, path: Path) -> None:
    import joblib
    import numpy as np
    import pandas as pd

    values = pd.DataFrame(_values(rows), columns=COLUMNS)
    dice = np.random.default_rng(1)
    chance = values @ dice.standard_normal(len(COLUMNS)) + values["x0"] * values["x1"] + dice.standard_normal(rows)
    joblib.dump(MODELS[name]().fit(values, (chance > 0).astype(int)), path)


def _export(fitted: Path, path: Path) -> None:
    from mlship.export.job import ExportJob
    from mlship.export.run import run_export

    run_export(ExportJob(fitted, output=path, confined=False))


def main(cache: str, rows: str, name: str) -> None:
    """Make one file, which has its name only when it is whole."""
    given = Files(Path(cache), int(rows))
    path = given.cache / rows / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{name}")
    make(given, name, part)
    part.replace(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
