"""What advice says of throughput is what `mlship batch` and `mlship serve` then do.

Both are measured in turn, by advice and right after by other means, and the median of the ratios counts, so that a
noisy machine slows both.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier

from mlship.advise import scoring, serving
from mlship.advise.figures import Calls, Point
from mlship.advise.rows import varied
from mlship.cli.main import run
from mlship.model.artifact import read_artifact
from mlship.model.session import SessionSpec, open_session
from tests.benchmarks import load
from tests.benchmarks.bench_serve import whole as answered
from tests.benchmarks.link import post
from tests.benchmarks.rows import ROOT, Files
from tests.benchmarks.servers import Cores, free_port, mlship, running
from tests.export.judging import save
from tests.export.tables import NUMBERS, kinds_of, table

pytestmark = pytest.mark.whole
ROUNDS = 5
SECONDS = 3.0
NEAR = 0.25

CALLS = Calls(1e-3, 1e-3, 1, (Point(1, 1e-3), Point(100, 1e-1)))
"""Which size large requests, that nothing here looks at."""
Records = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module", params=["linear", "forest"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small linear model, and a forest."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "linear":
        return Files(folder, 25_000).model("lr")[1]
    rows = table(600, 3)
    fitted = save(folder, RandomForestClassifier(300, random_state=0).fit(rows[NUMBERS], kinds_of(rows)))
    assert run(["export", str(fitted), "-o", str(folder / "forest.onnx"), "--quiet"]) == 0
    return folder / "forest.onnx"


@pytest.fixture(scope="module")
def records(model: Path) -> Records:
    """Rows that it accepts, in another order than advice has them."""
    found = varied(open_session(SessionSpec(model)), read_artifact(model))
    random.Random(0).shuffle(found)  # noqa: S311 - the order of made-up rows
    return found


def judge(what: str, said: Sequence[float], found: Sequence[float], capsys: pytest.CaptureFixture[str]) -> None:
    """Tell both, and compare."""
    ratio = median(one / other for one, other in zip(said, found, strict=True))
    with capsys.disabled():
        sys.stdout.write(f"\n{what}: said {median(said):,.0f}/s, did {median(found):,.0f}/s, ratio {ratio:.2f}\n")
    assert 1 - NEAR < ratio < 1 + NEAR


def test_serve_does_what_is_said(
    model: Path, records: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Requests of a second of a worker's processor."""
    requests = [post("/predict", json.dumps({"instances": [record]}).encode()) for record in records]
    said, found, walls = [], [], []
    for _ in range(ROUNDS):
        said.append(serving.measured(model, records, CALLS, tmp_path)[0].rate)
        port = free_port()
        with Cores.found() as cores, running(mlship(model, port), port, "/readyz", cores) as server:
            before = server.cpu()
            made = partial(load.Load, port, lambda number: requests[number % len(requests)], clients=16)
            seen = load.run(made, seconds=SECONDS)
            found.append(answered(seen) / (server.cpu() - before))
            walls.append(answered(seen) / seen.seconds)
    judge(f"serve, {model.stem} ({median(walls):,.0f}/s on the wall)", said, found, capsys)


def test_batch_does_what_is_said(
    model: Path, records: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of a second of processor time, of a file of its own, from the start of the process to its end."""
    said, found, walls = [], [], []
    for _ in range(ROUNDS):
        advised = scoring.measured(model, records, 1e6, tmp_path)
        count = 2 * advised.rows
        with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(records[0])
            writer.writerows([*records[place % len(records)].values()] for place in range(count))
        seconds, spent = scored(model, tmp_path, count)
        said.append(count / (advised.start_cpu + count / advised.core_rate))
        found.append(count / spent)
        walls.append(count / seconds)
    judge(f"batch, {model.stem} ({median(walls):,.0f}/s on the wall)", said, found, capsys)


def scored(model: Path, folder: Path, rows: int) -> tuple[float, float]:
    """Score the file with one worker; return the seconds of it and of processors."""
    command = [sys.executable, "-m", "mlship", "batch", "rows.csv", "-m", str(model), "-o", "scored.csv"]
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [*command, "--workers", "1", "--restart", "--json", "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=200,
    )
    seconds, after = time.perf_counter() - start, os.times()
    assert json.loads(done.stdout)["rows"]["out"] == rows
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system
