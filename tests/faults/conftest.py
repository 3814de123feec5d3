"""A warm process to run in, jobs to disturb, and how many of the disturbances are tried."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.batch.models import put_town
from tests.faults.campaign import Field, Runner, Scenario

_Case = TypeVar("_Case")
Pick = Callable[[Sequence[_Case], int], Sequence[_Case]]

ROWS = 2400
COMMON = ("--chunk-size", "16KiB", "--max-rejects", "50%", "--workers", "1")
SHARDS = tuple(("in.csv", "-o", "scored/", "--shard", f"{index}/2", *COMMON) for index in range(2))


def one(name: str, output: str, *, before: bool = False) -> Scenario:
    """A job of one command."""
    return Scenario(name, (("in.csv", "-o", output, *COMMON),), output.rstrip("/"), before)


SCENARIOS = (
    one("csv", "scored.csv"),
    one("csv over an older one", "scored.csv", before=True),
    one("csv.gz", "scored.csv.gz"),
    one("parquet", "scored.parquet"),
    one("parquet over an older one", "scored.parquet", before=True),
    one("folder", "scored/"),
    one("folder over an older one", "scored/", before=True),
    Scenario("shards", SHARDS, "scored"),
    Scenario("shards over older ones", SHARDS, "scored", before=True),
)


@pytest.fixture(scope="session")
def pick(whole: bool) -> Pick[Any]:
    """All cases with --whole; else as many as asked for, others at each place, the same every time."""
    if whole:
        return lambda cases, _number: cases
    return lambda cases, number: sorted(random.Random(7).sample(list(cases), min(number, len(cases))))  # noqa: S311


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The warm process, with the shim in it."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler `cc`, with which the shim that makes faults is built")
    made = Runner(tmp_path_factory.mktemp("runner"), compiler)
    try:
        yield made
    finally:
        made.close()


def rows(count: int, shift: int = 0) -> str:
    """A file of which some rows in each chunk are refused."""
    lines = [
        f"{'old' if row % 97 == 5 else row + shift},{row * 3},{'Rome' if row % 89 == 7 else 'Porto'}\n"
        for row in range(count)
    ]
    return "my age,income,city\n" + "".join(lines)


def prepared(runner: Runner, scenario: Scenario, folder: Path) -> Field:
    """A folder for a job, in which it was done once undisturbed."""
    template = folder / "template"
    template.mkdir()
    put_town(template)
    given = template / "in.csv"
    if scenario.before:
        given.write_text(rows(ROWS // 2, shift=1))
        for command in scenario.commands:
            assert runner.run(template, command).code == 0
    given.write_text(rows(ROWS))
    made = Field(runner, scenario, template)
    made.prepare()
    return made


LIKE_OTHERS = ("csv over an older one", "parquet over an older one", "shards over older ones")
CASES = [
    pytest.param(scenario, id=scenario.name, marks=pytest.mark.whole if scenario.name in LIKE_OTHERS else ())
    for scenario in SCENARIOS
]


@pytest.fixture(params=CASES)
def disturbed(request: pytest.FixtureRequest, runner: Runner, tmp_path: Path) -> Field:
    """Each job."""
    return prepared(runner, request.param, tmp_path)
