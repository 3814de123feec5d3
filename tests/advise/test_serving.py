"""How a server is asked: requests of a size that fits the model, and words that fit how many there were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlship.advise import serving
from mlship.advise.advice import Advice
from mlship.advise.asking import Seen
from mlship.advise.figures import DAY, Assumed, Needs, Point
from mlship.advise.rules import judged
from mlship.advise.serving import middle, rows_a_request
from mlship.advise.summary import overview
from tests.advise.known import FOREST, LINEAR, figures


@pytest.mark.parametrize(
    ("call", "gain", "rows"),
    [
        pytest.param(0.05, 1.0, 20, id="a second of single rows"),
        pytest.param(0.05, 100.0, 1_901, id="slow alone, cheap together"),
        pytest.param(0.9, 50.0, 8, id="a little more than a second, as it pays"),
        pytest.param(2.0, 1.0, 1, id="nothing gained by more"),
        pytest.param(5e-6, 50.0, 10_000, id="as many as are allowed"),
    ],
)
def test_large_requests_follow_the_curve(call: float, gain: float, rows: int) -> None:
    """They take about a second, have several rows where that pays, and no more than are allowed."""
    assert rows_a_request(figures(call, gain=gain).calls, 100) == pytest.approx(rows, abs=1)


def test_large_requests_are_cut_by_bytes() -> None:
    """Wide rows make fewer of them; a single size that was measured does too."""
    assert rows_a_request(LINEAR.calls, 1 << 20) == 4
    assert rows_a_request(LINEAR.calls, 1 << 30) == 1
    assert rows_a_request(replace(FOREST.calls, curve=(Point(1, 0.1),)), 100) == 10


SLOW = figures(31.0)


@pytest.mark.parametrize(
    ("needs", "way"),
    [(Needs(100.0, None, DAY), "batch"), (Needs(100.0, 60.0), None), (Needs(100.0, 60.0, DAY), "batch")],
)
def test_a_model_slower_than_the_timeout(needs: Needs, way: str | None, tmp_path: Path) -> None:
    """No server is asked, which is told; batch is advised all the same, real time never, and what would raise it is."""
    served, notes = serving.measured(tmp_path / "not-needed.onnx", [], SLOW.calls, tmp_path)
    found = replace(SLOW, served=served, notes=tuple(notes))
    advice = Advice({}, found, needs, Assumed(), judged(found, needs, Assumed()))

    assert advice.verdict.way == way
    assert "--timeout" in str(advice.verdict.of("real time").why)
    assert way is not None or "mlship serve --timeout" in advice.reason
    assert "No request was measured" in advice.measured.notes[0]
    assert ("one row, over HTTP", "not measured") in overview(advice)
    told = advice.to_json()["measured"]
    assert told["serve"] is told["rows_a_day"]["serve_worker"] is None
    assert told["rows_a_day"]["batch_core"] > 0


def test_the_middle_round_counts() -> None:
    """Neither the best nor the worst of three is what a busy worker does."""
    rounds = [Seen([0.1, seconds]) for seconds in (0.9, 0.2, 0.4)]

    assert middle(rounds).quantile(0.99) == 0.4


@pytest.mark.parametrize(("asked", "word"), [(12, "largest of 12"), (100, "p99")])
def test_few_requests_have_no_p99(asked: int, word: str) -> None:
    """What is the largest of a few is told as that, in the table, the reason and what is considered."""
    served = replace(FOREST.served, asked=asked, busy_asked=asked)
    found, needs = replace(FOREST, served=served), Needs(100.0, 0.5)
    advice = Advice({}, found, needs, Assumed(), judged(found, needs, Assumed()))

    assert f"({word})" in advice.reason
    assert word in dict(overview(advice))["one row, over HTTP"]
    assert dict(advice.considerations)["latency"].count(word) == 3
    assert advice.to_json()["measured"]["serve"]["busy_asked"] == asked
