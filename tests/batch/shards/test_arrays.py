"""Array jobs of AWS Batch, whose children are really run as processes, killed, stopped and tried again."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.batch.shards.array import Array, names, published, put, rejects, rows, undisturbed

SEEDS = [pytest.param(seed, marks=[pytest.mark.whole] if seed >= 1 else []) for seed in range(6)]


@pytest.fixture(params=["store", pytest.param("disk", marks=pytest.mark.whole)])
def array(request: pytest.FixtureRequest, folder: Path, whole: bool) -> Array:
    """An array job with inputs of different sizes, in a store or on a disk."""
    size, inputs = (7, 10) if whole else (3, 5)
    if request.param == "store":
        bucket = request.getfixturevalue("bucket")
        made = Array(folder, f"{bucket}/in/", f"{bucket}/out/", size)
    else:
        made = Array(folder, f"{folder}/in/", f"{folder}/out/", size)
    for number in range(inputs):
        put(f"{made.given}{number}.csv", rows(1000 * number, 30 + 25 * (number * 7 % 10)))
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_children_and_new_files(array: Array, seed: int, whole: bool) -> None:
    """Whoever is killed and whatever comes meanwhile, readers see nothing until all is there: what one run makes.

    Odd seeds have an older output that readers see until then.
    """
    chance = random.Random(seed)  # noqa: S311 - points to kill at
    again = Array(array.folder, array.given, array.output, array.size, parent="job-2")
    before = None
    if seed % 2:
        array.run(chance, lambda: None, 0)
        before = published(array.output)
        put(f"{array.given}3.csv", rows(3000, 99))
        array = Array(array.folder, array.given, array.output, array.size, parent="job-3")
    expected = undisturbed(array, array.output.replace("/out/", "/undisturbed/"))
    arrived: list[str] = []

    def meanwhile() -> None:
        seen = published(array.output)
        assert seen in (before, expected[0]) or (seen is None and not array.output.startswith("s3:"))
        if len(arrived) < 3:
            arrived.append(f"{array.given}0-new-{len(arrived)}.csv")
            put(arrived[-1], rows(50000 + 1000 * len(arrived), 40))

    array.run(chance, meanwhile, 12 if whole else 2)

    assert published(array.output) == expected[0]
    assert rejects(array.output) == expected[1]
    assert len([code for _, code in array.seen if code]) > 0
    assert not [name for name in names(array.output) if name.endswith(".entry") or "/job-" in name]
    if not whole:
        return
    again.run(chance, lambda: None, 4)
    expected = undisturbed(again, again.output.replace("/out/", "/undisturbed/"))
    assert (published(again.output), rejects(again.output)) == expected


def test_two_children_of_one_index(array: Array) -> None:
    """Of two that are started at once one does the work, and the other is told so, or finds it done."""
    children = [array.start(2), array.start(2)]
    told = [child.communicate(timeout=60)[1] for child in children]
    codes = sorted(child.returncode for child in children)
    assert codes in ([0, 7], [0, 0]), told
    assert codes == [0, 7] or "was scored before" in "".join(told)


def test_a_killed_child_is_tried_again_at_once(array: Array) -> None:
    """The next one waits for the claim of the killed one to expire, so that few attempts are enough."""
    killed = array.start(2, disturbed=(5, "after", int(signal.SIGKILL)))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    again = array.start(2, attempt=2)
    told = again.communicate(timeout=60)[1]
    assert again.returncode == 0, told
