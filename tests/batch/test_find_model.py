"""The model is the one named, else that of the environment, else the only one there; never a guess among several."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlship.batch.find_model import FoundModel, find_model
from mlship.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and no model in the environment."""
    monkeypatch.delenv("MLSHIP_MODEL", raising=False)
    return tmp_path


def test_the_one_named_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that the command names is taken whatever else is there."""
    monkeypatch.setenv("MLSHIP_MODEL", "other.onnx")
    (folder / "third.onnx").touch()
    assert find_model(Path("named.onnx"), folder) == FoundModel(Path("named.onnx"))


def test_the_environment_comes_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLSHIP_MODEL is taken before any file in the folder."""
    monkeypatch.setenv("MLSHIP_MODEL", "/models/other.onnx")
    (folder / "third.onnx").touch()
    assert find_model(None, folder) == FoundModel(Path("/models/other.onnx"))


def test_the_only_file_comes_third(folder: Path) -> None:
    """The only .onnx file is taken, and marked as a guess; folders and other files do not count."""
    (folder / "ours.ONNX").touch()
    (folder / "data.csv").touch()
    (folder / "folder.onnx").mkdir()
    assert find_model(None, folder) == FoundModel(Path("ours.ONNX"), guessed=True)


def test_several_files_are_listed(folder: Path) -> None:
    """With several, the message lists them and the hint names one."""
    for name in ("b.onnx", "a.onnx"):
        (folder / name).touch()
    with pytest.raises(UsageError, match=r"has 2: 'a\.onnx', 'b\.onnx'\.") as caught:
        find_model(None, folder)
    assert caught.value.hint == "Name one: mlship batch INPUT -m 'a.onnx'"


def test_many_files_are_counted(folder: Path) -> None:
    """With many, some are listed and the others counted."""
    for number in range(9):
        (folder / f"{number}.onnx").touch()
    with pytest.raises(UsageError, match=r"'4\.onnx' and 4 more\."):
        find_model(None, folder)


def test_none_at_all_says_the_way_out(folder: Path) -> None:
    """Without any, the message says where was looked and the hint how to get one."""
    with pytest.raises(UsageError, match=r"MLSHIP_MODEL is not set, and the current directory has no \.onnx") as caught:
        find_model(None, folder)
    assert caught.value.code == "no_model"
    assert "mlship export MODEL" in (caught.value.hint or "")
