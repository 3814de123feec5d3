"""Requests that wait together are scored together, each gets its own answer, and one that fails fails alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mlship.model.feed import Feed
from mlship.model.session import Session
from mlship.model.values.codes import Array
from mlship.model.values.records import read_records
from mlship.serve.batcher import Batcher
from mlship.serve.problems import RequestRefused
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace

LONG = 60.0


class Watched(Served):
    """A model that notes its calls, can be held, and fails on rows below -900."""

    def __init__(self, session: Session, pace: Pace) -> None:
        super().__init__("cities", session, Limits(), pace)
        self.calls: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def score(self, feed: Feed) -> Mapping[str, Array]:
        """Score, once it is let."""
        self.open.wait(LONG)
        self.calls.append(feed.rows)
        assert feed.columns is not None
        if (np.asarray(feed.columns["my age"], dtype=np.float64) < -900).any():
            raise ValueError("a row that fails")
        return super().score(feed)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads to score on."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def feed_of(session: Session, *ages: float) -> Feed:
    """Return rows that differ in one column."""
    records: list[dict[str, Any]] = [{"my age": age, "São é": 0.5, "city": "Porto"} for age in ages]
    return Feed(len(ages), read_records(session.signature, records).columns)


def held(session: Session, pool: ThreadPoolExecutor, *, batching: bool = True, **told: Any) -> tuple[Watched, Batcher]:
    """Return a model that is held in its first call, and its line."""
    model = Watched(session, Pace(batching=batching))
    batcher = Batcher(model, pool, 1, **told)
    model.open.clear()
    batcher.submit(feed_of(session, 0.0), time.monotonic() + LONG)
    while batcher.waiting:
        time.sleep(0.001)
    return model, batcher


def test_who_waits_together_is_scored_together(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """While one call runs others gather; the next call has the rows of all, and each answer has its own bits."""
    model, batcher = held(city_session, pool)
    ages = [(1.0,), (2.0, 3.5), (-4.0, 0.25, 1e6)]
    futures = [batcher.submit(feed_of(city_session, *some), time.monotonic() + LONG) for some in ages]
    model.open.set()
    scored = [future.result(LONG) for future in futures]
    assert model.calls == [1, 6]
    assert [one.together for one in scored] == [6, 6, 6]
    for some, one in zip(ages, scored, strict=True):
        alone = city_session.predict(feed_of(city_session, *some).columns or {})
        for name, values in alone.items():
            assert values.tolist() == one.outputs[name].tolist()


def test_a_call_has_so_many_rows_and_no_more(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """The rows of one call are bounded, but a request with more rows is scored all the same."""
    model, batcher = held(city_session, pool, most_rows=4)
    futures = [
        batcher.submit(feed_of(city_session, *range(count)), time.monotonic() + LONG) for count in (3, 1, 2, 9, 1)
    ]
    model.open.set()
    futures[-1].result(LONG)
    assert model.calls == [1, 4, 2, 9, 1]


def test_one_that_fails_fails_alone(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """When a call fails, its requests are scored one by one, and only the bad one gets the error."""
    model, batcher = held(city_session, pool)
    futures = [batcher.submit(feed_of(city_session, age), time.monotonic() + LONG) for age in (1.0, -999.0, 2.0)]
    model.open.set()
    with pytest.raises(ValueError, match="a row that fails"):
        futures[1].result(LONG)
    assert [futures[place].result(LONG).outputs["score"].tolist() for place in (0, 2)] == [[2.0], [4.0]]
    assert model.calls == [1, 3, 1, 1, 1]


def test_no_batching_where_it_does_not_pay(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """A model of which batching does not pay is called once for each request."""
    model, batcher = held(city_session, pool, batching=False)
    futures = [batcher.submit(feed_of(city_session, age), time.monotonic() + LONG) for age in (1.0, 2.0, 3.0)]
    model.open.set()
    for future in futures:
        future.result(LONG)
    assert model.calls == [1, 1, 1, 1]


def test_nobody_is_scored_whose_time_is_over(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """A request whose client no longer waits is refused with 504 and never scored."""
    model, batcher = held(city_session, pool)
    late = batcher.submit(feed_of(city_session, 1.0), time.monotonic() - 0.001)
    model.open.set()
    with pytest.raises(RequestRefused) as refused:
        late.result(LONG)
    assert (refused.value.status, refused.value.code) == (504, "deadline_exceeded")
    assert model.calls == [1]


def test_waiting_for_company_only_where_it_was_asked_for(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """With a wait, a request is held back until others come or the wait is over; a full call goes at once."""
    model = Watched(city_session, Pace(batching=True))
    batcher = Batcher(model, pool, 1, most_rows=3, wait=LONG)
    futures = [batcher.submit(feed_of(city_session, age), time.monotonic() + LONG) for age in (1.0, 2.0, 3.0)]
    for future in futures:
        future.result(LONG)
    assert model.calls == [3]
    short = Batcher(model, pool, 1, wait=0.05)
    start = time.monotonic()
    short.submit(feed_of(city_session, 1.0), start + LONG).result(LONG)
    assert time.monotonic() - start >= 0.05


def test_another_thread_for_one_that_hangs_and_no_more(city_session: Session, pool: ThreadPoolExecutor) -> None:
    """While a call hangs the others go on on another thread; when it ends after all, calls are as many as before."""
    model, batcher = held(city_session, pool, batching=False)
    behind = batcher.submit(feed_of(city_session, 1.0), time.monotonic() + LONG)
    batcher.go_round()
    while batcher.waiting:  # until the other thread has taken it, and is held in its call too
        time.sleep(0.01)
    model.open.set()
    behind.result(LONG)
    pool.submit(lambda: None).result(LONG)
    model.open.clear()
    more = [batcher.submit(feed_of(city_session, age), time.monotonic() + LONG) for age in (1.0, 2.0, 3.0)]
    time.sleep(0.2)
    assert len(more) - batcher.waiting == 1  # one call at a time
    model.open.set()
    for future in more:
        future.result(LONG)
