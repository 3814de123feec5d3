"""A schedule's times: what cron would do, on days whose clocks change too."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlship.batch.schedule import Schedule
from mlship.errors import DependencyMissing, UsageError, exit_code_of
from tests.batch.zones import ZONES, changes, minutes, wall


def utc(text: str) -> datetime:
    """Return an instant written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(schedule: Schedule, start: str, number: int) -> list[str]:
    """Return the next times after an instant as clocks show them."""
    moment = utc(start)
    found = []
    for _ in range(number):
        moment = schedule.after(moment)
        found.append(schedule.shown(moment))
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-27T12:00",
            ["2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"],
            id="Berlin, spring 2026: at the end of the gap",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2027-10-30T12:00",
            ["2027-10-31 02:30 CEST", "2027-11-01 02:30 CET"],
            id="Berlin, autumn 2027: the first of two",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:10",
            ["2026-10-26 02:30 CET"],
            id="begun at the second 02:10: it was there already",
        ),
        pytest.param(
            "0,30 2,3 * * *",
            "Europe/Berlin",
            "2027-03-27T23:00",
            ["2027-03-28 03:00 CEST", "2027-03-28 03:30 CEST", "2027-03-29 02:00 CEST"],
            id="Berlin, spring 2027: what the gap swallows falls together",
        ),
        pytest.param(
            "30 2 * * *",
            "America/New_York",
            "2026-03-08T00:00",
            ["2026-03-08 03:00 EDT", "2026-03-09 02:30 EDT"],
            id="New York, spring 2026",
        ),
        pytest.param(
            "30 1 * * *",
            "America/New_York",
            "2027-11-07T00:00",
            ["2027-11-07 01:30 EDT", "2027-11-08 01:30 EST"],
            id="New York, autumn 2027",
        ),
        pytest.param(
            "0 0 * * *",
            "America/Santiago",
            "2026-09-05T12:00",
            ["2026-09-06 01:00 -03", "2026-09-07 00:00 -03"],
            id="Santiago: a day without midnight",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:15",
            ["2026-10-25 02:30 CEST", "2026-10-25 02:00 CET", "2026-10-25 02:30 CET", "2026-10-25 03:00 CET"],
            id="stars go by real time",
        ),
        pytest.param(
            "0  12 LW * *",
            "UTC",
            "2026-01-01T00:00",
            ["2026-01-30 12:00 UTC", "2026-02-27 12:00 UTC"],
            id="last weekday of a month",
        ),
        pytest.param("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29 00:00 UTC"], id="leap years"),
    ],
)
def test_times_that_are_known(expression: str, zone: str, start: str, expected: list[str]) -> None:
    """Written out for the nights of 2026 and 2027 whose clocks change."""
    assert times(Schedule(expression, zone), start, len(expected)) == expected


@lru_cache(8)
def shown(change: datetime, zone: str) -> list[tuple[datetime, datetime]]:
    """Return each minute around a change, with what the clocks of a timezone show."""
    return [(moment, wall(moment, zone)) for moment in minutes(change, 60)]


WHOLE_ONLY = [pytest.param(at, marks=pytest.mark.whole) for at in ("00:30", "02:00", "02:15", "03:00")]


@pytest.mark.parametrize("at", ["00:00", "02:30", "23:30", *WHOLE_ONLY])
@pytest.mark.parametrize("zone", ZONES)
def test_a_time_of_day_comes_once_each_day(zone: str, at: str) -> None:
    """Around each change of clocks a daily run comes with the first minute of its day that is not before its time."""
    clock = time.fromisoformat(at)
    schedule = Schedule(f"{clock.minute} {clock.hour} * * *", zone)
    for change in changes(zone):
        moments = [moment for moment, _ in shown(change, zone)]
        expected: dict[datetime, datetime] = {}
        for moment, show in shown(change, zone):
            target = datetime.combine(show, clock)
            for day in (target, target - timedelta(days=1)):
                if show >= day:
                    expected.setdefault(day, moment)
        found = [schedule.after(change - timedelta(hours=24))]
        while len(found) < 3:
            found.append(schedule.after(found[-1]))
        due = sorted(moment for moment in expected.values() if moment > change - timedelta(hours=24))
        assert found == due[:3]
        for start in moments[36 * 60 : 84 * 60 : 20]:  # wherever one begins, so also between two 02:30s
            assert schedule.after(start) == next(moment for moment in due if moment > start)


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_of_an_hour_goes_on(zone: str) -> None:
    """A run every 15 minutes comes every 15 minutes, whatever clocks do."""
    schedule = Schedule("*/15 * * * *", zone)
    for change in changes(zone):
        moment = schedule.after(change - timedelta(hours=5))
        for _ in range(40):
            following = schedule.after(moment)
            assert following - moment == timedelta(minutes=15)
            moment = following


def test_the_machines_own_timezone_is_the_default() -> None:
    """Without a timezone the clocks of this machine count, and the text says which those are."""
    schedule = Schedule("0 2 * * *", None)
    due = schedule.after(datetime.now(UTC))
    assert (due.astimezone().hour, due.astimezone().minute) in {(2, 0), (3, 0)}
    assert str(schedule).startswith("'0 2 * * *' in ")
    assert not str(schedule).endswith(" in ")
    assert str(Schedule(" 0  2 * * * ", "Asia/Tokyo")) == "'0 2 * * *' in Asia/Tokyo"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "five fields"),
        ("@daily", "five fields"),
        ("0 2 * *", "five fields"),
        ("0 0 2 * * *", "five fields"),
        ("0 2 * * * " + " " * 300, "five fields"),
        ("60 2 * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 2 32 * *", "bad day-of-month"),
        ("0 2 * 13 *", "bad month"),
        ("0 2 * * 8", "bad day-of-week"),
        ("0 2 30 2 *", "bad day-of-month"),
        ("0 2 * * MON-", "bad day-of-week"),
        ("*/0 2 * * *", "bad minute"),
        ("-5 2 * * *", "bad minute"),
        ("0 2 */20 * 1L", "no day is like that"),
        ("2am * * * *", "bad minute"),
    ],
)
def test_other_expressions_are_refused(expression: str, reason: str) -> None:
    """What is no expression, or never comes, is exit 2, with one to type."""
    with pytest.raises(UsageError, match=reason) as refused:
        Schedule(expression, "UTC")
    assert exit_code_of(refused.value) == 2
    assert refused.value.message.startswith(f"--schedule is '{expression[:100]}")
    assert refused.value.hint == '--schedule "0 2 * * *"'


FIELD = st.text("0123456789*/,-#LWlMONsu ", min_size=1, max_size=6)


@given(st.one_of(st.text(max_size=30), st.lists(FIELD, min_size=5, max_size=5).map(" ".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in another error than the one that explains it; what is read has times that go up."""
    try:
        schedule = Schedule(text, "Europe/Berlin")
    except UsageError:
        return
    first = schedule.after(utc("2026-03-28T00:00"))
    assert first < schedule.after(first)


def test_an_unknown_timezone_is_refused() -> None:
    """An unknown timezone is exit 2, with one like it to type."""
    with pytest.raises(UsageError, match="--timezone is 'Europe/Berln'") as refused:
        Schedule("0 2 * * *", "Europe/Berln")
    assert refused.value.hint == "--timezone Europe/Berlin"


def test_without_cronsim_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cronsim is absent, the error is exit 8 and says how to get it."""
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(DependencyMissing, match="--schedule needs the library 'cronsim'") as missing:
        Schedule("0 2 * * *", "UTC")
    assert exit_code_of(missing.value) == 8
    assert missing.value.hint == "pip install 'mlship[schedule]'"
