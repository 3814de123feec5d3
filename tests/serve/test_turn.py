"""Requests of one turn of the loop are scored in one call; each gets its own answer, and one that fails fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from mlship.model.feed import Feed
from mlship.model.session import Session
from mlship.model.values.codes import Array
from mlship.serve.desk import Desk
from mlship.serve.exchange import Reply
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace
from mlship.serve.table import endpoints_of
from mlship.serve.turn import Turn


class Watched(Served):
    """A model that notes its calls, and fails on rows below -900."""

    def __init__(self, session: Session) -> None:
        super().__init__("cities", session, Limits(), Pace(batching=True))
        self.calls: list[int] = []

    def score(self, feed: Feed) -> Mapping[str, Array]:
        """Score, and note how many rows at once."""
        self.calls.append(feed.rows)
        assert feed.columns is not None
        if (np.asarray(feed.columns["my age"], dtype=np.float64) < -900).any():
            raise ValueError("a row that fails")
        return super().score(feed)


def answers(session: Session, requests: Sequence[Sequence[float]]) -> tuple[list[int], list[Reply]]:
    """Ask in one turn, and return the rows of each call and the answers."""
    model = Watched(session)
    desk = Desk(endpoints_of({"cities": model}))
    turn = Turn(model, desk)

    async def ask(ages: Sequence[float]) -> Reply:
        body = orjson.dumps([{"my age": age, "São é": 0.5, "city": "Porto"} for age in ages])
        exchange = desk.open({"REQUEST_METHOD": "POST", "PATH_INFO": "/predict", "CONTENT_TYPE": "application/json"})
        return await turn.answer(exchange, desk.read(exchange, body))

    async def all_at_once() -> list[Reply]:
        return list(await asyncio.gather(*map(ask, requests)))

    return model.calls, asyncio.run(all_at_once())


def scores(reply: Reply) -> list[Any]:
    """Return the scores of an answer."""
    return [row["score"] for row in orjson.loads(reply.body)["predictions"]]


def test_one_call_for_a_turn(city_session: Session) -> None:
    """What comes together is one call, and each answer has the rows that were asked for, with the bits of one alone."""
    requests = [[1.0], [2.0, 3.5], [], [-4.0, 0.25, 1e6]]
    calls, replies = answers(city_session, requests)
    assert calls == [6]
    for ages, reply in zip(requests, replies, strict=True):
        alone = answers(city_session, [ages])[1][0]
        assert reply.status == 200
        assert reply.body == alone.body


def test_calls_are_bounded(city_session: Session) -> None:
    """A call has up to 256 rows of several requests; a request with more is one call."""
    calls, replies = answers(city_session, [[1.0] * 200, [1.0] * 56, [1.0], [1.0] * 300, [2.0]])
    assert calls == [256, 1, 300, 1]
    assert [len(scores(reply)) for reply in replies] == [200, 56, 1, 300, 1]


def test_one_that_fails_fails_alone(city_session: Session) -> None:
    """When a call fails its requests are scored one by one, and only the bad one is answered 500."""
    calls, replies = answers(city_session, [[1.0], [-999.0], [2.0]])
    assert calls == [3, 1, 1, 1]
    assert [reply.status for reply in replies] == [200, 500, 200]
    assert [scores(replies[place]) for place in (0, 2)] == [[2.0], [4.0]]
    assert b"a row that fails" not in replies[1].body
