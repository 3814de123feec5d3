"""Reading a model file's bytes: names that no file has, sizes that no memory holds, and files without end."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from mlship.cli.main import run
from mlship.errors import UsageError
from mlship.export import mlflow, reading
from tests.export.files import fitted, load_model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other limits")
@pytest.mark.parametrize("name", ["x" * 300, "x" * 256 + ".pkl", "x" * 5000])
def test_a_name_that_no_file_has(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is too long is exit 2 in one line."""
    assert run(["export", name]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert "can be no file: " in error
    assert hint == "hint: Give it a shorter name."
    with pytest.raises(UsageError, match="can be no file"):
        load_model(Path(name))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other limits")
def test_an_output_whose_name_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    """A model file whose name has just room for itself is exported once the output is named."""
    name = "x" * 251 + ".pkl"
    Path(name).write_bytes(pickle.dumps(fitted()))

    assert run(["export", name]) == 2
    assert ".onnx' can be no file: " in capsys.readouterr().err
    assert run(["export", name, "-q", "-o", "out.onnx"]) == 0


def test_a_sparse_file_is_not_read_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that begins with zeros is no model, however large it says to be."""
    with Path("model.pkl").open("wb") as stream:
        stream.truncate(2**42)

    assert run(["export", "model.pkl"]) == 4
    assert "'model.pkl' is not a model file: it begins with zeros" in capsys.readouterr().err


def test_a_file_larger_than_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that begins as a model and does not fit into memory is exit 4 before it is read."""
    with Path("model.pkl").open("wb") as stream:
        stream.write(b"\x80\x04")
        stream.truncate(2**42)

    assert run(["export", "model.pkl"]) == 4
    assert "'model.pkl' has 4,194,304 MiB, more than can be loaded in the memory" in capsys.readouterr().err


def test_where_the_system_tells_no_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is known of the memory, that it does not suffice is told when it is full."""

    def full(_path: Path, _size: int) -> None:
        raise MemoryError

    monkeypatch.setattr(reading, "memory", lambda: None)
    monkeypatch.setattr(reading, "_check_size", full)
    Path("model.pkl").write_bytes(pickle.dumps(fitted()))

    assert run(["export", "model.pkl"]) == 4
    assert "more than can be loaded in the memory that there is" in capsys.readouterr().err


def test_no_more_than_the_head_of_a_description_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an MLmodel without end its first mebibyte is read."""
    Path("saved").mkdir()
    with (folder / "saved" / "MLmodel").open("wb") as stream:
        stream.write(b"flavors:\n  pytorch:\n    data: x\n")
        stream.truncate(2**42)
    monkeypatch.setattr(mlflow, "_LARGEST", 2**10)

    assert run(["export", "saved"]) == 4
    assert "is an MLflow model of pytorch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "name", "trusted"),
    [
        ("own.steps", "Scale", True),
        ("own.steps", "Outer.Inner", False),
        ("os", "popen", False),
        ("sklearn", "own", False),
    ],
)
def test_trust_is_told_where_it_helps(
    module: str, name: str, trusted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint names --trust for code of the user's own, and not for a name with a dot, which is never trusted."""
    Path("model.pkl").write_bytes(f"c{module}\n{name}\n.".encode())

    assert run(["export", "model.pkl"]) == 4
    assert (f"--trust {module}.{name}" in capsys.readouterr().err.splitlines()[1]) == trusted
