"""The HTML reports of a real model, from the command line: each is one file whose figures are those of --json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlship.cli.main import run
from tests.report.pages import Page, figure, unfounded

PENGUINS = Path(__file__).resolve().parents[2] / "sample_models" / "penguins"


def test_the_report_of_a_run_with_bad_rows_and_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run with rejects, drift and a limit says in a sentence what came of it and what to do, and pictures show it."""
    monkeypatch.chdir(tmp_path)
    header, *rows = (PENGUINS / "input.csv").read_text(encoding="utf-8").splitlines()
    moved = [row.replace(",Torgersen,", ",Dream,").replace(",18.7,", ",abc,") for row in rows]
    Path("rows.csv").write_text("\n".join([header, *moved]) + "\n", encoding="utf-8")
    sample = str(PENGUINS / "input.csv")
    assert run(["export", str(PENGUINS / "model.pkl"), "-o", "m.onnx", "--sample", sample, "-q"]) == 0
    capsys.readouterr()

    assert run(["batch", "rows.csv", "-m", "m.onnx", "--max-drift", "0.1", "--report", "r.html", "--json"]) == 9
    facts = json.loads(capsys.readouterr().out)
    text = Path("r.html").read_text(encoding="utf-8")
    page = Page(text)

    count = facts["rows"]
    assert count["rejected"] > 0
    verdict = next(text for text in page.text if "scored" in text)
    assert verdict == (
        f"model {facts['model']['version']} scored {count['out']:,} of {count['in']:,} rows, and {count['rejected']:,} "
        f"were rejected (not_a_number: {count['rejected']:,}); most drift: 'island' with a stability index (PSI) of "
        f"{facts['drift']['columns'][0]['psi']:.3g}; past the limit: max_drift."
    )
    advice = " ".join(page.text)
    assert "They are listed in rows.scored.rejects.ndjson. Mend them in the input" in advice
    assert "train the model anew" in advice
    tenths = [tenth / 10 for tenth in range(11)]
    assert unfounded(page, [facts, tenths], beside=("share of all",)) == []
    drift = page.tables["Drift against the 344 rows of the sample"][1:]
    assert [row[0] for row in drift] == [one["column"] for one in facts["drift"]["columns"]]
    assert [figure(row[1]) for row in drift] == pytest.approx(
        [one["psi"] for one in facts["drift"]["columns"]], rel=1e-5
    )
    pictures = [title for level, title in page.headings if level == 3][: len(page.svgs)]
    assert {"Rejected rows by reason", "Drift of island", "Rows a second by stage"} <= {one.strip() for one in pictures}
    assert page.fetched == []
    assert "style=" not in text
    assert "<script" not in text
