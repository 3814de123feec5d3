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

from mlship.advise.figures import BUSY, DAY, Assumed, Measured, Needs, Served
from mlship.serve.settings import ServeOptions

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
        looked_up: Whether it fits a caller who waits only as what was scored ahead is looked up.
        load: The share of its time that a worker which stands works in the busiest time, for which `seconds` holds.
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
    load: float | None = None
    looked_up: bool = False


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
    elif batch.fits:
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
    rows = None if needs.rate is None else share * needs.rate * interval / DAY
    work = 0.0 if rows is None else max(1.0, rows) / scored.core_rate
    workers = max(1, math.ceil(work / max(window - scored.start, 1e-9))) if window > scored.start else 1
    seconds = scored.start + work / workers
    hours = _MILLION / scored.core_rate / _HOUR if rows is None else seconds * workers / _HOUR * _MILLION / rows
    why = None
    if needs.latency is not None and needs.freshness is None:
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
        looked_up=why is None and needs.latency is not None,
    )


def waited(served: Served, load: float) -> float:
    """Return the p99 of a request in seconds, when a worker works this share of its time.

    What was measured at half load holds there, and bounds what is less busy. At other loads the wait for those before
    is added to the p99 of a request alone: of M/M/1, P(W > t) = load exp(-(1 - load) t / s), so that its p99 is
    s ln(100 load) / (1 - load), and none up to a load of 1 % (Kleinrock, Queueing Systems I, 1975, section 5.7). Real
    times of service vary less than exponential ones, which makes for shorter waits; where those measured at half load
    were longer than that, the others are taken to be longer by as much.

    Args:
        served: The figures.
        load: From 0 to less than 1.
    """
    wait = _wait(served, load)
    if served.busy_p99 is None:
        return served.p99 + wait
    measured = max(served.busy_p99, served.p99)
    stretched = max(1.0, (measured - served.p99) / _wait(served, BUSY))
    estimate = served.p99 + stretched * wait
    return min(measured, estimate) if load <= BUSY else max(measured, estimate)


def _wait(served: Served, load: float) -> float:
    service = max(served.p50, 1.0 / served.rate)
    return service * math.log(max(1.0, 100.0 * load)) / (1.0 - load)


def _real_time(measured: Measured, needs: Needs, assumed: Assumed, share: float = 1.0) -> Way:
    """Workers as busy as planned, or quieter ones where only these answer in time."""
    served = measured.served
    limit = needs.latency if needs.latency is not None else needs.freshness
    way = None
    for planned in (assumed.busy, assumed.quiet):
        plan = Plan(measured, needs, assumed, planned, share)
        waits = waited(served, plan.load(served.rate))
        why = None if limit is None or waits <= limit else "it takes longer"
        if max(waits, served.p50) >= ServeOptions.timeout:
            why = f"serve gives up after its --timeout of {ServeOptions.timeout:g} s, which a larger one would raise"
        if why is None:
            return _standing("real time", served.rate, waits, None, plan)
        way = way or _standing("real time", served.rate, waits, why, plan)
    assert way is not None
    return way


def _stream(measured: Measured, needs: Needs, assumed: Assumed) -> Way:
    """A worker is taken to score as many records as a server's worker does rows of larger requests."""
    plan, rate = Plan(measured, needs, assumed, assumed.busy), measured.served.rows_rate
    waits = assumed.commit + waited(measured.served, plan.load(rate))
    why = None
    if needs.latency is not None:
        why = "a caller who waits gets no answer from a topic"
    elif needs.freshness is not None and waits > needs.freshness:
        why = "a micro-batch is committed later"
    return _standing("stream", rate, waits, why, plan)


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

    def workers(self, rate: float) -> int:
        """Return how many are needed in the busiest time, if one does so many rows a second."""
        return max(1, math.ceil(self._most() / (rate * self.busy)))

    def load(self, rate: float) -> float:
        """Return the share of its time that each of these works then: what was planned, or less."""
        return self.busy if self.needs.rate is None else self._most() / (self.workers(rate) * rate)

    def _most(self) -> float:
        """Rows a second in the busiest time."""
        return self.share * (self.needs.rate or 0.0) / DAY * self.assumed.peak


def _standing(name: Name, rate: float, seconds: float, why: str | None, plan: Plan) -> Way:
    """Workers that stand all day, enough for the busiest time."""
    workers = plan.workers(rate)
    if plan.needs.rate is None:
        busy, hours = None, _MILLION / (rate * plan.busy) / _HOUR
    else:
        busy = plan.share * plan.needs.rate / DAY / (workers * rate)
        hours = workers * 24.0 * _MILLION / (plan.share * plan.needs.rate)
    memory = _spared(workers * plan.measured.memory_serve, plan.assumed)
    cost, load = _priced(hours, plan.needs), plan.load(rate)
    return Way(name, why is None, workers, memory, busy, hours, cost, seconds, why, load)


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
        load=live.load,
    )


def _spared(memory: int, assumed: Assumed) -> int:
    return math.ceil(memory * (1.0 + assumed.spare))


def _priced(hours: float, needs: Needs) -> float | None:
    return None if needs.cpu_hour is None else hours * needs.cpu_hour
