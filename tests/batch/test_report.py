"""The page of a batch run, laid out from the facts of its JSON report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlship.batch.report import document
from mlship.batch.verdict import verdict
from mlship.export.baseline import make_baseline, outputs_baseline
from mlship.monitor.actual import Actual
from mlship.monitor.comparison import Comparison
from mlship.monitor.contract import Monitor
from mlship.monitor.drift import Drift
from mlship.monitor.predictions import Predictions
from mlship.report.document import write_report
from mlship.report.page import to_html
from tests.monitor.pieces import column, output, result_of, seen_of
from tests.report.pages import Page, figure, unfounded

ODD = "a <b> & \"c\" 'São'"
RANDOM = np.random.default_rng(2)


def watched() -> dict[str, Any]:
    """Return what all monitors find in rows of a classifier with a number and a score beside its label."""
    outputs = [
        output("prediction", "label", "string"),
        output("probability_no", "probability"),
        output(f"probability_{ODD}", "probability"),
        output("score", "score"),
    ]
    columns = [column(ODD), column("city", "category")]
    sample = {ODD: RANDOM.normal(size=1000), "city": np.array(["Porto", "Braga"] * 500, dtype=object)}
    rows = {ODD: RANDOM.normal(1, 1, 1000), "city": np.array(["Porto", None] * 500, dtype=object)}
    answers = []
    for moved in (0.0, 0.1):
        share = np.clip(np.linspace(0, 1, 1000) + moved, 0, 1)
        label = np.where(share > 0.5, ODD, "no").astype(object)
        answers.append(
            {"prediction": label, "probability_no": 1 - share, f"probability_{ODD}": share, "score": share * 9}
        )
    actual = (answers[1]["prediction"], RANDOM.random(1000) < 0.7)
    seen = seen_of(rows, answers[0], answers[1], actual)
    monitors: list[Monitor] = [
        Predictions(outputs),
        Drift(columns, make_baseline(columns, sample, 1000)),
        Comparison(outputs, outputs),
        Actual(outputs),
    ]
    return {monitor.name: result_of(monitor, seen, (300,)) for monitor in monitors}


def facts(**changes: Any) -> dict[str, Any]:
    """Return the facts of a run without monitors."""
    return {
        "status": "done",
        "model": {"name": "churn", "version": "7", "digest": "d" * 64},
        "rows": {"in": 1010, "out": 1000, "rejected": 10},
        "rejects": {"not_a_number": 7, "null_not_allowed": 4},
        "outputs": [f"{ODD}.csv"],
        "digests": {f"{ODD}.csv": "e" * 64},
        "rejects_file": "x.rejects.ndjson",
        "seconds": 1.25,
        "stages": {
            "read": {"cpu_seconds": 0.5, "rows_per_second": 2020.0},
            "score": {"cpu_seconds": 0.25, "rows_per_second": 4000.0},
            "write": {"cpu_seconds": 0.1, "rows_per_second": 10000.0},
        },
        "peak_memory_bytes": 123456789,
        "inputs": [{"path": "in.csv", "size": 4567, "rows": 1010}],
        "predictions": None,
        "drift": None,
        "compare": None,
        "actual": None,
        "gates": [],
        **changes,
    }


FULL = facts(**watched(), gates=[{"name": "drift", "limit": 0.2, "value": 1.5, "exceeded": True}])


OUTPUTS = FULL["predictions"]["outputs"]


def page_of(run: dict[str, Any]) -> Page:
    """Return the page of a run, taken apart."""
    return Page(to_html(document(run)))


def test_the_page_stands_alone() -> None:
    """The page is well-formed, fetches nothing, runs nothing, and escapes every name."""
    page = page_of(FULL)
    assert page.fetched == []
    assert "script" not in page.tags
    assert len(page.svgs) >= 9
    assert ODD in page.text
    assert "b" not in page.tags


def test_the_run() -> None:
    """Rows, stages, memory, files and digests on the page are those of the JSON report."""
    tables = page_of(FULL).tables
    run = dict(tables["Run"])
    assert (figure(run["rows in"]), figure(run["rows scored"]), figure(run["rows rejected"])) == (1010, 1000, 10)
    assert figure(run["peak memory"]) == 123456789
    assert figure(run["seconds"]) == 1.25
    assert run["digest of the model"] == "d" * 64
    assert tables["Rejected rows by reason"][1:] == [
        ["not_a_number", "not a number", "7", "0.6931 %"],
        ["null_not_allowed", "null, which the model does not accept here", "4", "0.396 %"],
    ]
    stages = {name: (figure(cpu), figure(rate)) for name, cpu, rate in tables["Rows a second by stage"][1:]}
    assert stages == {"read": (0.5, 2020), "score": (0.25, 4000), "write": (0.1, 10000)}
    assert tables["Inputs"][1:] == [["in.csv", "4,567 bytes", "1,010"]]
    assert tables["Outputs"][1:] == [[f"{ODD}.csv", "e" * 64]]
    assert tables["Limits"][1:] == [["drift", "0.2", "1.5", "exceeded"]]


def test_what_monitors_found() -> None:
    """Figures of drift, predictions, comparison and truth on the page are those of the JSON report."""
    tables = page_of(FULL).tables
    drift = tables["Drift against the 1,000 rows of the sample"][1:]
    assert [row[0] for row in drift] == [one["column"] for one in FULL["drift"]["columns"]]
    for row, one in zip(drift, FULL["drift"]["columns"], strict=True):
        shown = [figure(cell) for cell in row[1:]]
        assert shown == pytest.approx([one["psi"], one["missing_then"], one["missing_now"]], rel=1e-3)
        for cells, part in zip(tables[f"Drift of {one['column']}"][1:], one["bins"], strict=True):
            assert cells[0] == part["bin"]
            assert list(map(figure, cells[1:])) == pytest.approx([part["now"], part["then"]], rel=1e-3)
    labels, _, _, score = FULL["predictions"]["outputs"]
    assert [row[:2] for row in tables["Predictions: prediction"][1:]] == [
        [one["label"], str(one["rows"])] for one in labels["labels"]
    ]
    assert figure(dict(tables["Predictions: score"])["mean"]) == pytest.approx(score["mean"], rel=1e-5)
    truth = dict(tables["Against what came true"])
    for name in ("accuracy", "auc", "log loss"):
        assert figure(truth[name]) == pytest.approx(FULL["actual"][name.replace(" ", "_")], rel=1e-5)
    moved = tables["Rows that moved most"][1:]
    assert [(row[0], figure(row[1])) for row in moved] == [("in.csv", one["row"]) for one in FULL["compare"]["moved"]]
    differences = tables["Differences of numbers"][1:]
    for row, one in zip(differences, FULL["compare"]["numbers"], strict=True):
        expected = [one[name] for name in ("largest", "mean", "changed", "no_number", "psi")]
        assert list(map(figure, row[1:])) == pytest.approx(expected, rel=1e-5)


def test_pictures_say_what_tables_say() -> None:
    """Every figure of a picture stands in the table beside it."""
    page = page_of(FULL)
    cells = {cell for rows in page.tables.values() for row in rows for cell in row}
    for svg in page.svgs:
        texts = [element.text or "" for element in svg if element.tag.endswith("}text")]
        ticks = {text for text in texts if re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?[kMG]?( %)?", text)}
        ours = {"now", "in the sample", "share of rows", "much: over 0.25", *(one["output"] for one in OUTPUTS)}
        assert {text for text in texts if not text.endswith("…")} - ticks <= cells | ours


def test_no_figure_but_those_of_the_json_report() -> None:
    """Every number in a table is one of the JSON report's, but a share that is reckoned from two of them."""
    tenths = [tenth / 10 for tenth in range(11)]
    assert unfounded(page_of(FULL), [FULL, tenths], beside=("share of all",)) == []
    wrong = {**FULL, "rows": {"in": 1011, "out": 1000, "rejected": 10}}
    assert unfounded(page_of(wrong), [FULL, tenths], beside=("share of all",)) == ["Run: 1,011"]


