"""A worker holds no more after a million requests than after the first; `make soak` sends so many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serve.campaigns.programs import LEAK, ONE, program, serving
from tests.serve.campaigns.requests import ask
from tests.serve.campaigns.soak import MOST_GROWTH, soak


@pytest.mark.parametrize(
    "total", [20_000, pytest.param(1_000_000, marks=[pytest.mark.whole, pytest.mark.timeout(3600)])]
)
def test_memory_does_not_grow(city_path: Path, total: int) -> None:
    """Good requests, bad ones and broken ones in turn leave less than 50 MB behind, and nothing in the log."""
    with serving(city_path, *ONE) as server:
        found = soak(server, min(50_000, total // 5), total)
        log = server.stderr()
    print(f"{total:,} requests, {found.rate:,.0f}/s, {found.growth:+.1f} MB; {dict(found.counts)}")  # noqa: T201 - `make soak` shows it
    assert set(found.counts) == {"200", "400", "404", "422", "broken off"}
    assert sum(found.counts.values()) == total
    assert found.growth < MOST_GROWTH
    assert "Traceback" not in log


@pytest.mark.whole
def test_a_leak_is_seen(city_path: Path) -> None:
    """The same look at a server that keeps all bodies finds the growth: the check is no blind one."""
    with serving(city_path, *ONE, code=program(LEAK)) as server:
        found = soak(server, 500, 4_000, (ask(0, 500),))
    assert found.growth > MOST_GROWTH
