"""Runs at the times of a cron expression, in one process that stays: `--schedule "0 2 * * *"`.

Clocks that change are treated as Debian's cron treats them, by cronsim. A run at fixed times of day, such as 02:30,
happens once each day: on the day whose clocks skip 02:30 at the first instant after the gap, on the day that has
02:30 twice at the first of them. Where the minute or the hour of the expression starts with a star, real time counts:
`*/15 * * * *` goes on every 15 minutes, and a time of day that a day does not have is left out, one that it has twice
happens twice.

A time that is over by more than an hour when the process comes to it, as after a suspend or a jump of the clock, is
skipped and told, as a Kubernetes CronJob does with startingDeadlineSeconds: night work does not land in the day. Of
several times missed within the hour only the last one is made up for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from mlship import extras
from mlship.batch.timezones import parse_zone, shown
from mlship.batch.window import WINDOW_CLOSED
from mlship.errors import MlshipError, Stopped, UsageError, exit_code_of

Once = Callable[[datetime], str]
"""Does one run, due at the time given (UTC, the same when it is tried again), and returns its result in words."""

_EXAMPLE = '--schedule "0 2 * * *"'
_MAX_TEXT = 200
_LATEST = timedelta(hours=1)
_RETRIED = frozenset({6, 7})
# Codes of errors that the next time would meet again: a bug, a command put together wrongly, an absent library.
_ENDING = frozenset({1, 2, 8})
_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
# Waits are cut, as a machine that was suspended, or whose clock was set, has to be noticed.
_NAP = timedelta(seconds=60)


class Schedule:
    """The times of a cron expression in a timezone.

    Args:
        expression: Minute, hour, day of month, month, day of week; as Debian's cron reads it, and L, LW and # too.
        timezone: Name of the timezone whose clocks are meant, or None for the machine's own.

    Raises:
        UsageError: It is no such expression, it never comes, or there is no such timezone.
        DependencyMissing: cronsim, or the timezone database, is not installed.
    """

    def __init__(self, expression: str, timezone: str | None) -> None:
        self.expression = " ".join(expression.split())
        self._cronsim: Any = extras.load("cronsim", needed_for="--schedule", hint="pip install 'mlship[schedule]'")
        self._zone: tzinfo = parse_zone(timezone)
        if len(expression) > _MAX_TEXT or len(expression.split()) != 5:
            raise _refused(expression[:_MAX_TEXT], "it has to have five fields")
        try:
            self.after(datetime.now(UTC))
        except self._cronsim.CronSimError as error:
            raise _refused(expression, str(error).lower()) from error

    def after(self, moment: datetime) -> datetime:
        """Return the first time after an instant, in UTC.

        Raises:
            UsageError: There is none in the fifty years to come.
        """
        for found in self._cronsim.CronSim(self.expression, moment.astimezone(self._zone)):
            due: datetime = found.astimezone(UTC)
            # Once clocks have gone back, cronsim begins with times that were there before they did
            if due > moment:
                return due
        raise _refused(self.expression, "no day is like that")

    def shown(self, moment: datetime) -> str:
        """Return an instant as the clocks of its timezone show it, such as `2026-03-29 03:00 CEST`."""
        return shown(moment, self._zone)

    def __str__(self) -> str:
        """Return the expression and the timezone's name."""
        return f"'{self.expression}' in {self._zone}"


