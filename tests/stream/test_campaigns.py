"""Nothing lost and nothing twice, whatever ends: processes, brokers, lines, memberships."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.serve.server import Server
from tests.stream.broker import Broker
from tests.stream.proxy import Proxy
from tests.stream.test_stream import ended
from tests.stream.topics import PARTITIONS, SOON, Topics, records_of

pytestmark = pytest.mark.timeout(1800)  # whole ones take their time
POISON = b'{"id": "bad"'


@dataclass(frozen=True)
class Trial:
    """What campaigns have in common.

    Attributes:
        model: The model.
        rows: Rows of its file.
        answers: What batch answers for them.
        whole: Whether all of a campaign is run.
    """

    model: Path
    rows: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    whole: bool

    @property
    def count(self) -> int:
        """How many records a campaign has."""
        return 200_000 if self.whole else 6_000

    @property
    def times(self) -> int:
        """How often something is ended."""
        return 30 if self.whole else 2

    def campaign(self, topics: Topics) -> Campaign:
        """Return records on their way through topics."""
        return Campaign(topics, self)


@pytest.fixture(scope="session")
def trial(model: Path, rows: list[dict[str, Any]], batch: list[dict[str, Any]], whole: bool) -> Trial:
    """What campaigns have in common."""
    return Trial(model, rows, batch, whole)


class Campaign:
    """Records on their way through topics, and what must have come of them in the end.

    Args:
        topics: The topics.
        trial: What campaigns have in common.
    """

    def __init__(self, topics: Topics, trial: Trial) -> None:
        self.topics = topics
        self._answers = trial.answers
        self._good = records_of(trial.rows, trial.count)
        self._every = 1000  # a bad record comes after each so many
        self._thread = threading.Thread(target=self._put, daemon=True)

    def begin(self, seconds: float) -> None:
        """Put the records, spread over some time."""
        self._seconds = seconds
        self._thread.start()

    def _put(self) -> None:
        step = max(1, len(self._good) // 100)
        for start in range(0, len(self._good), step):
            part: list[tuple[bytes | None, bytes | None]] = []
            for at, record in enumerate(self._good[start : start + step], start):
                part.append(record)
                if at % self._every == 0:
                    part.append((str(at).encode(), POISON))
            self.topics.put(part)
            time.sleep(self._seconds / 100)

    def check(self) -> None:
        """Wait until all is committed, and see each record once, with batch's bits, in the order of its key."""
        self._thread.join()
        self._drained()
        found = self.topics.all_committed(self.topics.sink)
        ids = Counter(record.json["id"] for record in found)
        twice = [one for one, seen in ids.items() if seen > 1]
        assert (len(self._good) - len(ids), len(twice)) == (0, 0), "lost, and twice"
        last: dict[bytes | None, int] = {}
        for record in found:
            told = record.json
            at = told.pop("id")
            assert told == self._answers[at % len(self._answers)]
            assert last.get(record.key, -1) < at
            last[record.key] = at
        refused = Counter(record.key for record in self.topics.all_committed(self.topics.rejects))
        assert refused == Counter(str(at).encode() for at in range(0, len(self._good), self._every))

    def _drained(self) -> None:
        """Wait until the group has committed all that there is."""
        until = time.monotonic() + 240
        while (left := self.topics.left()) and time.monotonic() < until:
            time.sleep(0.2)
        assert left == 0, f"{left} records are not committed"


@contextlib.contextmanager
def far(broker: Broker, delay: float) -> Iterator[tuple[Proxy, str]]:
    """A slow line to the broker, and its address."""
    proxy = Proxy(broker.far_port, broker.proxy_port, delay)
    proxy.start()
    try:
        yield proxy, f"127.0.0.1:{broker.proxy_port}"
    finally:
        proxy.stop()


