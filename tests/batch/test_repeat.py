"""Keeping a schedule: runs one after the other at their times, tried again where that helps, and a clean end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlship.batch.schedule import Schedule, repeat
from mlship.batch.window import StopAt
from mlship.errors import (
    DependencyMissing,
    InputRefused,
    MlshipError,
    ModelRefused,
    NotConvertible,
    OutputFailed,
    OutputLocked,
    Stopped,
    UsageError,
)

ROOT = Path(__file__).resolve().parents[2]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def utc(text: str) -> datetime:
    """Return an instant written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Gate(MlshipError):
    """A gate was exceeded."""

    exit_code = 9


@dataclass
class World:
    """A world whose time passes only while someone waits or works, and in which clocks may be set.

    Attributes:
        clock: What the clock shows, in UTC.
        end: How much time passes until SIGTERM comes.
        results: What each run does: how long it takes, and its result or its error.
        jumps: After how much time the clock is set, and by how much.
    """

    clock: datetime
    end: timedelta
    results: Iterator[tuple[timedelta, str | Exception]]
    jumps: list[tuple[timedelta, timedelta]] = field(default_factory=list)
    passed: timedelta = timedelta()
    runs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """Tell the time."""
        return self.clock

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        assert 0 < seconds <= 60
        self.pass_by(timedelta(seconds=seconds))
        if self.passed >= self.end:
            raise Stopped(signal.SIGTERM, "Stopped by SIGTERM between two runs.")

    def pass_by(self, duration: timedelta) -> None:
        """Move time on, and set the clock where it is to be set."""
        self.passed += duration
        self.clock += duration
        while self.jumps and self.jumps[0][0] <= self.passed:
            self.clock += self.jumps.pop(0)[1]

    def once(self, due: datetime) -> str:
        """Do a run."""
        self.runs.append(f"{self.clock:%d %H:%M}" + ("" if self.clock == due else f" for {due:%d %H:%M}"))
        took, result = next(self.results)
        self.pass_by(took)
        if isinstance(result, Exception):
            raise result
        return result


def fine() -> Iterator[tuple[timedelta, str | Exception]]:
    """Runs that all go well, in a minute."""
    while True:
        yield MINUTE, "7 rows in, 7 out."


def first(*results: tuple[timedelta, str | Exception]) -> Iterator[tuple[timedelta, str | Exception]]:
    """Runs that begin in a given way, and then all go well."""
    yield from results
    yield from fine()


def keep(world: World, expression: str, zone: str = "UTC") -> World:
    """Keep a schedule until SIGTERM."""
    with pytest.raises(Stopped, match="SIGTERM between two runs"):
        repeat(Schedule(expression, zone), world.once, world.lines.append, world.wait, world.now)
    return world


def test_a_schedule_is_kept_for_months() -> None:
    """From January to June there is one run each night at two, by the clocks of Berlin, each told with the next."""
    world = keep(World(utc("2026-01-01T12:00"), 180 * DAY, fine()), "0 2 * * *", "Europe/Berlin")
    assert len(world.runs) == 180
    assert world.runs[:2] == ["02 01:00", "03 01:00"]
    assert world.runs[-1] == "30 00:00"
    assert world.lines[:4] == [
        "Runs are scheduled at '0 2 * * *' in Europe/Berlin.",
        "Next run: 2026-01-02 02:00 CET.",
        "The run due at 2026-01-02 02:00 CET is done: 7 rows in, 7 out.",
        "Next run: 2026-01-03 02:00 CET.",
    ]
    assert len(world.lines) == 2 + 2 * 180


@pytest.mark.parametrize(
    ("zone", "start", "runs"),
    [
        ("Europe/Berlin", "2026-03-28T00:00", ["28 01:30", "29 01:00", "30 00:30"]),
        ("Europe/Berlin", "2027-10-30T00:00", ["30 00:30", "31 00:30", "01 01:30"]),
        ("America/New_York", "2027-03-13T06:00", ["13 07:30", "14 07:00", "15 06:30"]),
        ("America/New_York", "2026-10-31T06:00", ["31 06:30", "01 07:30", "02 07:30"]),
    ],
)
def test_changes_of_clocks_give_one_run_a_night(zone: str, start: str, runs: list[str]) -> None:
    """A run at 02:30 comes once in the night that has no 02:30, and once in the one that has two."""
    assert keep(World(utc(start), 3 * DAY, fine()), "30 2 * * *", zone).runs == runs


def test_a_run_that_lasts_past_a_time_skips_it() -> None:
    """There are never two runs at once: times that come meanwhile are left out, and told."""
    world = keep(World(utc("2026-01-01T00:00"), 55 * MINUTE, first((25 * MINUTE, "long."))), "*/10 * * * *")
    assert world.runs == ["01 00:10", "01 00:40", "01 00:50"]
    assert world.lines[2:5] == [
        "The run due at 2026-01-01 00:10 UTC is done: long.",
        "The run due at 2026-01-01 00:20 UTC was skipped: the one before lasted until 2026-01-01 00:35 UTC.",
        "Next run: 2026-01-01 00:40 UTC.",
    ]


