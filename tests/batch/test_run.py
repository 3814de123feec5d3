"""A run tells its progress, adds up its rows, heeds golden rows, and does not depend on its surroundings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlship.batch.inputs import find_inputs
from mlship.batch.job import BatchJob
from mlship.batch.prepare import prepare
from mlship.batch.run import run
from mlship.batch.stop import Stop
from mlship.model.session import SessionSpec, open_session
from mlship.model.values.codes import Coerced
from mlship.tables.csv_rows import CsvRows
from tests.batch.conftest import Batch
from tests.batch.models import town_model

ROOT = Path(__file__).resolve().parents[2]
DATA = "my age,income,city\n" + "1,2,Porto\nx,2,Porto\n3,4,Lisboa\n" * 3


def test_progress_reaches_the_whole(folder: Path) -> None:
    """After each chunk the bytes done, rows read and rows rejected are told, up to the file's size."""
    (folder / "in.csv").write_text(DATA)
    session = open_session(SessionSpec(folder / "town.onnx"))
    (given,) = find_inputs([str(folder / "in.csv")], None)
    setting = prepare(BatchJob((given,), chunk_size=30), folder / "town.onnx", session, print)
    told: list[tuple[int, int, int]] = []
    report = run(setting, lambda *numbers: told.append(numbers), (Stop(),))
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (len(DATA), 9, 3)
    assert report.outputs == (str(folder / "in.scored.csv"),)
    assert (report.tally.read, report.tally.written, report.tally.rejected) == (9, 6, 3)


def test_rows_that_do_not_add_up_are_a_bug_and_publish_nothing(
    batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row lost on the way is noticed in its chunk: exit 1, and no output."""
    (folder / "in.csv").write_text(DATA)
    coerced = CsvRows.coerced

    def one_less(rows: CsvRows) -> Coerced:
        found = coerced(rows)
        columns = {name: values[:-1] for name, values in found.columns.items()}
        return Coerced(found.rows - 1, columns, found.errors)

    monkeypatch.setattr(CsvRows, "coerced", one_less)
    outcome = batch("in.csv", "--json")
    assert outcome.code == 1
    assert "Rows do not add up in chunk 0: 9 in, 5 out, 3 rejected." in outcome.stderr
    assert outcome.data["error"]["code"] == "bug"
    assert not (folder / "in.scored.csv").exists()


def test_golden_rows_that_differ_stop_the_run_or_are_said_once(
    batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that no longer answers as it did is exit 4; MLSHIP_GOLDEN=warn goes on and says so."""
    (folder / "in.csv").write_text(DATA)
    (folder / "town.onnx").write_bytes(town_model(golden_shift=0.5))
    outcome = batch("in.csv", "--json")
    assert outcome.code == 4
    assert outcome.data["error"]["code"] == "golden_rows_differ"
    monkeypatch.setenv("MLSHIP_GOLDEN", "warn")
    outcome = batch("in.csv", "--chunk-size", "1")
    assert outcome.code == 0
    assert outcome.stderr.count("no longer answers as its original did") == 1
    (folder / "town.onnx").write_bytes(town_model(golden_shift=0.0))
    assert "warning" not in batch("in.csv").stderr


def test_bytes_do_not_depend_on_the_surroundings(folder: Path) -> None:
    """Locale, time zone, hash seed and the number of Polars' threads change no byte of output and rejects."""
    (folder / "in.csv").write_text(
        DATA.replace("my age", "São,my age").replace("\n1,", "\né,1,").replace("\n3", "\n😀,3")
    )
    contents = set()
    for number, surroundings in enumerate(
        (
            {"LC_ALL": "C", "PYTHONHASHSEED": "1", "TZ": "UTC", "POLARS_MAX_THREADS": "1"},
            {"LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "PYTHONUTF8": "0"},
        )
    ):
        command = [sys.executable, "-m", "mlship", "batch", "in.csv", "-o", f"{number}.csv", "-q"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **surroundings}
        subprocess.run([*command, "--max-rejects", "9"], cwd=folder, env=environment, check=True, timeout=60)
        contents.add(((folder / f"{number}.csv").read_bytes(), (folder / f"{number}.rejects.ndjson").read_bytes()))
    assert len(contents) == 1


def after_a_run(folder: Path, code: str) -> str:
    """Score a file in a process of its own, and return what some code then prints there."""
    (folder / "in.csv").write_text(DATA)
    scored = "from mlship.cli.main import run; assert run(['batch', 'in.csv', '-q']) == 0; "
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", scored + code]
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, timeout=60, capture_output=True, text=True
    ).stdout


def test_scoring_loads_no_training_library(folder: Path) -> None:
    """A whole run leaves scikit-learn, joblib, pandas, onnx and the other commands out of the process."""
    code = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules} | set(sys.modules)))"
    loaded = set(after_a_run(folder, code).split())
    assert {"polars", "onnxruntime", "mlship.batch.run"} <= loaded
    assert not {"sklearn", "joblib", "pandas", "skl2onnx", "onnx", "flask", "mlship.export", "mlship.serve"} & loaded


def test_no_thread_spins_that_has_nothing_to_do(folder: Path) -> None:
    """The linear algebra of numpy, which no run uses, has no threads that would burn a tenth of a second at first."""
    code = "from threadpoolctl import threadpool_info as found; print(*(it['num_threads'] for it in found()))"
    assert set(after_a_run(folder, code).split()) <= {"1"}  # none where numpy has another library of the system's


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count what the parent holds")
def test_the_memory_of_who_starts_a_run_is_not_the_runs(folder: Path) -> None:
    """The peak that a run tells is its own, however much the process holds that started it."""
    (folder / "in.csv").write_text(DATA)
    code = (
        "import subprocess, sys; held = bytearray(800_000_000); "
        "subprocess.run([sys.executable, '-m', 'mlship', 'batch', 'in.csv', '--json', '-q'], check=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60, capture_output=True)
    assert json.loads(done.stdout)["peak_memory_bytes"] < 600_000_000
