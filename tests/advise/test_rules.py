"""The recommendation for models and needs whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlship.advise.advice import Advice
from mlship.advise.figures import DAY, Assumed, Measured, Needs
from mlship.advise.reasons import considerations, reason
from mlship.advise.rules import Way, judged, waited
from mlship.advise.summary import sections_of
from mlship.advise.texts import span
from tests.advise.known import FOREST, LINEAR, MIB, figures

ASSUMED = Assumed()
TEN, TEN_THOUSAND = 10 * DAY, 10_000 * DAY
"""Rows a day."""


@pytest.mark.parametrize(
    ("found", "needs", "way", "code"),
    [
        pytest.param(LINEAR, Needs(TEN, 0.020), "real time", "answered_in_time", id="linear model, 20 ms"),
        pytest.param(FOREST, Needs(TEN_THOUSAND, None, DAY), "batch", "nobody_waits", id="forest, once a day"),
        pytest.param(FOREST, Needs(TEN_THOUSAND, 0.5), "real time", "answered_in_time", id="forest, who waits"),
        pytest.param(LINEAR, Needs(2e6, None, DAY, 0.04), "batch", "nobody_waits", id="nightly job"),
        pytest.param(LINEAR, Needs(None, None, DAY), "batch", "nobody_waits", id="nightly job of unknown size"),
        pytest.param(LINEAR, Needs(TEN, None, 900.0), "batch", "nobody_waits", id="every 15 minutes"),
        pytest.param(
            LINEAR, Needs(TEN, None, 899.0), "stream", "fresh_and_nobody_waits", id="a little more often than that"
        ),
        pytest.param(LINEAR, Needs(TEN, None, 5.0), "stream", "fresh_and_nobody_waits", id="events, within seconds"),
        pytest.param(LINEAR, Needs(TEN, None, 1.0), "real time", "fresher_than_a_stream", id="events, within a second"),
        pytest.param(figures(20.0), Needs(TEN, None, 5.0), None, "too_slow", id="events, a model that is slower"),
        pytest.param(FOREST, Needs(TEN, 0.010), None, "too_slow", id="nothing is that fast"),
        pytest.param(FOREST, Needs(TEN, 0.010, 60.0), None, "too_slow", id="nothing is that fast, nor may be old"),
        pytest.param(FOREST, Needs(TEN, 0.010, DAY), "batch", "looked_up_only", id="only what is looked up is"),
        pytest.param(FOREST, Needs(TEN_THOUSAND, 0.5, DAY), "both", "mostly_known_ahead", id="many, most known ahead"),
        pytest.param(FOREST, Needs(TEN_THOUSAND, 0.5, 60.0), "real time", "answered_in_time", id="many, none old"),
        pytest.param(LINEAR, Needs(TEN, 0.5, DAY), "real time", "answered_in_time", id="one worker answers all"),
        pytest.param(FOREST, Needs(None, 0.5, DAY), "real time", "answered_in_time", id="nobody knows how many"),
        pytest.param(LINEAR, Needs(TEN), None, "needs_unknown", id="only how many"),
        pytest.param(LINEAR, Needs(), None, "needs_unknown", id="nothing said"),
    ],
)
def test_recommendation(found: Measured, needs: Needs, way: str | None, code: str) -> None:
    """The way that is known to be right is recommended, and it meets what was asked for."""
    verdict = judged(found, needs, ASSUMED)

    assert (verdict.way, verdict.code) == (way, code)
    assert [one.name for one in verdict.ways] == ["batch", "real time", "stream", "both"]
    if way is not None:
        assert verdict.of(way).fits
    for one in verdict.ways:
        assert one.fits == (one.why is None)


def test_a_small_model_takes_one_worker() -> None:
    """Ten rows a second of a model of 5 us are one worker that hardly works, and a day of it is what they cost."""
    way = judged(LINEAR, Needs(TEN, 0.020, None, 0.04), ASSUMED).of("real time")

    assert (way.workers, way.memory) == (1, 250 * MIB)
    assert way.busy is not None
    assert 0 < way.busy < 0.01
    assert way.cpu_hours == pytest.approx(24 / 0.864)
    assert way.cost == pytest.approx(way.cpu_hours * 0.04)


def test_a_slow_model_takes_many_workers() -> None:
    """30,000 rows a second in the busiest time, of 50 ms each, are some 3,000 workers that are half busy."""
    way = judged(FOREST, Needs(TEN_THOUSAND, 0.5, None, 0.04), ASSUMED).of("real time")

    assert 3_000 <= way.workers <= 3_010
    assert way.busy == pytest.approx(1 / 6, rel=0.01)
    assert way.cpu_hours == pytest.approx(24 * way.workers / 864)


def test_workers_are_left_idle_where_time_is_short() -> None:
    """Where half busy workers are too late and quieter ones are not, more workers are planned."""
    slow = replace(FOREST, served=replace(FOREST.served, busy_p99=0.6))
    relaxed = judged(slow, Needs(TEN_THOUSAND, 1.0), ASSUMED).of("real time")
    tight = judged(slow, Needs(TEN_THOUSAND, 0.5), ASSUMED).of("real time")

    assert tight.fits
    assert tight.workers == pytest.approx(relaxed.workers * ASSUMED.busy / ASSUMED.quiet, rel=0.01)
    assert tight.seconds < 0.5 < relaxed.seconds == 0.6
    assert tight.load == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("rate", [None, TEN, TEN_THOUSAND])
@pytest.mark.parametrize("busy", [0.214, None])
def test_what_only_an_idle_worker_holds_is_not_promised(rate: float | None, busy: float | None) -> None:
    """A p99 of 49.8 ms alone and 214 ms half busy does not hold 50 ms, measured or not, at either plan."""
    served = replace(FOREST.served, p50=0.030, p99=0.0498, rate=40.0, busy_p99=busy)
    found, needs = replace(FOREST, served=served), Needs(rate, 0.050)
    verdict = judged(found, needs, ASSUMED)

    assert verdict.way is None
    assert verdict.of("real time").seconds > 0.050
    assert "Nothing fits" in (text := reason(verdict, found, needs, ASSUMED))
    assert "49.8 ms" in text


def test_a_worker_that_hardly_works_answers_as_if_alone() -> None:
    """Where next to nothing waits before a request, its time is that of one alone; waits grow with the load."""
    served = FOREST.served

    assert waited(served, 0.009) == served.p99
    assert waited(served, 0.5) == served.busy_p99
    alone = replace(served, busy_p99=None)
    times = [waited(alone, load) for load in (0.05, 0.3, 0.5, 0.9)]
    assert times == sorted(times)
    assert times[2] == pytest.approx(served.p99 + served.p50 * 7.824, rel=1e-3)  # 2 ln 50


def test_a_run_of_batch_ends_within_its_window() -> None:
    """Rows of a day in six hours at most: so many workers, and a million rows cost what scoring them takes."""
    way = judged(FOREST, Needs(TEN_THOUSAND, None, DAY), ASSUMED).of("batch")

    assert way.seconds <= 6 * 3600
    assert way.workers == 2_001  # 864 million rows of 50 ms in six hours less the start
    assert way.cpu_hours == pytest.approx(0.05 * 1e6 / 3600, rel=0.01)
    assert way.memory == 1_001 * 400 * MIB * 1.25


def test_batch_is_looked_up_where_callers_wait() -> None:
    """It fits them as far as predictions may be old, which the table tells; and not where they may not."""
    verdict = judged(FOREST, needs := Needs(TEN, 0.010, DAY), ASSUMED)
    sections = sections_of(Advice({}, FOREST, needs, ASSUMED, verdict))

    assert verdict.of("batch").looked_up
    assert sections[1].rows[0][:2] == ("batch", "yes, looked up")
    assert not judged(FOREST, Needs(TEN, 0.010, 60.0), ASSUMED).of("batch").fits
    assert not judged(FOREST, Needs(TEN, 0.010), ASSUMED).of("batch").fits
    assert not judged(FOREST, Needs(TEN, None, DAY), ASSUMED).of("batch").looked_up


def test_each_run_of_the_schedule_is_paid_for() -> None:
    """One row a day, renewed every hour, is 24 runs a day and each of them starts."""
    way = judged(LINEAR, Needs(1.0, None, 3600.0, 0.04), ASSUMED).of("batch")

    assert way.cpu_hours == pytest.approx(24 * LINEAR.scored.start * 1e6 / 3600, rel=0.01)


@pytest.mark.parametrize("found", [LINEAR, FOREST])
@pytest.mark.parametrize("rate", [10.0, 1e5, 1e9])
def test_more_rows_never_take_less(found: Measured, rate: float) -> None:
    """Ten times the rows take as many workers or more, and cost as much for a million or less."""

    def ways(rows: float) -> tuple[Way, ...]:
        return judged(found, Needs(rows, 0.5, DAY), ASSUMED).ways

    for few, many in zip(ways(rate), ways(10 * rate), strict=True):
        assert many.workers >= few.workers
        assert many.cpu_hours <= few.cpu_hours * 1.001


def test_both_have_to_take_less_than_one() -> None:
    """Scoring ahead is recommended beside a server only where that takes less than the server alone."""
    needs = Needs(TEN_THOUSAND, 0.5, DAY)

    assert judged(FOREST, needs, ASSUMED).way == "both"
    assert judged(figures(0.05, scored=2.0), needs, ASSUMED).way == "real time"
    assert judged(FOREST, needs, replace(ASSUMED, known=0.2)).of("both").cpu_hours > (
        judged(FOREST, needs, ASSUMED).of("both").cpu_hours
    )


@pytest.mark.parametrize(
    ("found", "needs", "said"),
    [
        (FOREST, Needs(TEN, 0.010), ("Nothing fits", "60.3 ms", "10 ms", "6.2 times as fast", "--freshness 1h")),
        (figures(1e-3, around=0.02), Needs(TEN, 0.005), ("Nothing fits", "no smaller model helps", "faster machine")),
        (LINEAR, Needs(), ("--latency", "--freshness", "--rate")),
        (LINEAR, Needs(None, None, DAY), ("Batch", "--rate tells")),
        (LINEAR, Needs(None, 0.5), ("Real time", "--rate tells")),
        (FOREST, Needs(TEN_THOUSAND, 0.5, DAY), ("Both", "workers in all", "80 %")),
        (FOREST, Needs(TEN, 0.010, DAY), ("looked up", "1 d old")),
        (LINEAR, Needs(TEN, None, 5.0), ("Stream", "--kafka-config")),
        (LINEAR, Needs(TEN, None, 1.0), ("Real time", "1 s")),
    ],
)
def test_reasons_have_figures(found: Measured, needs: Needs, said: tuple[str, ...]) -> None:
    """The sentence says what decided, and what would have to be given or be different."""
    text = reason(judged(found, needs, ASSUMED), found, needs, ASSUMED)

    for part in said:
        assert part in text


def test_considerations_cover_the_topics() -> None:
    """Each topic is told with figures: with and without a rate, and where micro-batching gains nothing."""
    told: dict[str, str] = {}
    for found, needs in ((LINEAR, Needs()), (FOREST, Needs(TEN_THOUSAND, 0.5, DAY, 1.0))):
        told = dict(considerations(judged(found, needs, ASSUMED), found, needs, ASSUMED))
        topics = [
            "latency",
            "freshness",
            "off-peak hours",
            "cost",
            "rows together",
            "complexity",
            "monitoring",
            "failure",
        ]
        assert list(told) == topics
        assert all(text.endswith(".") for text in told.values())
    assert "gains nothing" in told["rows together"]
    assert "1,5" in told["complexity"]  # machines of two processors


def told(found: Measured, needs: Needs) -> dict[str, str]:
    """The considerations, and the reason."""
    verdict = judged(found, needs, ASSUMED)
    return {
        "reason": reason(verdict, found, needs, ASSUMED),
        **dict(considerations(verdict, found, needs, ASSUMED)),
    }


def test_sentences_do_not_contradict_one_another() -> None:
    """No interval is both too short and long enough, no run longer than its interval, no thousands one command."""
    near, short = told(LINEAR, Needs(TEN, None, 899.0)), told(FOREST, Needs(TEN_THOUSAND, None, 10.0))
    many = told(FOREST, Needs(TEN_THOUSAND, None, DAY))

    assert "every 899 s" in near["reason"]
    assert "15 min on" in near["reason"]
    assert "899 s here" in near["freshness"]
    assert "Batch does not fit" in short["off-peak hours"]
    assert "when you choose" not in short["off-peak hours"]
    assert "one command" not in many["complexity"]
    assert "1,001 machines" in many["complexity"]
    assert "one command" in near["complexity"]


def test_an_idle_worker_says_what_it_costs() -> None:
    """Ten rows a day keep one worker standing all day, which is paid for."""
    cost = told(LINEAR, Needs(10.0, 0.5, None, 0.04))["cost"]

    assert "24 CPU hours a day, 0.96 at your price" in cost
    assert "of which" in cost


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3600.0, "1 h"),
        (7200.0, "2 h"),
        (5400.0, "1.5 h"),
        (3599.0, "1 h"),
        (59.0, "59 s"),
        (60.0, "1 min"),
        (59.99, "1 min"),
        (0.9996, "1 s"),
        (0.0421, "42.1 ms"),
        (86_400.0, "1 d"),
        (1e9, "11,600 d"),
    ],
)
def test_times_are_told_in_units_that_fit(seconds: float, text: str) -> None:
    """An hour is an hour, and rounding never makes sixty of the next smaller unit."""
    assert span(seconds) == text


def test_where_micro_batching_pays() -> None:
    """The fewest rows are found between two measured sizes; where rows gain nothing there is none."""
    assert figures(1e-3, gain=2).calls.pays_from == 3  # two take 1.5 ms of 2, which is over 0.7; three take 2 of 3
    assert figures(1e-3, gain=50).calls.pays_from == 2
    assert FOREST.calls.pays_from is None
    assert FOREST.calls.gain == pytest.approx(1.0)
