"""`python -m mlship` does not run what lies in the current folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "library", ["pathlib", "sklearn", *(pytest.param(name, marks=pytest.mark.whole) for name in ("typer", "signal"))]
)
def test_a_file_called_as_a_library_is_not_run(tmp_path: Path, library: str) -> None:
    """A module in the current folder that is named as a library is not imported in its place."""
    (tmp_path / f"{library}.py").write_text("open('marker', 'w').close()\nraise SystemExit(99)\n")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    command = [sys.executable, "-m", "mlship", "export", "model.pkl"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, "of type NoneType" in done.stderr) == (4, True)
    assert not (tmp_path / "marker").exists()


def test_mlship_itself_may_lie_there() -> None:
    """In the project's own folder, where mlship may be nowhere else, it is found."""
    command = [sys.executable, "-m", "mlship", "--version"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.startswith("mlship ")) == (0, True)
