"""Local times of day: a timezone by name or the machine's own, and the instants at which its clocks show a time."""

from __future__ import annotations

import difflib
import os
import time as time_module
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path

from mlship.errors import DependencyMissing, UsageError

_MINUTE = timedelta(minutes=1)
_LOCALTIME = Path("/etc/localtime")


class MachineZone(tzinfo):
    """The timezone of this machine, as the system's own clock tells it.

    The system is asked instead of the timezone database, so that it works without one, and with rules that have no
    name there, such as TZ=CET-1CEST,M3.5.0,M10.5.0/3.
    """

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return by how much local time is ahead of UTC; in a gap, by how much it was ahead before the gap."""
        if moment is None:
            return None
        naive = moment.replace(tzinfo=None)
        utc = datetime.fromtimestamp(naive.timestamp(), UTC).replace(tzinfo=None)
        return naive.replace(fold=0) - utc

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Return None: how much of the offset is summer time is of no interest here."""
        del moment
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """Return the abbreviation, such as CET."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """Return the local time of an instant whose fields are in UTC."""
        stamp = moment.replace(tzinfo=UTC).timestamp()
        return datetime.fromtimestamp(stamp).replace(tzinfo=self)  # noqa: DTZ006  local time is what is asked for

    def __str__(self) -> str:
        """Return its name in the database where the system tells one, else its abbreviations."""
        name = os.environ.get("TZ", "").removeprefix(":")
        if not name and _LOCALTIME.is_symlink():
            name = str(_LOCALTIME.resolve()).rpartition("/zoneinfo/")[2]
        return name or "/".join(dict.fromkeys(time_module.tzname))


def parse_zone(name: str | None) -> tzinfo:
    """Return a timezone by its name in the IANA database, such as Europe/Berlin; the machine's own for None.

    Raises:
        UsageError: There is no such timezone.
        DependencyMissing: This machine has no timezone database.
    """
    if name is None:
        return MachineZone()
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # ValueError: ../x; OSError: a folder
        names = sorted(zoneinfo.available_timezones())
        known = {key: zone for zone in names for key in (zone.lower(), zone.lower().rpartition("/")[2])}
        if not known:
            raise DependencyMissing(
                "--timezone needs the timezone database, which this machine has not.", hint="pip install tzdata"
            ) from error
        close = difflib.get_close_matches(name.lower(), known, n=1)
        raise UsageError(
            f"--timezone is '{name}', which is no timezone of the IANA database.",
            hint=f"--timezone {known[close[0]] if close else 'Europe/Berlin'}",
        ) from error


def instants(zone: tzinfo, day: date, at: time) -> list[datetime]:
    """Return when the clocks of a timezone show a time on a day, in UTC and in order.

    It is one instant, or two where clocks go back over the time. Where they go forward over it, it is the first
    instant after the gap.

    Args:
        zone: The timezone.
        day: The day.
        at: The time, in whole minutes.
    """
    local = datetime.combine(day, at, tzinfo=zone)
    while _in_gap(local):
        local += _MINUTE
    return sorted({local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})


def _in_gap(local: datetime) -> bool:
    return local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None)


def shown(moment: datetime, zone: tzinfo) -> str:
    """Return an instant as the clocks of a timezone show it, such as `2026-03-29 03:00 CEST`."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
