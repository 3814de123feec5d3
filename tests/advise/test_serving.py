"""How a server is asked: requests of a size that fits the model, and words that fit how many there were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlship.advise.figures import Point
from mlship.advise.serving import rows_a_request
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
