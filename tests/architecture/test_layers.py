"""Imports go down only: import-linter holds the contracts of pyproject.toml, and really sees a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN_LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in a folder, with the contracts of the folder's pyproject.toml."""
    # The folder comes first on the path of `python -c`, so that a copy wins over the installed package.
    command = [sys.executable, "-c", RUN_LINTER, "--no-cache", "--no-logo", "--config", "pyproject.toml"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)


# Each file is planted once, so that one run of the linter, which takes seconds, sees all of them.
PLANTED = {
    "model/above.py": "import mlship.cli",
    "batch/beside.py": "import mlship.serve",
    "tables/late.py": "def late():\n    import mlship.batch",
    "serve/learns.py": "import sklearn.base",
    "batch/unpickles.py": "def late():\n    import pickle",
    # Scoring files must not reach joblib by way of a layer below it either.
    "model/loads.py": "import joblib",
    "batch/through.py": "import mlship.model.loads",
}


def planted(folder: Path, files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a copy of the package and of its contracts with more files in it."""
    shutil.copytree(ROOT / "mlship", folder / "mlship", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for file, text in files.items():
        (folder / "mlship" / file).write_text(text + "\n", encoding="utf-8")
    return lint_imports(folder)


@pytest.fixture(scope="module")
def breached(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of all that is planted."""
    result = planted(tmp_path_factory.mktemp("breached"), PLANTED)
    assert result.returncode == 1, result.stdout + result.stderr
    return " ".join(result.stdout.split())


def test_contracts_hold() -> None:
    """The package keeps every contract."""
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("said", "chain"),
    [
        pytest.param("mlship.model is not allowed to import mlship.cli", "mlship.model.above -> mlship.cli", id="up"),
        pytest.param(
            "mlship.batch is not allowed to import mlship.serve", "mlship.batch.beside -> mlship.serve", id="sibling"
        ),
        pytest.param(
            "mlship.tables is not allowed to import mlship.batch",
            "mlship.tables.late -> mlship.batch",
            id="up inside a function",
        ),
        pytest.param(
            "mlship.serve is not allowed to import sklearn", "mlship.serve.learns -> sklearn", id="sklearn in serve"
        ),
        pytest.param(
            "mlship.batch is not allowed to import pickle",
            "mlship.batch.unpickles -> pickle",
            id="pickle inside a function of batch",
        ),
        pytest.param(
            "mlship.batch is not allowed to import joblib",
            "mlship.batch.through -> mlship.model.loads",
            id="joblib through another module",
        ),
    ],
)
def test_planted_breach_is_seen(breached: str, said: str, chain: str) -> None:
    """A forbidden import planted into a copy of the package breaks a contract, which names it and where it is."""
    assert said in breached
    assert chain in breached


def test_module_without_a_layer_is_seen(tmp_path: Path) -> None:
    """A module that has not been given its layer breaks the contract of the layers, which names it."""
    result = planted(tmp_path, {"planted.py": ""})
    assert result.returncode == 1, result.stdout + result.stderr
    assert "mlship.planted" in " ".join(result.stdout.split())
