"""What is published works: the wheel is built by way of the sdist, installed elsewhere, and run from there."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from mlship import __version__

ROOT = Path(__file__).resolve().parents[2]
DIABETES = ROOT / "sample_models" / "diabetes"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of the project, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation the build takes hatchling from here, and nothing from the network.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The one wheel that was built."""
    (file,) = dist.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a new virtual environment that has the wheel, and sees the dependencies of this one."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True, with_pip=False)
    python = home / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    # Folders added by a .pth file are searched last, and the .pth files inside them are not read: the editable
    # install of the project that this environment may have stays out of sight.
    (packages,) = home.glob("lib/python*/site-packages")
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("".join(f"{folder}\n" for folder in sorted(folders)), encoding="utf-8")
    return home / "bin"


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command far from the project and return what it wrote to standard output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """The wheel has two top-level entries, and in the package every file of the source, data files included."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"mlship", f"mlship-{__version__}.dist-info"}
    sources = (file for file in (ROOT / "mlship").rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    expected = {file.relative_to(ROOT).as_posix() for file in sources}
    assert {name for name in names if name.startswith("mlship/")} == expected
    # Files that are no Python are what a build most easily leaves out: the typing marker, the allow-list of export.
    assert "mlship/py.typed" in expected
    assert [name for name in expected if name.startswith("mlship/export/") and name.endswith(".txt")]


def test_wheel_names_licence_and_command(wheel: Path) -> None:
    """The wheel carries the licence and the one command."""
    with zipfile.ZipFile(wheel) as archive:
        info = f"mlship-{__version__}.dist-info"
        assert "Apache License" in archive.read(f"{info}/licenses/LICENSE").decode()
        assert archive.read(f"{info}/entry_points.txt").decode().split("\n")[:2] == [
            "[console_scripts]",
            "mlship = mlship.cli.main:main",
        ]


def test_sdist_holds_no_junk(dist: Path) -> None:
    """The sdist has what is needed to build and to test, and nothing that lies about in a working copy."""
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {name.partition("/")[0] for name in names} == {
        ".gitignore",  # hatchling adds it, so that a build from the sdist ignores the same files
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "PKG-INFO",
        "README.md",
        "mlship",
        "pyproject.toml",
        "sample_models",
        "tests",
    }
    stored = {"tests/model/format1.onnx"}  # an artifact of the first format, which must stay readable
    assert {name for name in names if name.endswith((".pyc", ".onnx", ".scored.csv"))} == stored


def test_wheel_runs_elsewhere(installed: Path, tmp_path: Path) -> None:
    """From the installed wheel alone, a model is exported and a file is scored with it."""
    where = run([installed / "python", "-c", "import mlship; print(mlship.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)

    mlship = installed / "mlship"
    assert __version__ in run([mlship, "--version"], tmp_path)
    run([mlship, "export", DIABETES / "model.joblib", "-o", "diabetes.onnx"], tmp_path)
    run([mlship, "batch", DIABETES / "input.csv", "-m", "diabetes.onnx", "-o", "scored.csv"], tmp_path)
    with (tmp_path / "scored.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 442
    assert all(float(row["prediction"]) > 0 for row in rows)
