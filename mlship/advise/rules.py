"""Batch, real time, stream or both: what fits a user's needs, worked out from measured figures.

The rules, in this order:

* Nobody said how long a caller waits nor how fresh predictions have to be: nothing is recommended.
* A caller waits (latency): one worker that answers in time is real time. Where more than one is needed and predictions
  may be as old as a batch interval, most rows are scored ahead and looked up, and the others answered: both, if that
  takes less. Where no call ends in time, only what was scored ahead and is looked up does: batch. Else nothing fits.
* Nobody waits: batch, when predictions may be 15 minutes old or more; else a stream, where that is fresh enough; else
  real time, if its answers are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlship.advise.figures import DAY, Assumed, Measured, Needs

Name = Literal["batch", "real time", "stream", "both"]
_MILLION = 1e6
_HOUR = 3600.0


@dataclass(frozen=True)
class Way:
    """One way of answering.

    Attributes:
        name: Which.
        fits: Whether it meets what was asked for.
        workers: Workers, of one processor each; of batch only while a run lasts.
        memory: Bytes for them, with what is to be spare.
        busy: The share of its hours that its processors work, or None where no rate was given.
        cpu_hours: Hours of a processor, paid for, for a million predictions.
        cost: The price of these, or None where no price was given.
        seconds: How long a caller waits (p99), a run of batch takes, or a record until it is committed.
        why: Why it does not fit, or None.
    """

    name: Name
    fits: bool
    workers: int
    memory: int
    busy: float | None
    cpu_hours: float
    cost: float | None
    seconds: float
    why: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What is recommended.

    Attributes:
        way: The way, or None.
        code: A short name of the rule that decided.
        ways: All of them.
    """

    way: Name | None
    code: str
    ways: tuple[Way, ...]

    def of(self, name: str) -> Way:
        """Return one of the ways."""
        return next(way for way in self.ways if way.name == name)


def judged(measured: Measured, needs: Needs, assumed: Assumed) -> Verdict:
    """Weigh the ways."""
    ways = (
        _batch(measured, needs, assumed),
        _real_time(measured, needs, assumed),
        _stream(measured, needs, assumed),
        _both(measured, needs, assumed),
    )
    batch, real_time, stream, both = ways
    name: Name | None
    if needs.latency is None and needs.freshness is None:
        name, code = None, "needs_unknown"
    elif needs.latency is None:
        name, code = _unwaited(batch, stream, real_time)
    elif real_time.fits:
        split = both.fits and real_time.workers > 1 and both.cpu_hours < real_time.cpu_hours
        name, code = ("both", "mostly_known_ahead") if split else ("real time", "answered_in_time")
    elif _may_be_old(needs, assumed):
        name, code = "batch", "looked_up_only"
    else:
        name, code = None, "too_slow"
    return Verdict(name, code, ways)


def _unwaited(batch: Way, stream: Way, real_time: Way) -> tuple[Name | None, str]:
    if batch.fits:
        return "batch", "nobody_waits"
    if stream.fits:
        return "stream", "fresh_and_nobody_waits"
    return ("real time", "fresher_than_a_stream") if real_time.fits else (None, "too_slow")


def interval_of(needs: Needs) -> float:
    """Return the seconds between two runs of batch: a day where nothing was said."""
    return needs.freshness if needs.freshness is not None else DAY


def window_of(needs: Needs, assumed: Assumed) -> float:
    """Return the seconds that a run of batch may take."""
    return min(assumed.window * interval_of(needs), assumed.longest_window)


def _may_be_old(needs: Needs, assumed: Assumed) -> bool:
    return needs.freshness is not None and needs.freshness >= assumed.shortest_interval