@pytest.mark.parametrize("error", [OutputFailed("The disk is full."), OutputLocked("Held.", hint="Wait.")])
def test_what_may_pass_is_tried_again(error: MlshipError) -> None:
    """After exit codes 6 and 7 a run is done again, after waits that grow up to a quarter of an hour."""
    failures = [(timedelta(), error)] * 5
    world = keep(World(utc("2026-01-01T01:00"), DAY, first(*failures)), "0 2 * * *")
    again = ["01 02:01", "01 02:06", "01 02:21", "01 02:36", "01 02:51"]
    assert world.runs == ["01 02:00", *(f"{moment} for 01 02:00" for moment in again)]
    hint = f" {error.hint}" if error.hint else ""
    assert world.lines[2:4] == [
        f"The run due at 2026-01-01 02:00 UTC failed with exit code {error.exit_code}: {error.message}{hint}",
        "Trying again at 2026-01-01 02:01 UTC.",
    ]
    assert world.lines[-2:] == [
        "The run due at 2026-01-01 02:00 UTC is done: 7 rows in, 7 out.",
        "Next run: 2026-01-02 02:00 UTC.",
    ]


def test_trying_again_ends_with_the_next_time() -> None:
    """A run is tried again only before the next one is due, which then is a run of its own."""
    failures = [(MINUTE, OutputFailed("No."))] * 4
    world = keep(World(utc("2026-01-01T00:01"), 45 * MINUTE, first(*failures)), "*/20 * * * *")
    assert world.runs == [
        "01 00:20",
        "01 00:22 for 01 00:20",
        "01 00:28 for 01 00:20",
        "01 00:40",
        "01 00:42 for 01 00:40",
    ]


@pytest.mark.parametrize(
    "error",
    [InputRefused("Too bad."), ModelRefused("Corrupt."), NotConvertible("Two columns of a name."), Gate("Drift.")],
)
def test_other_failures_wait_for_the_next_time(error: MlshipError) -> None:
    """Exit codes 3, 4, 5 and 9 are told, and the schedule goes on without trying again."""
    world = keep(World(utc("2026-01-01T00:00"), 2 * DAY, first((MINUTE, error))), "0 2 * * *")
    assert world.runs == ["01 02:00", "02 02:00"]
    assert world.lines[2] == (
        f"The run due at 2026-01-01 02:00 UTC failed with exit code {error.exit_code}: {error.message}"
    )


def test_a_closed_window_waits_for_the_next_time() -> None:
    """A run that its window ended is not tried again at once, nor does a second try get the window of tomorrow."""
    world = World(utc("2026-01-01T00:00"), 2 * DAY, first((238 * MINUTE, OutputFailed("No."))))
    stop_at = StopAt("06:00", "UTC")

    def once(due: datetime) -> str:
        window = stop_at.window(due, world.now)
        result = world.once(due)
        world.pass_by(5 * MINUTE)
        window.check()
        return result

    with pytest.raises(Stopped):
        repeat(Schedule("0 2 * * *", "UTC"), once, world.lines.append, world.wait, world.now)
    assert world.runs == ["01 02:00", "01 05:59 for 01 02:00", "02 02:00"]
    assert sum("--stop-at" in line for line in world.lines) == 1


@pytest.mark.parametrize(
    "error", [MlshipError("A bug."), UsageError("No model."), DependencyMissing("Absent."), ZeroDivisionError("x")]
)
def test_what_no_later_run_can_mend_ends_it(error: Exception) -> None:
    """A bug, wrong options, no model and an absent library end the schedule with that error."""
    world = World(utc("2026-01-01T00:00"), DAY, first((MINUTE, error)))
    with pytest.raises(type(error)) as ended:
        repeat(Schedule("0 2 * * *", "UTC"), world.once, world.lines.append, world.wait, world.now)
    assert ended.value is error
    assert world.runs == ["01 02:00"]


def test_a_signal_during_a_run_ends_it() -> None:
    """A run that stopped for a signal is not tried again."""
    world = World(utc("2026-01-01T00:00"), DAY, first((MINUTE, Stopped(signal.SIGINT, "Stopped by SIGINT."))))
    with pytest.raises(Stopped, match="SIGINT") as stopped:
        repeat(Schedule("0 2 * * *", "UTC"), world.once, world.lines.append, world.wait, world.now)
    assert stopped.value.stop_code == 130
    assert world.runs == ["01 02:00"]


