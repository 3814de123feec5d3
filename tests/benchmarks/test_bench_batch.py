"""The benchmark runs, so that its figures can be had anew at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import bench_batch

SAMPLE = ("csv lr / copy", "memory")
"""What is compared by default: one contest with the model that is quickly made, and memory."""


def test_every_line_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], whole: bool) -> None:
    """With few rows and one pair each comparison is made, and judged where there is a bar."""
    for only in [""] if whole else SAMPLE:
        bench_batch.main(["--rows", "5000", "--pairs", "1", "--cache", str(tmp_path), "--only", only])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "5,000 rows of 31 columns, 1 pairs of runs"
        contests = [contest for contest in bench_batch.CONTESTS if only in contest.name]
        assert len(contests) == {"": len(bench_batch.CONTESTS), SAMPLE[0]: 1, "memory": 0}[only]
        for contest in contests:
            told = [line for line in lines if line.startswith(contest.name)]
            assert len(told) == 3
            judged = [line for line in told if "holds" in line or "not reached" in line]
            assert len(judged) == len(contest.bars)
        assert lines[-1].startswith("memory, ") == (only != SAMPLE[0])


def test_a_process_that_fails_is_no_figure() -> None:
    """A command that ends badly stops the benchmark."""
    with pytest.raises(RuntimeError, match="ended with 1"):
        bench_batch.spent(bench_batch.peer("copy", "absent.csv", "copied.csv", "id"))
