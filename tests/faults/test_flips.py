"""Bits that turn over on the disk in chunks that are done: each is found before anything is published."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.campaign import FLIP, KILL_AFTER, KILL_BEFORE, Fault, Field
from tests.faults.conftest import SCENARIOS, Pick

FLIPS = 25
"""In each of four kinds of output and at each of two moments, which makes 200."""
KINDS = [scenario for scenario in SCENARIOS if scenario.name in ("csv", "csv.gz", "parquet", "folder")]
EVERY_KIND = pytest.mark.parametrize("disturbed", KINDS, indirect=True, ids=lambda scenario: scenario.name)


def journal_writes(disturbed: Field) -> list[int]:
    """The calls by which chunks are noted as done."""
    return [call.number for call in disturbed.calls[0] if call.function == "write" and call.path.endswith("/journal")]


def work_of(disturbed: Field) -> Path:
    """The work folder."""
    return disturbed.folder / f".{disturbed.scenario.output}.mlship"


def some_bit(work: Path, dice: random.Random) -> tuple[Path, int]:
    """A bit of what finished chunks consist of."""
    files = [path for path in sorted(work.rglob("*")) if path.is_file() and path.stat().st_size]
    files = [path for path in files if path.name not in ("lock", "record.json", "journal")]
    path = dice.choice(files)
    return path, dice.randrange(8 * path.stat().st_size)


def flip(path: Path, bit: int) -> None:
    """Turn a bit over."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


@EVERY_KIND
def test_flips_in_a_run_that_stopped_half_way(disturbed: Field, pick: Pick[int], tmp_path: Path) -> None:
    """Whatever bit of a stopped run's chunks turns over, the run that goes on gives the undisturbed bytes."""
    half = journal_writes(disturbed)[1]
    disturbed.disturbed(Fault(KILL_AFTER, half))
    work, saved = work_of(disturbed), tmp_path / "saved"
    shutil.copytree(work, saved)
    for seed in pick(range(FLIPS), 2):
        for path in disturbed.folder.glob("scored*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(work)
        shutil.copytree(saved, work)
        path, bit = some_bit(work, random.Random(seed))  # noqa: S311 - the same every time
        flip(path, bit)
        said = disturbed.finished()
        assert "2,400 rows in" in said, f"{path.name}, bit {bit}"


@EVERY_KIND
def test_flips_just_before_publishing(disturbed: Field, pick: Pick[int]) -> None:
    """A bit that turns over in a run that has scored all stops it with exit 6, and the next run mends it."""
    last = journal_writes(disturbed)[-1]
    for seed in pick(range(FLIPS), 2):
        disturbed.disturbed(Fault(KILL_BEFORE, last))
        path, bit = some_bit(work_of(disturbed), random.Random(seed))  # noqa: S311
        ended = disturbed.disturbed(Fault(FLIP, last, (path, bit)))
        assert ended.code == 6, f"{path.name}, bit {bit}: {ended.said}"
        assert "is not on the disk as it was written" in ended.said
        assert not (disturbed.folder / disturbed.scenario.output).exists()
        disturbed.finished()