def _refused(expression: str, reason: str) -> UsageError:
    return UsageError(
        f"--schedule is '{expression}', which is no cron expression: {reason}. "
        "Minute, hour, day of month, month and day of week were expected.",
        hint=_EXAMPLE,
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


def repeat(
    schedule: Schedule,
    once: Once,
    told: Callable[[str], None],
    wait: Callable[[float], None],
    now: Callable[[], datetime] = _utc_now,
) -> None:
    """Do a run at each time of a schedule, one after the other, until a signal or an error ends it.

    A run that fails with exit code 6 or 7 is tried again after 1, 5, 15, 15... minutes, as long as that is before the
    next time; not where its window closed. Any other failure of a run waits for the next time. Times that come while a
    run lasts are skipped.

    Args:
        schedule: When.
        once: Does one run.
        told: Called with a line about each result, each time skipped, and each next run.
        wait: Lets that many seconds pass, or raises Stopped: `Stop.wait`.
        now: Tells the time, in UTC.

    Raises:
        Stopped: A signal came, at once while waiting, else when the run has stopped for it.
        UsageError: A run found its options wrong or no model: it would find so each time.
        DependencyMissing: A run needs a library that is absent.
        MlshipError: There is a bug; other exceptions pass through too.
    """
    told(f"Runs are scheduled at {schedule}.")
    _Repeat(schedule, once, told, wait, now).run()


@dataclass(frozen=True)
class _Repeat:
    """A schedule that is being kept."""

    schedule: Schedule
    once: Once
    told: Callable[[str], None]
    wait: Callable[[float], None]
    now: Callable[[], datetime]

    def run(self) -> None:
        handled = self.now()  # every time up to here was run or skipped
        while True:
            due = self._sleep_until_due(handled)
            handled = self.now()
            last = self._last_due(due, handled)
            if last is not None:
                handled = self._run(last, handled)

    def _sleep_until_due(self, handled: datetime) -> datetime:
        """Wait for the first time after those handled, and return it."""
        due = self.schedule.after(handled)
        self.told(f"Next run: {self.schedule.shown(due)}.")
        while (now := self.now()) < due:
            if now < handled - _LATEST:
                handled = now
                due = self.schedule.after(now)
                self.told(f"The clock was put back. Next run: {self.schedule.shown(due)}.")
            self._nap(due - now)
        return due

    def _nap(self, time_left: timedelta) -> None:
        self.wait(min(time_left, _NAP).total_seconds())

    def _last_due(self, due: datetime, now: datetime) -> datetime | None:
        """Return the last of the times from `due` to now, or None when all were too long ago."""
        last = None
        time = due if now - due <= _LATEST else self.schedule.after(now - _LATEST)
        while time <= now:
            last, time = time, self.schedule.after(time)
        if last != due:
            self.told(
                f"The run due at {self.schedule.shown(due)} was skipped: it is {self.schedule.shown(now)} already, "
                "as after a suspend or a jump of the clock."
            )
        return last

    def _run(self, due: datetime, handled: datetime) -> datetime:
        """Do a run, again if need be, and return up to when times are handled."""
        for delay in itertools.chain(_DELAYS, itertools.repeat(_DELAYS[-1])):
            done = self._try(due)
            handled = self._skip_passed(handled)
            if done or not self._pause(delay, self.schedule.after(handled)):
                break
        return handled

    def _try(self, due: datetime) -> bool:
        """Do a run, and tell whether that is all that can be done before the next one is due."""
        try:
            result = self.once(due)
        except Stopped:
            raise
        except MlshipError as error:
            code = exit_code_of(error)
            if code in _ENDING:
                raise
            hint = f" {error.hint}" if error.hint else ""
            self.told(f"The run due at {self.schedule.shown(due)} failed with exit code {code}: {error.message}{hint}")
            return code not in _RETRIED or error.code == WINDOW_CLOSED
        self.told(f"The run due at {self.schedule.shown(due)} is done: {result}")
        return True

    def _skip_passed(self, handled: datetime) -> datetime:
        """Tell of times that came while a run lasted, and return up to when times are handled."""
        now = self.now()
        missed = self.schedule.after(handled)
        if missed <= now:
            self.told(
                f"The run due at {self.schedule.shown(missed)} was skipped: "
                f"the one before lasted until {self.schedule.shown(now)}."
            )
        return max(handled, now)

    def _pause(self, delay: timedelta, following: datetime) -> bool:
        """Wait before a run is tried again, and tell whether it still should be."""
        end = self.now() + delay
        if end >= following:
            return False
        self.told(f"Trying again at {self.schedule.shown(end)}.")
        while (now := self.now()) < end:
            end = min(end, now + delay)  # the clock may be put back
            self._nap(end - now)
        return now < following
