"""Limits that the system sets: the size of a file, a small disk, memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.batch.models import put_town
from tests.faults.campaign import Field, Runner
from tests.faults.conftest import COMMON, SCENARIOS, Pick, rows

KINDS = [scenario for scenario in SCENARIOS if scenario.name in ("csv", "parquet", "folder over an older one")]
EVERY_KIND = pytest.mark.parametrize("disturbed", KINDS, indirect=True, ids=lambda scenario: scenario.name)
MEGABYTE = 1 << 20
LONGEST = 60.0


@EVERY_KIND
def test_a_limit_of_a_file(disturbed: Field, pick: Pick[int]) -> None:
    """A file that may not grow further ends the run with exit 6, and without the limit it goes on."""
    for limit in pick((4096, 10_000, 16_384), 1):
        ended = disturbed.limited({"RLIMIT_FSIZE": limit})
        assert ended.code == 6
        assert "File too large" in ended.said
        disturbed.finished()


@pytest.mark.whole
@EVERY_KIND
@pytest.mark.parametrize("more", [0, 4, 16, 48, 96, 192])
def test_a_limit_of_memory(disturbed: Field, more: int) -> None:
    """A run that gets no memory fails without harm, and with enough of it the next one does the job."""
    ended = disturbed.limited({"RLIMIT_AS": more * MEGABYTE}, added="RLIMIT_AS", kill_after=LONGEST)
    assert ended.code != -9, "it hung"
    disturbed.finished()


@pytest.mark.whole
def test_a_small_disk(runner: Runner, tmp_path: Path) -> None:
    """A disk of a megabyte that is full ends the run with exit 6; with room the same command goes on."""
    disk, given = tmp_path / "disk", tmp_path / "in.csv"
    disk.mkdir()
    put_town(tmp_path)
    given.write_text(rows(60_000))
    command = (str(given), "-m", str(tmp_path / "town.onnx"), "-o", "scored.csv", *COMMON)
    assert runner.run(tmp_path, command).code == 0
    mount(disk, "size=1m")
    try:
        ended = runner.run(disk, command)
        assert ended.code == 6
        assert "No space left on device" in ended.said
        assert not (disk / "scored.csv").exists()
        mount(disk, "remount,size=16m")
        again = runner.run(disk, command)
        assert again.code == 0
        assert "Going on after" in again.said
        for name in ("scored.csv", "scored.rejects.ndjson"):
            assert (disk / name).read_bytes() == (tmp_path / name).read_bytes()
    finally:
        subprocess.run(["umount", str(disk)], check=True)  # noqa: S607


def mount(disk: Path, options: str) -> None:
    """Mount a file system in memory, where that is allowed."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
