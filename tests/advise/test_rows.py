"""The rows that a model is measured with: accepted, varied, and like the sample where there was one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlship.advise.rows import varied
from mlship.errors import ModelRefused
from mlship.model.artifact import read_artifact
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.records import read_records
from tests.batch.models import town_model
from tests.serve.server import run

PENGUINS = Path(__file__).resolve().parents[2] / "sample_models" / "penguins"


@pytest.fixture(scope="module", params=[True, False], ids=["sampled", "unsampled"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The penguins' model, with a baseline and without."""
    file = tmp_path_factory.mktemp("rows") / "model.onnx"
    options: list[str | Path] = ["--sample", PENGUINS / "input.csv"] if request.param else []
    done = run("export", PENGUINS / "model.pkl", "-o", file, "--quiet", *options)
    assert done.returncode == 0, done.stderr
    return file


def test_rows_are_accepted_and_differ(model: Path) -> None:
    """Two thousand rows, hardly two alike, that the model answers; the same at each call."""
    session, artifact = open_session(SessionSpec(model)), read_artifact(model)
    records = varied(session, artifact)

    read = read_records(session.signature, records)
    assert not read.errors
    assert len(records) == 2_000
    assert len({tuple(record.values()) for record in records}) > 1_900
    assert len(set(session.predict(read.columns)["prediction"].tolist())) == 3
    assert records == varied(session, artifact)
    assert max(abs(record["body_mass_g"] or 0) for record in records) <= 1e6


def test_rows_are_like_the_sample(model: Path) -> None:
    """Where there is a baseline, numbers lie in its range, and categories and nulls are as frequent."""
    session, artifact = open_session(SessionSpec(model)), read_artifact(model)
    baseline = session.card.baseline
    if baseline is None:
        return
    records, columns = varied(session, artifact), baseline["columns"]
    low, *_, high = columns["bill_length_mm"]["deciles"]
    lengths = [record["bill_length_mm"] for record in records if record["bill_length_mm"] is not None]
    assert low <= min(lengths) < max(lengths) <= high
    for name, share in columns["island"]["shares"].items():
        assert sum(record["island"] == name for record in records) / len(records) == pytest.approx(share, abs=0.05)
    missing = sum(record["sex"] is None for record in records) / len(records)
    assert missing == pytest.approx(columns["sex"]["missing"], abs=0.02)


def test_a_model_without_golden_rows(tmp_path: Path) -> None:
    """A row that is made up serves where nothing else is known."""
    file = tmp_path / "model.onnx"
    file.write_bytes(town_model())

    records = varied(open_session(SessionSpec(file)), read_artifact(file))

    assert records[0]["city"] in ("Porto", "Lisboa")
    assert set(records[0]) == {"my age", "income", "city"}


def test_no_row_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that answers no row that can be thought of is refused, with what to do."""
    file = tmp_path / "model.onnx"
    file.write_bytes(town_model())
    session = open_session(SessionSpec(file))

    def refuse(*_: object) -> None:
        raise ModelRefused("no")

    monkeypatch.setattr(Session, "predict", refuse)
    with pytest.raises(ModelRefused, match="No row is known"):
        varied(session, read_artifact(file))
