"""The timezone of the machine is the one of its clock, and unknown timezones are refused."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mlship.batch.timezones import parse_zone, shown
from mlship.errors import DependencyMissing, UsageError
from tests.batch.zones import ZONES, changes, minutes, wall

Live = Callable[[str], None]


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Moves the machine to a timezone for the length of a test."""

    def to(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield to
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ZONES)
def test_the_machines_own_timezone_is_that_of_its_clock(live: Live, zone: str) -> None:
    """Around each change of clocks every minute is converted as the database does, there and back, also in gaps."""
    live(zone)
    machine, database = parse_zone(None), ZoneInfo(zone)
    assert str(machine) == zone
    for change in changes(zone):
        for moment in minutes(change, 4)[::10]:
            local = moment.astimezone(machine)
            assert local.replace(tzinfo=None) == wall(moment, zone)
            assert local.astimezone(UTC) == moment
            assert local.utcoffset() == moment.astimezone(database).utcoffset()
            assert shown(moment, machine) == shown(moment, database)
        start = wall(change, zone) - timedelta(hours=4)
        for number in range(8 * 6):
            clock = start + timedelta(minutes=10 * number)
            for fold in (0, 1):
                there = clock.replace(tzinfo=machine, fold=fold)
                assert there.utcoffset() == clock.replace(tzinfo=database, fold=fold).utcoffset(), there


def test_a_machine_with_rules_of_its_own(live: Live) -> None:
    """Rules without a name in the database work too, and are named as the system writes them."""
    live("CET-1CEST,M3.5.0,M10.5.0/3")
    machine = parse_zone(None)
    assert str(machine) == "CET-1CEST,M3.5.0,M10.5.0/3"
    assert shown(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), machine) == "2026-03-29 01:59 CET"
    assert shown(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), machine) == "2026-03-29 03:00 CEST"


def test_the_machines_timezone_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without TZ the name is that of the file that /etc/localtime points to, or the abbreviations."""
    monkeypatch.delenv("TZ", raising=False)
    link, target = tmp_path / "localtime", tmp_path / "zoneinfo" / "Asia" / "Tokyo"
    monkeypatch.setattr("mlship.batch.timezones._LOCALTIME", link)
    monkeypatch.setattr(time, "tzname", ("CET", "CEST"))
    assert str(parse_zone(None)) == "CET/CEST"
    link.symlink_to(target)
    assert str(parse_zone(None)) == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/kyiw", "Europe/Kyiv"),
        ("new york", "America/New_York"),
        ("Zürich", "Europe/Zurich"),
        ("", "Europe/Berlin"),
        ("\ud800", "Europe/Berlin"),
        ("x\0y", "Europe/Berlin"),
        ("../passwd", None),
        ("/etc/localtime", None),
        ("Europe", None),
    ],
)
def test_unknown_timezones_are_refused(name: str, close: str | None) -> None:
    """A name that the database does not have is exit 2, with a timezone to type: one like it, if there is one."""
    with pytest.raises(UsageError, match="no timezone of the IANA database") as refused:
        parse_zone(name)
    assert refused.value.hint is not None
    option, _, zone = refused.value.hint.partition(" ")
    assert option == "--timezone"
    assert zone in ({close} if close else zoneinfo.available_timezones())


def test_a_machine_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no timezone database at all, as on Windows, the error says how to get one."""
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(DependencyMissing, match="needs the timezone database") as refused:
        parse_zone("Europe/Nowhere")
    assert refused.value.hint == "pip install tzdata"
