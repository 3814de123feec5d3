"""What each part of mlship loads: little at start, no training library when scoring, nothing that Windows lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "flask", "gunicorn", "joblib", "numpy", "onnx", "onnxruntime", "pandas", "polars", "pyarrow", "pyspark", "sklearn",
}  # fmt: skip
MAX_HELP_CPU_SECONDS = 0.3

# Runs `mlship --help`, and writes the names of all modules then loaded to the file given as argument.
HELP = """
import json, pathlib, sys
report = pathlib.Path(sys.argv[1])
sys.argv = ["mlship", "--help"]
from mlship.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
report.write_text(json.dumps(sorted(sys.modules)))
"""

# Imports every module of the packages named first. A library named after `--refused` is found but cannot be
# loaded, as if it were broken: a library that only looks whether another one is there is not disturbed. One
# named after `--absent` is not there at all.
IMPORT_ALL = """
import importlib, importlib.machinery, pkgutil, sys

class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise ImportError(f"{spec.name} must not be imported here")
    def exec_module(self, module):
        raise AssertionError("never reached")

arguments = sys.argv[1:]
cut, end = arguments.index("--refused"), arguments.index("--absent")
packages, refused, absent = arguments[:cut], set(arguments[cut + 1:end]), arguments[end + 1:]
sys.meta_path.insert(0, Refuser())
sys.modules.update(dict.fromkeys(absent))
for package in packages:
    top = importlib.import_module(package)
    for module in pkgutil.walk_packages(top.__path__, package + "."):
        importlib.import_module(module.name)
        print(module.name)
"""


def run_python(code: str, *arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own that finds mlship in the given folder."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=120)


def loaded_by_help(root: Path, folder: Path) -> set[str]:
    """Return the top-level modules that `mlship --help` leaves loaded."""
    report = folder / "modules.json"
    result = run_python(HELP, str(report), root=root)
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in json.loads(report.read_text())}


def import_all(
    *packages: str, root: Path = ROOT, refused: tuple[str, ...] = (), absent: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Import all modules of some packages while some libraries are refused or absent."""
    return run_python(IMPORT_ALL, *packages, "--refused", *refused, "--absent", *absent, root=root)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder with a small package called mlship whose modules break every rule here."""
    for name, text in {
        "__init__.py": "",
        "cli/__init__.py": "",
        "cli/main.py": "import numpy\ndef main(): raise SystemExit(0)\n",
        "batch/__init__.py": "",
        "batch/runner.py": "import fcntl\n",
        "serve/__init__.py": "",
        "serve/deep/__init__.py": "",
        "serve/deep/app.py": "from sklearn.base import BaseEstimator\n",
    }.items():
        file = tmp_path / "mlship" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    """`mlship --help` leaves every heavy library out of the process."""
    assert loaded_by_help(ROOT, tmp_path) & HEAVY == set()


def test_planted_heavy_import_at_start_is_seen(planted: Path, tmp_path: Path) -> None:
    """A command line that imports NumPy at module level is found out."""
    assert loaded_by_help(planted, tmp_path) & HEAVY == {"numpy"}


def test_scoring_never_loads_the_training_library() -> None:
    """Every module of batch, serve and functions is imported where scikit-learn and pickle loaders refuse to load."""
    refused = ("sklearn", "joblib", "cloudpickle", "skl2onnx", "pandas")
    packages = ("mlship.batch", "mlship.serve", "mlship.targets.aws_lambda", "mlship.targets.google_functions")
    result = import_all(*packages, refused=refused)
    assert result.returncode == 0, result.stderr
    assert set(packages) <= {name.rpartition(".")[0] for name in result.stdout.split()}


def test_planted_training_library_in_serve_is_seen(planted: Path) -> None:
    """A module deep in serve that imports scikit-learn is found out."""
    result = import_all("mlship.serve", root=planted, refused=("sklearn",))
    assert result.returncode == 1
    assert "ImportError: sklearn must not be imported here" in result.stderr


def test_export_and_batch_import_without_posix() -> None:
    """Every module of export and batch can be imported where fcntl, resource and gunicorn are missing."""
    result = import_all("mlship.export", "mlship.batch", absent=("fcntl", "resource", "gunicorn"))
    assert result.returncode == 0, result.stderr
    assert {"mlship.export", "mlship.batch"} <= {name.rpartition(".")[0] for name in result.stdout.split()}


def test_planted_posix_module_in_batch_is_seen(planted: Path) -> None:
    """A module of batch that imports fcntl unguarded is found out."""
    result = import_all("mlship.batch", root=planted, absent=("fcntl", "resource", "gunicorn"))
    assert result.returncode == 1
    assert "fcntl" in result.stderr


def test_command_line_imports_without_posix() -> None:
    """The command line itself starts where fcntl, resource and gunicorn are missing, so that it can say what to use."""
    result = import_all("mlship.cli", absent=("fcntl", "resource", "gunicorn"))
    assert result.returncode == 0, result.stderr


def cpu_seconds(command: list[str]) -> float:
    """Run a command and return the processor time that it took, user and system together."""
    resource = pytest.importorskip("resource", reason="processor time of children is known on POSIX only")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def test_help_is_quick() -> None:
    """`mlship --help` takes under 0.3 s of processor time, best of five runs."""
    command = [sys.executable, "-m", "mlship", "--help"]
    assert min(cpu_seconds(command) for _ in range(5)) < MAX_HELP_CPU_SECONDS
