"""Power that fails: what the system had not yet written is gone, and the next run gives the undisturbed bytes."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.faults.campaign import KILL_AFTER, Fault, Field
from tests.faults.conftest import Pick
from tests.faults.test_flips import journal_writes, work_of

CUTS = 20


def lose(path: Path, dice: random.Random) -> None:
    """Leave a file as a disk has it on which the last pages never came: cut, or of its size with zeros at the end."""
    data = path.read_bytes()
    there = dice.randrange(len(data) + 1)
    zeros = bytes(len(data) - there) if dice.random() < 0.5 else b""
    path.write_bytes(data[:there] + zeros)


def test_power_fails_in_a_run(disturbed: Field, pick: Pick[int], tmp_path: Path) -> None:
    """Whatever files of a run that ended half way lost their ends, the next one makes all of it whole again."""
    half = journal_writes(disturbed)[1]
    disturbed.disturbed(Fault(KILL_AFTER, half))
    saved = tmp_path / "saved"
    shutil.copytree(disturbed.folder, saved)
    for seed in pick(range(CUTS), 3):
        dice = random.Random(seed)  # noqa: S311 - the same every time
        shutil.rmtree(disturbed.folder)
        shutil.copytree(saved, disturbed.folder)
        work = work_of(disturbed)
        files = [path for path in sorted(work.rglob("*")) if path.is_file() and path.stat().st_size]
        files = [path for path in files if path.name != "record.json"]  # of a run that ended well: it was synced
        assert files
        for path in dice.sample(files, dice.randrange(1, len(files) + 1)):
            lose(path, dice)
        disturbed.finished()
