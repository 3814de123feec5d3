"""What must be refused on the real samples is refused, on the paths that a user takes."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from tests.parity.road import SAMPLES, mlship


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the penguins' data and their exported model, for all tests to copy."""
    folder = tmp_path_factory.mktemp("penguins")
    for file in ("model.pkl", "input.csv"):
        shutil.copy(SAMPLES / "penguins" / file, folder / file)
    done = mlship(folder, "export", "model.pkl", "-q")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """Return a folder of the test's own with the same files."""
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    return tmp_path


def spoil(folder: Path, rows: range) -> None:
    """Put letters where some rows of the data have their bill's length."""
    lines = (folder / "input.csv").read_text().splitlines()
    place = lines[0].replace('"', "").split(",").index("bill_length_mm")
    for row in rows:
        fields = lines[row].split(",")
        fields[place] = "letters"
        lines[row] = ",".join(fields)
    (folder / "input.csv").write_text("\n".join(lines) + "\n")


def test_letters_in_a_number_reject_the_row_and_no_other(folder: Path) -> None:
    """A row with letters in a number is rejected with row, column and code; the others are scored; counts add up."""
    spoil(folder, range(5, 6))
    done = mlship(folder, "batch", "input.csv", "--json")
    result = json.loads(done.stdout)
    reject = json.loads((folder / "input.scored.rejects.ndjson").read_text())

    assert done.returncode == 0, done.stderr
    assert result["rows"] == {"in": 344, "out": 343, "rejected": 1}
    assert result["rejects"] == {"not_a_number": 1}
    assert (reject["row"], reject["errors"]) == (5, [{"column": "bill_length_mm", "code": "not_a_number"}])
    assert len((folder / "input.scored.csv").read_text().splitlines()) == 1 + 343
    assert "letters" not in done.stderr + done.stdout


@pytest.mark.parametrize(("bad", "code"), [(10, 0), (11, 3)])
def test_the_reject_limit_is_ten_rows_of_a_small_file(folder: Path, bad: int, code: int) -> None:
    """Ten bad rows of 344 pass, eleven end with exit 3, and nothing stands under the output's name."""
    spoil(folder, range(1, 1 + bad))
    done = mlship(folder, "batch", "input.csv", "--json")
    result = json.loads(done.stdout)

    assert done.returncode == result["exit_code"] == code, done.stderr
    assert (folder / "input.scored.csv").exists() == (code == 0)
    assert result["rejects"] == {"not_a_number": bad}


@pytest.mark.parametrize(
    "command", [["batch", "input.csv"], ["serve", "model.onnx", "--port", "0"]], ids=["batch", "serve"]
)
def test_one_flipped_byte_is_refused(folder: Path, command: list[str]) -> None:
    """A model with one byte changed ends batch and serve with exit 4 before anything is scored."""
    model = bytearray((folder / "model.onnx").read_bytes())
    model[len(model) // 3] ^= 1
    (folder / "model.onnx").write_bytes(model)
    done = mlship(folder, *command)

    assert done.returncode == 4
    assert "its digest does not match" in done.stderr
    assert not (folder / "input.scored.csv").exists()


def test_no_model_says_the_way_out(folder: Path) -> None:
    """Batch without a model in the folder ends with exit 2 and says how to make or name one."""
    (folder / "model.onnx").unlink()
    done = mlship(folder, "batch", "input.csv")

    assert done.returncode == 2
    assert "mlship export" in done.stderr


def test_a_text_file_is_no_model(folder: Path) -> None:
    """A text named .pkl ends export with exit 4, saying what it looks like, and writes nothing."""
    (folder / "notes.pkl").write_text("remember the milk\n")
    done = mlship(folder, "export", "notes.pkl")

    assert done.returncode == 4
    assert "looks like a text file" in done.stderr
    assert not (folder / "notes.onnx").exists()


class _Attack:
    """Would make a file when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch marker",)


def test_a_pickle_that_calls_the_system_has_not_run(folder: Path) -> None:
    """A pickle that calls os.system ends export with exit 4, which names the call, and has done nothing."""
    (folder / "attack.pkl").write_bytes(pickle.dumps(_Attack()))
    done = mlship(folder, "export", "attack.pkl")

    assert done.returncode == 4
    assert "system" in done.stderr
    assert not (folder / "marker").exists()