SCORED = "churn 7 scored 1,000 of 1,010 rows, and 10 were rejected (mostly not_a_number: 7)"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"{SCORED}."),
        (
            {"gates": [{"name": "drift", "limit": 1, "value": 0.1, "exceeded": False}]},
            f"{SCORED}; within all limits.",
        ),
        (
            {"gates": [{"name": name, "limit": 1, "value": 2, "exceeded": True} for name in ("drift", "changed rows")]},
            f"{SCORED}; past the limit: drift, changed rows.",
        ),
        (
            {"status": "stopped", "model": None},
            "The run was stopped: No model scored 1,000 of 1,010 rows, and 10 were rejected (mostly not_a_number: 7).",
        ),
    ],
)
def test_the_verdict(changes: dict[str, Any], expected: str) -> None:
    """One sentence tells what came of the run; it is the first on the page."""
    assert verdict(facts(**changes)) == expected
    assert expected in page_of(facts(**changes)).text


def test_a_run_of_nothing() -> None:
    """A run that has no rows, no monitors and no stages still has a page, and one without a baseline says so."""
    bare = facts(
        rows={"in": 0, "out": 0, "rejected": 0}, rejects={}, stages={}, inputs=[], outputs=[], rejects_file=None
    )
    assert list(page_of(bare).tables) == ["Run"]
    drift = Drift([column("a")], None).result({})
    assert "without --sample" in page_of(facts(drift=drift)).tables["Drift"][0][1]
    empty: list[Monitor] = [
        Predictions([output("p", "value")]),
        Comparison([output("p", "value")], [output("p", "value")]),
    ]
    found = {monitor.name: monitor.result({}) for monitor in empty}
    assert "Compared with the other model" in page_of(facts(**found)).tables


