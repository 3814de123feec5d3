"""The benchmark runs, so that its figures can be had anew at any time; what it compares with is checked too."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks import bench_serve, load


def test_a_line_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], whole: bool) -> None:
    """With one short pair a comparison is made and judged, and this process may use its cores again."""
    allowed = os.sched_getaffinity(0)
    names = ("one", "hundred", "p99", "heavy") if whole else ("one",)
    for name in names:
        bench_serve.main(["--only", name, "--pairs", "1", "--seconds", "0.3", "--cache", str(tmp_path)])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("1 pairs of runs of 0.3 s; server on core ")
        assert "holds" in lines[2] or "not reached" in lines[2]
        assert len(lines) == (4 if name == "heavy" else 3)
    assert os.sched_getaffinity(0) == allowed


def test_a_run_with_failures_is_no_figure() -> None:
    """Answers other than 200 stop the benchmark."""
    with pytest.raises(RuntimeError, match="422"):
        bench_serve.whole(load.Seen(Counter({"200": 10, "422": 1})))
