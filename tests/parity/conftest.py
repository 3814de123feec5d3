"""The three samples, taken down every path as a user would: export, batch and serve in the folder of the files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import joblib
import pandas as pd
import pytest

from tests.parity.road import BREAST_CANCER, DIABETES, PENGUINS, SAMPLES, Road, Sample, environment, mlship


@pytest.fixture(
    scope="module",
    params=[PENGUINS, DIABETES, pytest.param(BREAST_CANCER, marks=pytest.mark.whole)],
    ids=lambda sample: sample.name,
)
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Export a sample, score its CSV and serve it, with the commands as the README has them."""
    sample: Sample = request.param
    folder = tmp_path_factory.mktemp(sample.name)
    for file in (sample.model, "input.csv"):
        shutil.copy(SAMPLES / sample.name / file, folder / file)
    for command in (["export", sample.model], ["batch", "input.csv"]):
        done = mlship(folder, *command)
        assert done.returncode == 0, done.stderr
    server = subprocess.Popen(
        [sys.executable, "-m", "mlship", "serve", "model.onnx", "--port", "0", "--workers", "1", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        ready = server.stdout.readline()
        assert ready, server.stderr.read() if server.stderr else ""
        frame = pd.read_csv(folder / "input.csv")
        yield Road(sample, folder, frame, joblib.load(folder / sample.model), json.loads(ready)["url"])
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode == 0
