"""A folder with a model in it, and files to score."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlship.cli.main import run
from tests.batch.models import put_town


@dataclass
class Outcome:
    """What a command line did: its exit code, what it printed, and the JSON object on stdout if there is one."""

    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        data = json.loads(self.stdout)
        assert isinstance(data, dict)
        return data


Batch = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the town model in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLSHIP_MODEL", raising=False)
    put_town(tmp_path)
    return tmp_path


@pytest.fixture
def batch(folder: Path, capsys: pytest.CaptureFixture[str]) -> Batch:
    """Runs `mlship batch` in this process, in the current directory."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(["batch", *arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, " ".join(printed.err.split()))

    assert folder.is_dir()
    return call
