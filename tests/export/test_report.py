"""What `mlship export --report` writes, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeClassifier

from mlship.cli.main import run
from mlship.model.artifact import read_artifact
from tests.export.judging import export, save
from tests.export.tables import NUMBERS, kinds_of, table
from tests.report.pages import Page, figure, unfounded

ROWS = table(120, 5)
KINDS = kinds_of(ROWS)
ODD = "a <b> & \"c\" 'São'"


def tree() -> DecisionTreeClassifier:
    """Fit a small tree on a column with a name that HTML has to escape."""
    frame = ROWS[NUMBERS].rename(columns={NUMBERS[0]: ODD})
    return DecisionTreeClassifier(max_depth=3, random_state=0).fit(frame, KINDS)


def test_the_page_stands_alone(tmp_path: Path) -> None:
    """The HTML report holds columns, outputs and proof, escapes what it shows, and fetches nothing."""
    assert export(tmp_path, tree(), "--report", str(tmp_path / "report.html")) == 0

    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.fetched == []
    assert "script" not in page.tags
    assert {"Columns of model", "Outputs", "Proof", "Versions", "Model"} <= set(page.tables)
    assert {ODD, "prediction", "rows a second"} <= set(page.text)


def test_the_page_and_the_json_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page opens with what was proven; its figures are those of the JSON of the same run."""
    assert export(tmp_path, tree(), "--report", str(tmp_path / "report.html"), "--json", "--label", "team=risk") == 0
    facts = json.loads(capsys.readouterr().out)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    rows = facts["parity"]["rows"]
    verdict = next(text for text in page.text if "answers as its original does" in text)
    assert f"over {sum(rows.values()):,} rows every label is the same" in verdict
    assert any("--sample FILE" in text for text in page.text)
    assert unfounded(page, facts) == []
    assert {kind: figure(count) for kind, _, count in page.tables["Rows compared with the original"][1:]} == rows
    told = {name: figure(apart) for name, apart, _ in page.tables["Largest difference by output column"][1:]}
    assert told == pytest.approx(facts["differences"], rel=1e-5)
    assert max(facts["differences"].values(), default=0.0) == pytest.approx(facts["parity"]["largest"], rel=1e-5)
    assert dict(page.tables["Model"])["digest"] == facts["model"]["digest"]
    assert dict(page.tables["Versions"]) == facts["provenance"]["versions"]
    assert dict(page.tables["Labels"]) == facts["labels"] == {"team": "risk"}
    assert len(page.svgs) == 4


def test_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON report is what --json prints, less the command's own status, and its figures are the artifact's."""
    assert export(tmp_path, tree(), "--report", str(tmp_path / "report.json"), "--json") == 0

    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    printed = json.loads(capsys.readouterr().out)
    assert report == {name: value for name, value in printed.items() if name not in ("status", "exit_code", "error")}
    artifact = read_artifact(tmp_path / "model.onnx")
    assert artifact.card is not None
    assert artifact.card.parity is not None
    assert report["model"]["digest"] == artifact.digest
    assert report["parity"]["largest"] == artifact.card.parity.largest
    assert {form: set(speed) for form, speed in report["speed"].items()} == {
        form: {"one_row", "rows_per_second", "asked_at_once"} for form in ("original", "onnx")
    }
    assert all(value > 0 for speed in report["speed"].values() for value in speed.values())


def test_speed_is_no_part_of_the_artifact(tmp_path: Path) -> None:
    """With and without a report, the same model gives the same bytes."""
    assert export(tmp_path, tree()) == 0
    first = (tmp_path / "model.onnx").read_bytes()
    assert export(tmp_path, tree(), "--report", str(tmp_path / "report.html")) == 0
    assert (tmp_path / "model.onnx").read_bytes() == first


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report.pdf", "has to end in .html or .json."),
        ("nowhere/report.html", "There is no folder"),
        ("folder.html", "is a folder."),
    ],
)
def test_a_place_for_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    """A report that cannot be written is refused before any work, with exit 2."""
    (tmp_path / "folder.html").mkdir()
    model = save(tmp_path, tree())

    assert run(["export", str(model), "-o", str(tmp_path / "model.onnx"), "--report", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()
