"""Imports go down only: import-linter holds the contracts of pyproject.toml, and really sees a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN_LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in a folder, with the contracts of the folder's pyproject.toml."""
    # The folder comes first on the path of `python -c`, so that a copy wins over the installed package.
    command = [sys.executable, "-c", RUN_LINTER, "--no-cache", "--no-logo", "--config", "pyproject.toml"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and of its contracts, to be spoilt."""
    shutil.copytree(ROOT / "mlship", tmp_path / "mlship", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_contracts_hold() -> None:
    """The package keeps every contract."""
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        pytest.param(
            "model/planted.py", "import mlship.cli", "mlship.model is not allowed to import mlship.cli", id="up"
        ),
        pytest.param(
            "batch/planted.py",
            "import mlship.serve",
            "mlship.batch is not allowed to import mlship.serve",
            id="sibling",
        ),
        pytest.param(
            "tables/planted.py",
            "def late():\n    import mlship.batch",
            "mlship.tables is not allowed to import mlship.batch",
            id="up inside a function",
        ),
        pytest.param("planted.py", "", "mlship.planted", id="module without a layer"),
        pytest.param(
            "serve/planted.py",
            "import sklearn.base",
            "mlship.serve is not allowed to import sklearn",
            id="sklearn in serve",
        ),
        pytest.param(
            "batch/planted.py",
            "def late():\n    import pickle",
            "mlship.batch is not allowed to import pickle",
            id="pickle inside a function of batch",
        ),
    ],
)
def test_planted_breach_is_seen(copy: Path, file: str, line: str, said: str) -> None:
    """A forbidden import planted into a copy of the package breaks a contract, which names it."""
    (copy / "mlship" / file).write_text(line + "\n", encoding="utf-8")
    result = lint_imports(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert said in " ".join(result.stdout.split())


def test_breach_through_another_module_is_seen(copy: Path) -> None:
    """Scoring files must not reach joblib by way of a layer below it either."""
    (copy / "mlship/model/planted.py").write_text("import joblib\n", encoding="utf-8")
    (copy / "mlship/batch/planted.py").write_text("import mlship.model.planted\n", encoding="utf-8")
    result = lint_imports(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "mlship.batch is not allowed to import joblib" in " ".join(result.stdout.split())
