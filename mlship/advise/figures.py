"""What was measured of a model on a machine, what a user needs, and what is assumed where nobody knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from mlship.errors import UsageError

DAY = 86_400.0
BUSY = 0.5
"""The share of its time that a worker is planned to work in the busiest time, and at which its p99 is measured."""
_PAYS = 0.7  # of the time that rows take one by one, as in serve.pace
_PERIOD = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|m|min|h|d|w)", re.IGNORECASE)
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY}


@dataclass(frozen=True)
class Point:
    """A point of the curve.

    Attributes:
        rows: Rows in a call.
        seconds: The median processor time of such a call.
    """

    rows: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


@dataclass(frozen=True)
class Calls:
    """Calls of the model in one process, on one thread.

    Attributes:
        p50: The median time of a call with one row, in seconds.
        p99: What 99 of 100 such calls do not take longer than; of fewer than 100 the longest.
        asked: How many were made.
        curve: Calls with more and more rows, the first with one. Up to 300 rows as serve makes them, larger ones as
            batch does.
    """

    p50: float
    p99: float
    asked: int
    curve: tuple[Point, ...]

    @property
    def gain(self) -> float:
        """How many times cheaper a row is in the best call than alone."""
        return max(point.rate for point in self.curve) / self.curve[0].rate

    @property
    def pays_from(self) -> int | None:
        """The fewest rows whose common call takes less than 0.7 of calls one by one, or None where no number does.

        Between two sizes that were measured the time is taken to grow evenly.
        """
        alone = self.curve[0].seconds
        for below, above in pairwise(self.curve):
            if above.seconds < _PAYS * above.rows * alone:
                slope = (above.seconds - below.seconds) / (above.rows - below.rows)
                for rows in range(below.rows + 1, above.rows):
                    if below.seconds + slope * (rows - below.rows) < _PAYS * rows * alone:
                        return rows
                return above.rows
        return None

    def rows_of(self, seconds: float) -> int:
        """Return how many rows, one at least, the longest call has that is done within this time.

        Between and beyond the sizes that were measured the time is taken to grow evenly.
        """
        below = above = self.curve[0]
        for below, above in pairwise(self.curve):  # noqa: B007 - the last pair goes on beyond
            if above.seconds > seconds:
                break
        if below is above:
            return max(1, int(seconds * above.rate))
        slope = max((above.seconds - below.seconds) / (above.rows - below.rows), 1e-12)
        return max(1, below.rows + int((seconds - below.seconds) / slope))


@dataclass(frozen=True)
class Served:
    """What one worker of `mlship serve` did, asked over loopback.

    Attributes:
        start: Seconds from its start to its readiness.
        p50: The median time of a request of one row, asked one after the other, in seconds.
        p99: What 99 of 100 such requests do not take longer than; of fewer than 100 the longest.
        asked: How many there were; 0 where none was answered in time, so that all figures are those of the model alone.
        rate: Requests of one row answered in a second of a processor when many clients ask.
        busy_p99: As p99, when requests come at half of that rate, in the middle one of three rounds; None where that
            was cut.
        rows_rate: Rows answered in a second of a processor in larger requests.
        rows_a_request: How large these were.
        batching: Whether the server scores requests together that wait together.
        busy_asked: How many requests `busy_p99` is of.
    """

    start: float
    p50: float
    p99: float
    asked: int
    rate: float
    busy_p99: float | None
    rows_rate: float
    rows_a_request: int
    batching: bool
    busy_asked: int = 0


@dataclass(frozen=True)
class Scored:
    """What `mlship batch` with one worker did on a CSV file.

    Attributes:
        start: Seconds of a run of one row: the process, opening the model, publishing.
        start_cpu: Seconds of processor time of that.
        rate: Rows of each further second.
        core_rate: Rows of each further second of processor time: others may use the processors too, and reading and
            writing take a part of a second one.
        rows: Rows of the file.
    """

    start: float
    start_cpu: float
    rate: float
    core_rate: float
    rows: int


@dataclass(frozen=True)
class Measured:
    """All that was measured.

    Attributes:
        cpus: Processors that this process may use.
        cold: Seconds from starting a process to its first answer.
        calls: Calls in one process.
        served: What a worker of serve did.
        scored: What batch did.
        memory_serve: Bytes that a worker of serve needs with the largest requests.
        memory_batch: Bytes that a run of batch with two workers needs.
        notes: What is to be known of the figures: what was measured less than usual or not at all, and why.
    """

    cpus: float
    cold: float
    calls: Calls
    served: Served
    scored: Scored
    memory_serve: int
    memory_batch: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What a user said.

    Attributes:
        rate: Rows a day, or None.
        latency: Seconds that a caller waits for an answer at most, or None where nobody waits.
        freshness: Seconds after which predictions have to be renewed, or None.
        cpu_hour: The price of a processor for an hour, in any currency, or None.
    """

    rate: float | None = None
    latency: float | None = None
    freshness: float | None = None
    cpu_hour: float | None = None


@dataclass(frozen=True)
class Assumed:
    """What is assumed, as it depends on the user's days and nights and not on the model.

    Attributes:
        peak: How many times the mean rate the busiest time has.
        busy: The share of its time that a worker is planned to work.
        quiet: The same where requests must hardly wait for one another.
        window: The share of a batch interval that its run may take.
        longest_window: Seconds that it may take at most, such as the hours of a night.
        shortest_interval: Seconds between two runs of batch at least: starts and schedulers take their part.
        commit: Seconds until a stream's micro-batch is committed.
        known: The share of rows that are known ahead, where answers are looked up.
        spare: Memory to give beside what was measured.
    """

    peak: float = 3.0
    busy: float = BUSY
    quiet: float = 0.3
    window: float = 0.25
    longest_window: float = 6 * 3600.0
    shortest_interval: float = 900.0
    commit: float = 1.0
    known: float = 0.8
    spare: float = 0.25


def parse_period(text: str, option: str) -> float:
    """Return the seconds of a time written as `30s`, `15m`, `1h`, `1d` or `1w`.

    Args:
        text: The text.
        option: The option that it was given to, for the error.

    Raises:
        UsageError: It is no such time, or none at all.
    """
    match = _PERIOD.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS[match[2].lower()] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"{option} is '{text}'; it takes a time such as 30s, 15m, 1h or 1d.", hint=f"{option} 1d")
    return seconds
