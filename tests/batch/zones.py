"""Timezones whose clocks change in 2026 and 2027, each in a way of its own, and when they do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONES = (
    "Europe/Berlin",  # 02:00 -> 03:00 and back
    "America/New_York",
    "America/St_Johns",  # half an hour off
    "America/Havana",  # at midnight
    "America/Santiago",  # 24:00 -> 23:00 in autumn, in the south
    "Atlantic/Azores",  # goes back over midnight
    "Africa/Cairo",
    "Africa/Casablanca",  # back for Ramadan
    "Antarctica/Troll",  # two hours
    "Asia/Beirut",
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Chatham",  # 02:45
    "Asia/Tokyo",  # never
)
_HOUR = timedelta(hours=1)


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """Return the hours, in UTC, in which clocks change in 2026 and 2027; where they never do, a day like others."""
    clock = ZoneInfo(zone)
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + number * _HOUR for number in range(2 * 365 * 24)]
    offsets = [hour.astimezone(clock).utcoffset() for hour in hours]
    found = [hour for hour, this, following in zip(hours, offsets, offsets[1:], strict=False) if this != following]
    return tuple(found) or (datetime(2026, 6, 1, tzinfo=UTC),)


def minutes(around: datetime, hours: int) -> list[datetime]:
    """Return each minute from some hours before an instant to as many after it."""
    return [around + timedelta(minutes=number) for number in range(-hours * 60, hours * 60)]


def wall(moment: datetime, zone: str) -> datetime:
    """Return what the clocks of a timezone show, without the timezone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
