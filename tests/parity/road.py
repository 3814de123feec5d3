"""A sample taken down every path: its files, what the original is asked, and where it is served."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        name: Its folder.
        model: Name of the model file in it.
        label: The column that the model predicts.
    """

    name: str
    model: str
    label: str


@dataclass(frozen=True)
class Road:
    """A sample that was exported, scored in batch, and is being served.

    Attributes:
        sample: Which one.
        folder: Where its files are.
        frame: The data as pandas reads it: what the original is asked.
        original: The fitted estimator.
        url: Where it is served.
    """

    sample: Sample
    folder: Path
    frame: pd.DataFrame
    original: Any
    url: str

    @property
    def features(self) -> list[str]:
        """Names of the columns that the original takes."""
        return [str(name) for name in self.original.feature_names_in_]

    @property
    def scored(self) -> pd.DataFrame:
        """What batch wrote, every field as its text."""
        return pd.read_csv(self.folder / "input.scored.csv", dtype=str, keep_default_na=False)


PENGUINS = Sample("penguins", "model.pkl", "species")
DIABETES = Sample("diabetes", "model.joblib", "target")
BREAST_CANCER = Sample("breast_cancer", "model.joblib", "target")
ALL = (PENGUINS, DIABETES, BREAST_CANCER)


def mlship(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command of mlship in a folder and wait for it."""
    command = [sys.executable, "-m", "mlship", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )


def environment() -> dict[str, str]:
    """Return the environment without settings of mlship's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MLSHIP_")}
