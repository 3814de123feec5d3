"""Scoring off the event loop: requests wait in one line, and those that wait together may be scored in one call.

Nobody waits for company: while one call runs, others gather, and the next call takes all of them, up to a number of
rows. That the bits of a row do not depend on its neighbours is what the artifact's row multiple guarantees; a foreign
model, of which nobody knows, is never batched. When a call fails, each request of it is scored alone, so that only the
one that fails by itself fails.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from mlship.model.feed import Feed, joined
from mlship.model.values.codes import Array
from mlship.serve.problems import RequestRefused
from mlship.serve.served import Served


@dataclass(slots=True)
class Scored:
    """The outputs of a request.

    Attributes:
        outputs: An array [rows] for each output column.
        queue: Seconds that it waited.
        score: Seconds of the call that it was scored in.
        together: Rows of that call.
    """

    outputs: Mapping[str, Array]
    queue: float
    score: float
    together: int


@dataclass(slots=True)
class _Job:
    feed: Feed
    until: float  # by time.monotonic
    asked: float = field(default_factory=time.monotonic)
    future: Future[Scored] = field(default_factory=Future)


class Batcher:
    """Scores the requests of one model on the threads of a pool.

    Args:
        served: The model.
        pool: Threads to score on.
        parallel: Calls that may run at the same time.
        most_rows: Rows of several requests that are scored in one call; a request with more is scored alone.
        wait: Seconds that a request may be held back so that others join it.
    """

    def __init__(self, served: Served, pool: Executor, parallel: int, most_rows: int = 256, wait: float = 0.0) -> None:
        self._served = served
        self._pool = pool
        self._parallel = parallel
        self._most_rows = most_rows if served.pace.batching else 0
        self._wait = wait if served.pace.batching else 0.0
        self._line: deque[_Job] = deque()
        self._running = 0
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._line)

    def submit(self, feed: Feed, until: float) -> Future[Scored]:
        """Put a request into the line.

        Args:
            feed: Its rows.
            until: When its client no longer waits, by `time.monotonic`.

        Returns:
            What becomes of it; RequestRefused with 504 when its turn comes too late.
        """
        job = _Job(feed, until)
        with self._changed:
            self._line.append(job)
            self._changed.notify()
            if self._running >= self._parallel:
                return job.future
            self._running += 1
        self._pool.submit(self._work)
        return job.future

    def go_round(self) -> None:
        """Score on another thread, as a call hangs: whoever waits behind it need not."""
        with self._changed:
            self._running += 1  # the thread that hangs keeps its own place
        self._pool.submit(self._work)

    def _work(self) -> None:
        while jobs := self._next():
            self._score(jobs)

    def _next(self) -> list[_Job]:
        """Take what is scored in the next call; nothing when nobody waits, and the caller is then to end."""
        with self._changed:
            self._hold_back()
            jobs: list[_Job] = []
            rows = 0
            while self._line:
                first = self._line[0]
                fits = not jobs or (rows + first.feed.rows <= self._most_rows and first.feed.form == jobs[0].feed.form)
                if not fits:
                    break
                self._line.popleft()
                if first.future.set_running_or_notify_cancel():
                    jobs.append(first)
                    rows += first.feed.rows
            if not jobs:
                self._running -= 1
            return jobs

    def _hold_back(self) -> None:
        """Wait for company, as far as that was asked for."""
        if not self._wait or not self._line:
            return
        until = self._line[0].asked + self._wait
        while sum(job.feed.rows for job in self._line) < self._most_rows:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _score(self, jobs: list[_Job]) -> None:
        now = time.monotonic()
        late = [job for job in jobs if job.until <= now]
        for job in late:
            job.future.set_exception(too_late())
        jobs = [job for job in jobs if job.until > now]
        if not jobs:
            return
        try:
            outputs = self._served.score(joined([job.feed for job in jobs]))
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
            else:
                for job in jobs:
                    self._score([job])
            return
        seconds = time.monotonic() - now
        rows = sum(job.feed.rows for job in jobs)
        start = 0
        for job in jobs:
            end = start + job.feed.rows
            part = outputs if len(jobs) == 1 else {name: values[start:end] for name, values in outputs.items()}
            job.future.set_result(Scored(part, now - job.asked, seconds, rows))
            start = end


def too_late() -> RequestRefused:
    """Return the refusal of a request that was not scored in the time that its client gave."""
    return RequestRefused(504, "deadline_exceeded", "The request's time was over before its turn came.")
