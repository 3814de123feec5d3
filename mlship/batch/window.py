"""The off-peak window of a run: `--stop-at 06:00`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo

from mlship.batch.timezones import instants, parse_zone, shown
from mlship.errors import OutputFailed, UsageError

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY = timedelta(days=1)
WINDOW_CLOSED = "window_closed"
"""Code of the error that ends a run whose window is over: to try again at once would run past it."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class StopAt:
    """A local time of day at which the window closes.

    Args:
        text: The time, `HH:MM`.
        timezone: Name of the timezone whose clocks are meant, or None for the machine's own.

    Raises:
        UsageError: It is no such time, or there is no such timezone.
        DependencyMissing: This machine has no timezone database.
    """

    def __init__(self, text: str, timezone: str | None) -> None:
        match = _TIME.fullmatch(text)
        if not match:
            raise UsageError(f"--stop-at is '{text}'; a time from 00:00 to 23:59 was expected.", hint="--stop-at 06:00")
        self._time = time(int(match[1]), int(match[2]))
        self._zone = parse_zone(timezone)

    def window(self, start: datetime, now: Callable[[], datetime] = _utc_now) -> Window:
        """Return the window of a run: it closes when clocks next show the time after its start.

        Where clocks go forward over the time, it closes at the end of that gap; where they go back over it, at
        whichever comes first after the start.

        Args:
            start: When the run began, or, of a run that is tried again, when it was due.
            now: Tells the time.
        """
        today = start.astimezone(self._zone).date()
        # Yesterday's too: where clocks go back over midnight, the evening comes a second time
        days = (today - _DAY, today, today + _DAY)
        closings = (instant for day in days for instant in instants(self._zone, day, self._time))
        return Window(min(instant for instant in closings if instant > start), self._zone, now)


class Window:
    """The time that a run has.

    Attributes:
        closes: When it is over, in UTC.
    """

    def __init__(self, closes: datetime, zone: tzinfo, now: Callable[[], datetime]) -> None:
        self.closes = closes
        self._zone = zone
        self._now = now

    def __str__(self) -> str:
        """Return when it closes, in the timezone that was asked for."""
        return shown(self.closes, self._zone)

    def check(self) -> None:
        """End the run when the window is over.

        Raises:
            OutputFailed: It is, with the code `window_closed`.
        """
        if self._now() >= self.closes:
            raise OutputFailed(
                f"The time to stop, {self} (--stop-at), came before the run was done. What was scored is kept.",
                hint="Run the same command again: it goes on where this run stopped.",
                code=WINDOW_CLOSED,
            )