@pytest.mark.parametrize(
    ("expression", "jump", "runs", "skipped"),
    [
        pytest.param("0 2 * * *", HOUR, ["01 02:30 for 01 02:00", "02 02:00"], [], id="within the hour"),
        pytest.param("0 2 * * *", 2 * HOUR, ["02 02:00"], ["01 02:00"], id="past it"),
        pytest.param("0 2 * * *", 2 * DAY, ["03 02:00"], ["01 02:00"], id="two nights"),
        pytest.param("0 * * * *", 3 * HOUR, ["01 04:30 for 01 04:00"], ["01 02:00"], id="the last of several"),
        pytest.param("*/50 2 * * *", HOUR, ["01 02:30 for 01 02:00", "01 02:50"], [], id="one to come"),
        pytest.param("0,20 2 * * *", HOUR, ["01 02:30 for 01 02:20"], ["01 02:00"], id="two within the hour"),
    ],
)
def test_times_that_were_slept_through(expression: str, jump: timedelta, runs: list[str], skipped: list[str]) -> None:
    """After a suspend, or a clock put forward, the last time missed is made up for within an hour, and not later."""
    world = keep(World(utc("2026-01-01T01:15"), 3 * DAY, fine(), [(15 * MINUTE, jump)]), expression)
    assert world.runs[: len(runs)] == runs
    told = [line for line in world.lines if "was skipped" in line]
    assert re.findall("due at 2026-01-(.*?) UTC was skipped", "".join(told)) == skipped
    assert all("as after a suspend or a jump of the clock" in line for line in told)


def test_a_clock_put_back_a_little_repeats_nothing() -> None:
    """A time that was run is not run again when the clock shows it once more."""
    world = World(utc("2026-01-01T01:50"), 6 * HOUR, fine(), [(15 * MINUTE, -30 * MINUTE)])
    assert keep(world, "0 2,4 * * *").runs == ["01 02:00", "01 04:00"]


def test_a_clock_that_was_far_ahead_is_believed_once_it_is_put_back() -> None:
    """A schedule that began under a clock a year ahead does not wait for that year to pass."""
    world = World(utc("2027-01-01T00:10"), 2 * DAY, fine(), [(5 * MINUTE, -365 * DAY)])
    assert keep(world, "0 2 * * *").runs == ["01 02:00", "02 02:00"]
    assert world.lines[1:3] == [
        "Next run: 2027-01-01 02:00 UTC.",
        "The clock was put back. Next run: 2026-01-01 02:00 UTC.",
    ]


def test_a_machine_that_sleeps_before_another_try() -> None:
    """When the next run is due after a suspend, the one before is not tried again."""
    failure = (timedelta(), OutputFailed("No."))
    world = World(utc("2026-01-01T01:59"), 2 * HOUR, first(failure, failure), [(2 * MINUTE, 70 * MINUTE)])
    assert keep(world, "0 2,3 * * *").runs == ["01 02:00", "01 03:11 for 01 03:00", "01 03:12 for 01 03:00"]


def test_a_clock_put_back_before_another_try() -> None:
    """The wait before another try stays as long as it was meant, however the clock is set."""
    failure = (timedelta(), OutputFailed("No."))
    world = World(utc("2026-01-01T01:59"), 30 * MINUTE, first(failure, failure), [(3 * MINUTE, -DAY)])
    keep(world, "0 2 * * *")
    assert world.runs[:3] == ["01 02:00", "01 02:01 for 01 02:00", "31 02:07 for 01 02:00"]


CHILD = """
import sys
from datetime import UTC, datetime, timedelta
from mlship.batch.schedule import Schedule, repeat
from mlship.batch.stop import stop_on_signals
from mlship.errors import Stopped, exit_code_of

began = datetime.now(UTC)

def now():  # the real clock, a second before a minute begins
    return datetime(2026, 1, 1, 1, 59, 59, tzinfo=UTC) + (datetime.now(UTC) - began)

try:
    with stop_on_signals() as stop:
        schedule = Schedule("0 2 * * *", "UTC")
        repeat(schedule, lambda due: f"{due:%H:%M}.", lambda text: print(text, flush=True), stop.wait, now)
except Stopped as error:
    print(error.message, flush=True)
    sys.exit(exit_code_of(error))
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_waits_ends_at_once(signum: signal.Signals, code: int) -> None:
    """A process does a run at its time, waits for the next one, and ends within a second when it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert lines == [
            "Runs are scheduled at '0 2 * * *' in UTC.\n",
            "Next run: 2026-01-01 02:00 UTC.\n",
            "The run due at 2026-01-01 02:00 UTC is done: 02:00.\n",
            "Next run: 2026-01-02 02:00 UTC.\n",
        ]
        began = time.monotonic()
        process.send_signal(signum)
        stdout, stderr = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
        assert (process.returncode, stdout, stderr) == (code, f"Stopped by {signum.name} between two runs.\n", "")
    finally:
        process.kill()
        process.communicate()
