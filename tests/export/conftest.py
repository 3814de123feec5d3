"""For tests of the export: what an export imports is there before the first one, for its child to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlship.export.job import ExportJob
from mlship.export.run import run_export
from tests.export.files import fitted
from tests.export.judging import save


@pytest.fixture(scope="session", autouse=True)
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Export once in this process: children are copies of it, and would each import all libraries anew."""
    folder: Path = tmp_path_factory.mktemp("imported")
    run_export(ExportJob(save(folder, fitted()), folder / "model.onnx", confined=False))
