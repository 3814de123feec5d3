"""What a session for bulk work saves: CPU time a row of both layouts and of the library that trained the model.

Run with `python -m tests.benchmarks.bench_bulk [NAME ...]`. Runs are paired: in each round every contender scores the
same rows, so that a noisy machine slows all of them; figures are the least of all rounds, ratios the median of rounds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from mlship.export.job import ExportJob
from mlship.export.run import run_export
from mlship.model.session import Purpose, Session, SessionSpec, open_session

TRAINED, SCORED, COLUMNS, ROUNDS = 20_000, 50_000, 30, 5


@dataclass(frozen=True)
class Contest:
    """A model.

    Attributes:
        make: Makes it, not yet fitted.
        classes: How many classes it tells apart.
    """

    make: Callable[[], Any]
    classes: int = 2


CONTESTS = {
    "RF 100, depth 12": Contest(lambda: RandomForestClassifier(100, max_depth=12, random_state=0)),
    "RF 100, full": Contest(lambda: RandomForestClassifier(100, random_state=0)),
    "RF 100, depth 12, 3 classes": Contest(lambda: RandomForestClassifier(100, max_depth=12, random_state=0), 3),
    "HistGB 200": Contest(lambda: HistGradientBoostingClassifier(max_iter=200, early_stopping=False)),
    "GB 200, depth 4": Contest(lambda: GradientBoostingClassifier(n_estimators=200, max_depth=4)),
    "XGB 200": Contest(lambda: XGBClassifier(n_estimators=200, n_jobs=1)),
    "LGBM 200": Contest(lambda: LGBMClassifier(n_estimators=200, n_jobs=1, verbose=-1)),
}


def main() -> None:
    """Print the table."""
    chosen = sys.argv[1:] or list(CONTESTS)
    print(f"CPU us a row, {SCORED:,} rows of {COLUMNS} columns, least of {ROUNDS} rounds; ratios are medians of rounds")
    print(
        f"{'model':28} {'library':>8} {'single':>8} {'bulk':>8} {'single/bulk':>12} {'library/bulk':>13}"
        f" {'layout':>8} {'rows':>6} {'open single':>12} {'bulk':>8}"
    )
    for name in chosen:
        print(measured(name), flush=True)


def measured(name: str) -> str:
    """Fit, export and time one model."""
    contest = CONTESTS[name]
    every, kinds = make_classification(
        TRAINED + SCORED, COLUMNS, n_informative=12, n_classes=contest.classes, random_state=0
    )
    model = contest.make().fit(every[:TRAINED], kinds[:TRAINED])
    rows = every[TRAINED:]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.joblib"
        joblib.dump(model, file)
        data = run_export(ExportJob(file, output=Path(folder) / "model.onnx")).output.read_bytes()
    single, opening = opened(data, "single")
    bulk, opening_bulk = opened(data, "bulk")
    columns = {column: np.ascontiguousarray(rows[:, at]) for at, column in enumerate(single.signature.names)}
    contenders: list[Callable[[], Any]] = [
        lambda: model.predict_proba(rows),
        lambda: single.predict(columns),
        lambda: bulk.predict(columns),
    ]
    with threadpool_limits(1):  # one thread each, as in a session
        times = [[seconds(run) / SCORED * 1e6 for run in contenders] for _ in range(ROUNDS)]
    library, plain, laid = (min(part) for part in zip(*times, strict=True))
    gain, against = median(t[1] / t[2] for t in times), median(t[0] / t[2] for t in times)
    layout = "by tree" if bulk.way.by_tree else "single"
    return (
        f"{name:28} {library:8.2f} {plain:8.2f} {laid:8.2f} {gain:12.2f} {against:13.2f}"
        f" {layout:>8} {bulk.way.rows:6} {opening:11.2f}s {opening_bulk:7.2f}s"
    )


def opened(data: bytes, purpose: Purpose) -> tuple[Session, float]:
    """Open a session; the second time counts, when all libraries are there."""
    open_session(SessionSpec(data, purpose))
    begin = time.process_time()
    session = open_session(SessionSpec(data, purpose))
    return session, time.process_time() - begin


def seconds(run: Callable[[], Any]) -> float:
    """CPU time of the whole process."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
