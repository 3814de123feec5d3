"""For tests of the export: what an export imports is there before the first one, for its child to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlship.export import run
from mlship.export.job import ExportJob
from mlship.export.run import run_export
from tests.export.files import fitted
from tests.export.judging import save


@pytest.fixture(scope="session", autouse=True)
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Export once in this process: children are copies of it, and would each import all libraries anew."""
    folder: Path = tmp_path_factory.mktemp("imported")
    run_export(ExportJob(save(folder, fitted()), folder / "model.onnx", confined=False))


_APART = run._made_apart


@pytest.fixture
def made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make artifacts in this process, which is four times as fast for a small model: for tests of what is made."""
    monkeypatch.setattr(run, "_made_apart", run._made_here)


@pytest.fixture
def made_apart(made_here: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  to come after it
    """Make artifacts in a child even so: for tests of what has to come through to this process."""
    monkeypatch.setattr(run, "_made_apart", _APART)