def test_the_json_report_is_the_facts(tmp_path: Path) -> None:
    """Written as JSON the report is the facts, every digit; names that are no Unicode do not stop it."""
    write_report(tmp_path / "report.json", document(FULL))
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == FULL
    for name, written in (("odd.html", r"\udcff.csv"), ("odd.json", "?.csv")):
        write_report(tmp_path / name, document(facts(outputs=["\udcff.csv"], digests={})))
        assert written in (tmp_path / name).read_text(encoding="utf-8")


def test_answers_beside_those_to_the_sample() -> None:
    """Where the artifact tells the original's answers to its sample, each picture of answers shows both."""
    outputs = [
        output("prediction", "label", "string"),
        output("probability_no", "probability"),
        output("score", "score"),
    ]

    def answers(share: Any) -> dict[str, Any]:
        label = np.where(share > 0.5, "yes", "no").astype(object)
        return {"prediction": label, "probability_no": 1 - share, "score": share * 9}

    baseline = {"outputs": outputs_baseline(outputs, answers(np.linspace(0, 1, 1000)), 1000)}
    seen = seen_of({}, answers(np.linspace(0.6, 1, 500)))
    found = Predictions(outputs, baseline).result(Predictions(outputs).count(seen))
    assert [one["then"] for one in found["outputs"]] == list(baseline["outputs"].values())
    page = page_of(facts(predictions=found))
    assert page.tables["Predictions: prediction"] == [
        ["label", "rows", "share", "share in the sample"],
        ["yes", "500", "100 %", "50 %"],
        ["no", "0", "0 %", "50 %"],
    ]
    shares = page.tables["Predictions: probability_no, distribution"]
    assert shares[0] == ["from, to", "share", "share in the sample"]
    assert {figure(row[2]) for row in shares[1:]} == {0.05}
    deciles = next(table for title, table in page.tables.items() if title.startswith("Predictions: score, deciles"))
    assert [row[0] for row in deciles[1:]] == ["now", "in the sample"]
    assert figure(deciles[2][-1]) == 9