def _batch(measured: Measured, needs: Needs, assumed: Assumed, share: float = 1.0) -> Way:
    scored, interval, window = measured.scored, interval_of(needs), window_of(needs, assumed)
    rows = None if needs.rate is None else max(1.0, share * needs.rate * interval / DAY)
    work = 0.0 if rows is None else rows / scored.core_rate
    workers = max(1, math.ceil(work / max(window - scored.start, 1e-9))) if window > scored.start else 1
    seconds = scored.start + work / workers
    hours = _MILLION / scored.core_rate / _HOUR if rows is None else seconds * workers / _HOUR * _MILLION / rows
    why = None
    if needs.latency is not None:
        why = "a caller who waits gets only what was scored before"
    elif not (needs.freshness is None or _may_be_old(needs, assumed)):
        why = f"a run every {interval:g} seconds is mostly starting"
    elif window <= scored.start:
        why = "the interval is over before a run has begun"
    pairs = math.ceil(workers / 2)  # what was measured is a run with two workers
    return Way(
        name="batch",
        fits=why is None,
        workers=workers,
        memory=_spared(pairs * measured.memory_batch, assumed),
        busy=None if rows is None else work / (seconds * workers),
        cpu_hours=hours,
        cost=_priced(hours, needs),
        seconds=seconds,
        why=why,
    )


def _real_time(measured: Measured, needs: Needs, assumed: Assumed, share: float = 1.0) -> Way:
    served = measured.served
    planned, waits = assumed.busy, served.busy_p99 if served.busy_p99 is not None else served.p99
    limit = needs.latency if needs.latency is not None else needs.freshness
    if limit is not None and waits > limit:
        planned, waits = assumed.quiet, served.p99
    why = None
    if limit is not None and waits > limit:
        why = "it takes longer"
    return _standing("real time", served.rate, waits, why, Plan(measured, needs, assumed, planned, share))


def _stream(measured: Measured, needs: Needs, assumed: Assumed) -> Way:
    """A worker is taken to score as many records as a server's worker does rows of larger requests."""
    waits = assumed.commit + measured.served.p99
    why = None
    if needs.latency is not None:
        why = "a caller who waits gets no answer from a topic"
    elif needs.freshness is not None and waits > needs.freshness:
        why = "a micro-batch is committed later"
    return _standing("stream", measured.served.rows_rate, waits, why, Plan(measured, needs, assumed, assumed.busy))


@dataclass(frozen=True)
class Plan:
    """What sizes workers that stand all day.

    Attributes:
        measured: The figures.
        needs: What is needed.
        assumed: What is assumed.
        busy: The share of its time that a worker is planned to work in the busiest time.
        share: The share of the rows that comes to these workers.
    """

    measured: Measured
    needs: Needs
    assumed: Assumed
    busy: float
    share: float = 1.0


def _standing(name: Name, rate: float, seconds: float, why: str | None, plan: Plan) -> Way:
    """Workers that stand all day, enough for the busiest time."""
    worker = rate * plan.busy
    if plan.needs.rate is None:
        workers, busy, hours = 1, None, _MILLION / worker / _HOUR
    else:
        mean = plan.share * plan.needs.rate / DAY
        workers = max(1, math.ceil(mean * plan.assumed.peak / worker))
        busy = mean / (workers * rate)
        hours = workers * 24.0 * _MILLION / (plan.share * plan.needs.rate)
    memory = _spared(workers * plan.measured.memory_serve, plan.assumed)
    return Way(name, why is None, workers, memory, busy, hours, _priced(hours, plan.needs), seconds, why)


def _both(measured: Measured, needs: Needs, assumed: Assumed) -> Way:
    """Rows that are known ahead are scored by batch and looked up; a server answers the others."""
    ahead = _batch(measured, needs, assumed, assumed.known)
    live = _real_time(measured, needs, assumed, 1.0 - assumed.known)
    why = None
    if needs.latency is None:
        why = "nobody waits for an answer"
    elif not _may_be_old(needs, assumed):
        why = "it was not said that predictions may be old"
    elif not live.fits:
        why = live.why
    hours = assumed.known * ahead.cpu_hours + (1.0 - assumed.known) * live.cpu_hours
    return Way(
        name="both",
        fits=why is None,
        workers=ahead.workers + live.workers,
        memory=ahead.memory + live.memory,
        busy=live.busy,
        cpu_hours=hours,
        cost=_priced(hours, needs),
        seconds=live.seconds,
        why=why,
    )


def _spared(memory: int, assumed: Assumed) -> int:
    return math.ceil(memory * (1.0 + assumed.spare))


def _priced(hours: float, needs: Needs) -> float | None:
    return None if needs.cpu_hour is None else hours * needs.cpu_hour
