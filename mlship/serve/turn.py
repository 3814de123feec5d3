"""Requests that come in one turn of the event loop are scored in one call, at its end.

Nobody waits for company: what has come has come, and is answered before the loop looks for more. A call of a small
model takes longer to begin than to score a row, so that the requests of a busy server share what each would pay alone.
That the bits of a row do not depend on its neighbours is what the artifact's row multiple guarantees; a foreign model,
of which nobody knows, is never asked so.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mlship.model.feed import joined
from mlship.serve.desk import Desk
from mlship.serve.exchange import Call, Exchange, Reply
from mlship.serve.served import Served

_MOST_ROWS = 256  # of several requests in one call; a request with more is scored alone


@dataclass(slots=True)
class _Job:
    exchange: Exchange
    call: Call
    asked: float
    reply: asyncio.Future[Reply]


class Turn:
    """The requests of one model.

    Args:
        served: The model.
        desk: Who writes the answers.
    """

    def __init__(self, served: Served, desk: Desk) -> None:
        self._served = served
        self._desk = desk
        self._jobs: list[_Job] = []

    async def answer(self, exchange: Exchange, call: Call) -> Reply:
        """Answer a request whose rows have been read, together with the others of this turn."""
        loop = asyncio.get_running_loop()
        if not self._jobs:
            loop.call_soon(self._end)
        job = _Job(exchange, call, time.perf_counter(), loop.create_future())
        self._jobs.append(job)
        return await job.reply

    def _end(self) -> None:
        jobs, self._jobs = self._jobs, []
        while jobs:
            count = _fitting(jobs)
            self._score(jobs[:count])
            jobs = jobs[count:]

    def _score(self, jobs: list[_Job]) -> None:
        start = time.perf_counter()
        try:
            outputs = self._served.score(joined([job.call.feed for job in jobs]))
        except Exception as error:  # noqa: BLE001 - whatever it is, each client gets an answer
            if len(jobs) > 1:
                for job in jobs:  # so that only the one fails that fails by itself
                    self._score([job])
            else:
                _set(jobs[0], self._desk.refuse(jobs[0].exchange, error))
            return
        seconds = time.perf_counter() - start
        rows = sum(job.call.feed.rows for job in jobs)
        first = 0
        for job in jobs:
            last = first + job.call.feed.rows
            part = outputs if len(jobs) == 1 else {name: values[first:last] for name, values in outputs.items()}
            first = last
            exchange = job.exchange
            exchange.queue, exchange.score, exchange.together = start - job.asked, seconds, rows
            try:
                reply = self._desk.write(exchange, job.call, part)
            except Exception as error:  # noqa: BLE001 - as above
                reply = self._desk.refuse(exchange, error)
            _set(job, reply)


def _fitting(jobs: list[_Job]) -> int:
    """How many of the first jobs are scored in one call: at least one, all of one form."""
    form, rows = jobs[0].call.feed.form, jobs[0].call.feed.rows
    for place, job in enumerate(jobs[1:], 1):
        rows += job.call.feed.rows
        if rows > _MOST_ROWS or job.call.feed.form != form:
            return place
    return len(jobs)


def _set(job: _Job, reply: Reply) -> None:
    if not job.reply.done():  # its connection may be gone
        job.reply.set_result(reply)
