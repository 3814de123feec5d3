"""The off-peak window closes at the time that the clocks of its timezone show next."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlship.batch.window import StopAt
from mlship.errors import OutputFailed, UsageError, exit_code_of
from tests.batch.zones import ZONES, changes, minutes, wall


@pytest.mark.parametrize(
    ("zone", "start", "text", "closes"),
    [
        pytest.param("Europe/Berlin", "2026-06-01T20:00", "06:00", "2026-06-02T04:00", id="tomorrow"),
        pytest.param("Europe/Berlin", "2026-06-02T00:00", "06:00", "2026-06-02T04:00", id="today"),
        pytest.param("Europe/Berlin", "2026-06-02T04:00", "06:00", "2026-06-03T04:00", id="begun at the very time"),
        pytest.param("Europe/Berlin", "2026-03-28T22:00", "06:00", "2026-03-29T04:00", id="short night 2026"),
        pytest.param("Europe/Berlin", "2027-10-30T21:00", "06:00", "2027-10-31T05:00", id="long night 2027"),
        pytest.param("Europe/Berlin", "2026-03-28T22:00", "02:30", "2026-03-29T01:00", id="in the gap 2026"),
        pytest.param("Europe/Berlin", "2027-03-27T22:00", "02:30", "2027-03-28T01:00", id="in the gap 2027"),
        pytest.param("Europe/Berlin", "2026-10-24T22:00", "02:30", "2026-10-25T00:30", id="the first of two"),
        pytest.param("Europe/Berlin", "2026-10-25T00:40", "02:30", "2026-10-25T01:30", id="the second of two"),
        pytest.param("Europe/Berlin", "2026-10-25T01:40", "02:30", "2026-10-26T01:30", id="after both"),
        pytest.param("America/New_York", "2026-03-08T04:00", "02:30", "2026-03-08T07:00", id="New York 2026"),
        pytest.param("America/New_York", "2027-11-07T04:00", "01:30", "2027-11-07T05:30", id="New York 2027"),
        pytest.param("America/Santiago", "2026-09-06T02:00", "00:00", "2026-09-06T04:00", id="no midnight"),
        pytest.param("America/St_Johns", "2010-11-07T02:30:30", "23:30", "2010-11-07T03:00", id="back over midnight"),
        pytest.param("Pacific/Apia", "2011-12-30T05:00", "06:00", "2011-12-30T10:00", id="a day that was left out"),
        pytest.param("Asia/Kolkata", "2026-01-01T00:00", "00:00", "2026-01-01T18:30", id="midnight"),
        pytest.param("UTC", "2026-12-31T23:59", "23:59", "2027-01-01T23:59", id="UTC, over the year"),
    ],
)
def test_windows_close_at_the_next_such_time(zone: str, start: str, text: str, closes: str) -> None:
    """Written out for the nights whose clocks change: start and end in UTC."""
    window = StopAt(text, zone).window(datetime.fromisoformat(start).replace(tzinfo=UTC))
    assert window.closes == datetime.fromisoformat(closes).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["00:00", pytest.param("00:30", marks=pytest.mark.whole), "02:15", pytest.param("02:50", marks=pytest.mark.whole)],
)
@pytest.mark.parametrize("zone", ZONES)
def test_windows_around_every_change_of_clocks(zone: str, text: str) -> None:
    """Whenever a run begins, it ends with the first minute whose clock shows the time or has just jumped over it."""
    stop_at, at = StopAt(text, zone), time.fromisoformat(text)
    for change in changes(zone):
        moments = minutes(change, 30)
        shows = [wall(moment, zone) for moment in moments]
        targets = {datetime.combine(show, at) for show in shows}
        closings = [
            moment
            for before, moment, show in zip(shows, moments[1:], shows[1:], strict=False)
            if show in targets or any(before < target < show for target in targets)
        ]
        for start in moments[: 30 * 60 : 15]:
            assert stop_at.window(start).closes == next(moment for moment in closings if moment > start)


def test_a_run_is_ended_when_the_window_closes() -> None:
    """Up to the time nothing happens; at it a check ends the run as one that can go on, exit 6."""
    now = [datetime(2026, 3, 28, 23, 0, tzinfo=UTC)]
    window = StopAt("06:00", "Europe/Berlin").window(now[0], now=lambda: now[0])
    assert str(window) == "2026-03-29 06:00 CEST"
    window.check()
    now[0] = datetime(2026, 3, 29, 3, 59, 59, tzinfo=UTC)
    window.check()
    now[0] += timedelta(seconds=1)
    with pytest.raises(OutputFailed, match="2026-03-29 06:00 CEST") as ended:
        window.check()
    assert exit_code_of(ended.value) == 6
    assert ended.value.code == "window_closed"
    assert ended.value.hint == "Run the same command again: it goes on where this run stopped."


def test_a_window_follows_the_clock_of_the_machine() -> None:
    """Without an injected clock the system's own counts."""
    now = datetime.now(UTC)
    StopAt("06:00", None).window(now).check()
    with pytest.raises(OutputFailed, match="time to stop"):
        StopAt("06:00", None).window(now - timedelta(days=3)).check()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6:00",
        "06:00:00",
        "24:00",
        "06:60",
        "0600",
        "6",
        "6am",
        "06:00 ",
        "-6:00",
        "\u0660\u0666:\u0660\u0660",
        "now",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """What is no time of day is exit 2, with one to type."""
    with pytest.raises(UsageError, match="a time from 00:00 to 23:59 was expected") as refused:
        StopAt(text, None)
    assert refused.value.hint == "--stop-at 06:00"
    assert f"'{text}'" in refused.value.message


def test_an_unknown_timezone_is_refused() -> None:
    """The timezone is checked as that of a schedule is."""
    with pytest.raises(UsageError, match="'Mars/Base'"):
        StopAt("06:00", "Mars/Base")


@given(st.text(max_size=8))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in another error than the one that explains it."""
    try:
        StopAt(text, "UTC")
    except UsageError:
        return
    assert len(text) == 5
