"""The sample models are what their scripts make of their data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"


def load(folder: Path) -> Any:
    """Open the one model file of a folder; joblib reads a plain pickle too."""
    (file,) = folder.glob("model.*")
    return joblib.load(file)


@pytest.mark.parametrize("name", ["penguins", "breast_cancer", pytest.param("diabetes", marks=pytest.mark.whole)])
def test_script_makes_the_committed_files(tmp_path: Path, name: str) -> None:
    """A script run elsewhere writes the committed CSV, byte for byte, and a model that answers as the committed one."""
    shutil.copy(SAMPLES / name / "train.py", tmp_path)
    subprocess.run([sys.executable, "-W", "error", "train.py"], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "input.csv").read_bytes() == (SAMPLES / name / "input.csv").read_bytes()

    committed, made = load(SAMPLES / name), load(tmp_path)
    rows = pd.read_csv(tmp_path / "input.csv")[list(committed.feature_names_in_)]
    expected, answer = committed.predict(rows), made.predict(rows)
    if expected.dtype == object:
        assert answer.tolist() == expected.tolist()
    else:
        # The last bits of a fit depend on the processor's kernels.
        np.testing.assert_allclose(answer, expected, rtol=1e-9)


def test_model_files_are_small() -> None:
    """The committed model files stay well under one megabyte together."""
    sizes = [file.stat().st_size for file in SAMPLES.glob("*/model.*")]
    assert len(sizes) == 3
    assert sum(sizes) < 500_000
