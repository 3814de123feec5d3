"""What becomes of every estimator of scikit-learn: exported and equal to its original, or refused."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlship.cli.main import run
from tests.export.held import Data
from tests.export.judging import assert_equal, save, within_limits
from tests.export.recipes import fitted, recipe_of, scored_estimators

WITHIN = 1e-9
FEWEST_EXACT = 175
_HARD = 24
_BLURRED = ("RBFSampler", "RadiusNeighborsClassifier", "RadiusNeighborsRegressor", "RadiusNeighborsTransformer")
"""Those whose answers hang on rounding far from their training: the signature refuses rows there."""
_ALONE = ("LatentDirichletAllocation", "MiniBatchNMF", "NMF")
"""Those that iterate until a whole table has settled, and so are asked for one row at a time."""
_EVERY = 8
_TELLING = (
    "CalibratedClassifierCV",
    "ColumnTransformer",
    "GaussianProcessClassifier",
    "HistGradientBoostingClassifier",
    "IterativeImputer",
    "OneHotEncoder",
    "OrdinalEncoder",
    "Pipeline",
    "QuantileTransformer",
    "RBFSampler",
    "RadiusNeighborsClassifier",
    "SplineTransformer",
    "StackingClassifier",
    "SVC",
    "TargetEncoder",
    "TfidfVectorizer",
)
"""Those that have most ways to be wrong: ties, categories, null, knots, rounding, and what holds others."""


def hard(data: Data) -> Any:
    """Rows held out, and rows that are harder: of the training, on ties, zeros, rounded and very large ones."""
    fresh, train = data.fresh, data.train
    if isinstance(fresh, list) or (isinstance(fresh, np.ndarray) and (fresh.ndim != 2 or fresh.dtype == object)):
        return fresh
    if isinstance(fresh, pd.DataFrame):
        return pd.concat([fresh, train[:_HARD]])
    if fresh.dtype.kind == "i":  # codes, between which there is nothing
        return np.vstack([fresh, train[:_HARD]])
    ties = (train[:_HARD] + train[1 : _HARD + 1]) / 2
    rounded = np.round(fresh[:_HARD].astype(float), 1)
    return np.vstack([fresh, train[:_HARD], ties, rounded, fresh[:3] * 1e4, np.zeros_like(fresh[:1])])


def outcome(name: str, folder: Path) -> str:
    """Export an estimator fitted by its recipe and compare; return `exact`, `tolerance` or why it was refused.

    Raises:
        AssertionError: An artifact was written that is not equal to its original, or another exit code came than 5.
    """
    recipe = recipe_of(name)
    report = folder / "report.json"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = fitted(recipe)
        arguments = ["export", str(save(folder, model)), "-o", str(folder / "model.onnx"), "-q"]
        code = run([*arguments, "--report", str(report)])
        assert code in (0, 5)
        assert (folder / "model.onnx").exists() == (code == 0)
        if code == 5:
            return "refused"
        rows = within_limits(folder, hard(recipe.data())) if name in _BLURRED else hard(recipe.data())
        assert_equal(folder, model, rows, within=WITHIN, alone=name in _ALONE)
    return "exact"


def stated(readme: str) -> dict[str, str]:
    """Return the outcome of every estimator by the README: whatever it does not call refused is exact."""
    (row,) = (line for line in readme.splitlines() if line.startswith("| refused with exit 5 |"))
    refused = set(row.split("`")[1::2])
    assert refused <= set(scored_estimators())
    return {name: "refused" if name in refused else "exact" for name in scored_estimators()}


def sampled(told: dict[str, str]) -> list[str]:
    """Return those of all that are always tried: each eighth, all refused, and those with most ways to be wrong."""
    return [
        name
        for place, (name, result) in enumerate(told.items())
        if place % _EVERY == 0 or result == "refused" or name in _TELLING
    ]


def table(results: dict[str, str]) -> str:
    """Return the outcomes as the README shows them: how many there are of each, and the names of those refused."""
    refused = sorted(name for name, result in results.items() if result != "exact")
    exact = len(results) - len(refused)
    return (
        "| scikit-learn's estimators that answer new rows | |\n|-|-|\n"
        f"| exported, exact | {exact} of {len(results)} |\n"
        f"| refused with exit 5 | {', '.join(f'`{name}`' for name in refused)} |\n"
    )


def main() -> None:
    """Print the outcome of every estimator, or of those named, and the README's table."""
    names = sys.argv[1:] or scored_estimators()
    results = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                results[name] = outcome(name, Path(folder))
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  the table shows what the test would stop at
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                results[name] = f"WRONG {type(error).__name__} {reason[:150]}"
        sys.stdout.write(f"{name:32} {results[name]}\n")
    sys.stdout.write("\n" + table(results))


if __name__ == "__main__":
    main()