def workers(server: Server) -> list[int]:
    """The processes that read."""
    return [pid for pid in server.children() if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def each(times: int, seconds: float, do: Callable[[], None]) -> None:
    """Do something so many times, at random moments."""
    for _ in range(times):
        time.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311  no secret
        do()


@pytest.mark.parametrize(
    "delay", [pytest.param(0.0, id="near", marks=pytest.mark.whole), pytest.param(0.03, id="inside commits")]
)
def test_killed_workers(broker: Broker, trial: Trial, delay: float) -> None:
    """A kill -9 at random loses nothing and doubles nothing; over a slow line most hit a transaction that is open."""
    with far(broker, delay) as (_, address):
        soon = {} if trial.whole else SOON
        campaign = trial.campaign(Topics.new(broker, address if delay else None, **soon))
        campaign.begin(trial.times * (15.0 if trial.whole else 2.0))
        with campaign.topics.scored(trial.model, "--keep", "id", workers=2) as server:

            def kill() -> None:
                if found := workers(server):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(random.choice(found), signal.SIGKILL)  # noqa: S311

            # More than five deaths a minute end a stream; so no five pauses are shorter than that
            each(trial.times, 15.5 if trial.whole else 1.5, kill)
            campaign.check()
            assert server.stop() == 0


@pytest.mark.whole
def test_members_that_join_and_leave(topics: Topics, trial: Trial) -> None:
    """Partitions that move between processes are scored once each."""
    campaign = trial.campaign(topics)
    campaign.begin(trial.times * 4.0)
    with campaign.topics.scored(trial.model, "--keep", "id") as server:
        for _ in range(max(1, trial.times // 3)):
            with campaign.topics.scored(trial.model, "--keep", "id", workers=2):
                time.sleep(3)
            time.sleep(1)
        campaign.check()
        assert server.stop() == 0


@pytest.mark.whole
def test_process_that_only_seemed_to_be_dead(topics: Topics, trial: Trial) -> None:
    """One that was stopped for twice the session's time writes nothing of what others took over."""
    campaign = trial.campaign(topics)
    campaign.begin(15.0)
    with campaign.topics.scored(trial.model, "--keep", "id", workers=2) as server:
        time.sleep(2)
        before = _rebalances(server)
        zombie = workers(server)[0]
        os.kill(zombie, signal.SIGSTOP)
        time.sleep(13)
        os.kill(zombie, signal.SIGCONT)
        campaign.check()
        assert _rebalances(server) >= before + 2, "nothing was taken over"
        assert server.stop() == 0


def _rebalances(server: Server) -> float:
    lines = server.ask("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("mlship_stream_rebalances_total"))


@pytest.mark.whole
def test_broker_that_is_away(tmp_path: Path, trial: Trial) -> None:
    """A broker that is killed and comes back after a while is waited for; /readyz tells that it is away."""
    broker = Broker(tmp_path / "kafka")
    broker.format()
    broker.start()
    campaign = trial.campaign(Topics.new(broker))
    try:
        campaign.begin(5.0)
        with campaign.topics.scored(trial.model, "--keep", "id") as server:
            time.sleep(2)
            broker.stop(signal.SIGKILL)
            time.sleep(20)
            assert server.ask("GET", "/readyz").status == 503
            broker.start()
            campaign.check()
            time.sleep(2)
            assert server.ask("GET", "/readyz").status == 200
            broker.stop(signal.SIGKILL)  # while nothing comes
            time.sleep(20)
            assert server.ask("GET", "/readyz").status == 503
            assert server.ask("GET", "/livez").status == 200
            assert server.stop() == 0
    finally:
        broker.stop(signal.SIGKILL)


@pytest.mark.whole
def test_line_that_is_cut(broker: Broker, trial: Trial) -> None:
    """A line that lets nothing through for longer than a session lasts is waited for."""
    with far(broker, 0.005) as (proxy, address):
        campaign = trial.campaign(Topics.new(broker, address))
        campaign.begin(10.0)
        with campaign.topics.scored(trial.model, "--keep", "id") as server:
            time.sleep(3)
            proxy.is_cut = True
            time.sleep(9)
            proxy.is_cut = False
            campaign.check()
            assert server.stop() == 0


@pytest.mark.whole
def test_stop_under_load(topics: Topics, trial: Trial) -> None:
    """A stop commits what is under way, and the next start has nothing to wait for."""
    campaign = trial.campaign(topics)
    campaign.begin(trial.times * 2.0)
    for _ in range(trial.times):
        started = time.monotonic()
        with campaign.topics.scored(trial.model, "--keep", "id") as server:
            assert time.monotonic() - started < 10 + 10  # a start, and less than a transaction may last
            time.sleep(1)
            assert server.stop() == 0
    with campaign.topics.scored(trial.model, "--keep", "id") as server:
        campaign.check()
        assert server.stop() == 0


@pytest.mark.whole
def test_broker_that_refuses_what_is_written(broker: Broker, trial: Trial) -> None:
    """A record that the topic of scores does not take ends the stream with 6, and no offset is committed."""
    topics = Topics.new(broker)
    topics.put(records_of(trial.rows, 10))
    sink = broker.topic(f"{topics.sink}.small", PARTITIONS, **{"max.message.bytes": "100"})
    small = Topics(broker, topics.source, sink, topics.rejects, topics.config)
    for _ in range(2):
        code, told, _ = ended(small.command(trial.model))
        assert code == 6
        assert "could not be written" in told["error"]["message"]
    assert small.all_committed(sink) == []
    with topics.scored(trial.model) as server:
        assert len(topics.committed(topics.sink, 10)) == 10
        assert server.stop() == 0


@pytest.mark.parametrize("way", ["exactly", pytest.param("at least", marks=pytest.mark.whole)])
def test_rights_that_are_taken_away(broker: Broker, trial: Trial, way: str) -> None:
    """A topic that may no longer be written to ends the stream with 6, and what it did not take is not committed."""
    topics = Topics.new(broker)
    topics.put(records_of(trial.rows, 100))
    how = ("--at-least-once",) if way == "at least" else ()
    with topics.scored(trial.model, "--keep", "id", *how) as server:
        assert len(topics.committed(topics.sink, 100)) == 100
        broker.deny_writing(topics.sink)
        topics.put(records_of(trial.rows, 50))
        assert server.process.wait(timeout=60) == 6
        assert "could not be written" in server.stderr()
    found = topics.all_committed(topics.sink)
    assert len(found) == 100
    assert topics.left() == 50
