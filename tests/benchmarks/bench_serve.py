"""How much CPU and time `mlship serve` takes, beside what else would answer.

Run with `make bench-serve`, or `python -m tests.benchmarks.bench_serve [--only NAME] [--pairs N] [--seconds S]`.
The server has one core and the load another. CPU is that of the server's whole process tree, per request answered,
which is steadier than throughput. Runs are paired and interleaved (A B A B), so that a noisy machine slows both; a
ratio is the median of those of the pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks import bodies, load, oip_servers
from tests.benchmarks.link import Got, post
from tests.benchmarks.rows import CACHE, Files
from tests.benchmarks.servers import Cores, Running, fastapi, free_port, mlship, running, status, unbatched

ROWS = 25_000
"""Of which a fiftieth trains the models."""
CLIENTS, MANY_CLIENTS = 16, 32
SHARE_OF_PEAK = 0.8
OPEN_CLIENTS = 64
LINE = "{:42} {:10} {:>7} {:>7}  {:12} {:>12} {:>12}"


@dataclass(frozen=True)
class Given:
    """What the cases are measured with.

    Attributes:
        files: The models.
        pairs: How many pairs of runs.
        seconds: How long each run is.
        cores: Where the server runs, and where the load comes from.
    """

    files: Files
    pairs: int
    seconds: float
    cores: Cores


@dataclass(frozen=True)
class Side:
    """A server and what it is asked.

    Attributes:
        server: The server.
        request: The bytes of a request.
    """

    server: Running
    request: bytes

    def cpu(self, seconds: float) -> float:
        """Return the seconds of CPU of a request."""
        before = self.server.cpu()
        answered = whole(self._asked(seconds))
        return (self.server.cpu() - before) / answered

    def peak(self, seconds: float) -> float:
        """Return how many requests are answered in a second."""
        seen = self._asked(seconds)
        return whole(seen) / seen.seconds

    def _asked(self, seconds: float) -> load.Seen:
        return load.run(lambda: load.Load(self.server.port, lambda _: self.request, clients=CLIENTS), seconds=seconds)

    def p99(self, rate: float, seconds: float) -> float:
        """Return the seconds that 99 of 100 requests do not take longer than, at a constant rate."""
        seen = load.run(
            lambda: load.Load(self.server.port, lambda _: self.request, clients=OPEN_CLIENTS),
            rate=rate,
            seconds=seconds,
            spin=True,
        )
        whole(seen)
        return seen.percentile(0.99)


def whole(seen: load.Seen) -> int:
    """Return how many requests were answered.

    Raises:
        RuntimeError: One was not, or otherwise than with 200: such a run says nothing.
    """
    if set(seen.counts) != {"200"}:
        raise RuntimeError(f"Not every request was answered with 200: {dict(seen.counts)}")
    return seen.counts["200"]


@contextlib.contextmanager
def both(given: Given, rows: int) -> Iterator[tuple[Side, Side]]:
    """Run our server and FastAPI's with the small model, asked for some rows of JSON."""
    model = given.files.model("lr")[1]
    ports = free_port(), free_port()
    with (
        running(mlship(model, ports[0]), ports[0], "/readyz", given.cores) as ours,
        running(fastapi(model, ports[1]), ports[1], "/livez", given.cores) as theirs,
    ):
        yield (
            Side(ours, post("/predict", bodies.records("instances", rows))),
            Side(theirs, post("/predict", bodies.records("rows", rows))),
        )


def against_fastapi(name: str, rows: int, bar: float) -> Callable[[Given], Iterator[str]]:
    """CPU of a request of some rows of JSON."""

    def measure(given: Given) -> Iterator[str]:
        with both(given, rows) as sides:
            warm(sides)
            yield from compared(name, bar, given.pairs, [partial(side.cpu, given.seconds) for side in sides])

    return measure


def latency(given: Given) -> Iterator[str]:
    """The slowest of 100 requests, both at a rate that FastAPI can just keep up with."""
    with both(given, 1) as sides:
        warm(sides)
        rate = SHARE_OF_PEAK * sides[1].peak(given.seconds)
        name = f"p99 at {rate:,.0f}/s / FastAPI"
        yield from compared(name, 1.1, given.pairs, [partial(side.p99, rate, given.seconds) for side in sides], "p99")


def tensors(given: Given) -> Iterator[str]:
    """CPU of a tensor of 100 rows by the Open Inference Protocol."""
    model = given.files.model("lr")[1]
    path, body = f"/v2/models/{model.stem}/infer", bodies.tensor(100)
    port = free_port()
    with running(mlship(model, port), port, "/readyz", given.cores) as ours:
        if status(port, path, body) == 404:
            yield f"oip: left out, {path} is not there yet"
            return
        for kind in oip_servers.KINDS:
            name = f"oip tensor of 100 rows / {kind}"
            try:
                command, other, ready = oip_servers.command(kind, model)
            except oip_servers.NotInstalled as error:
                yield f"{name}: left out, {error}"
                continue
            with running(command, other, ready, given.cores) as theirs:
                sides = Side(ours, post(path, body)), Side(theirs, post(path, body))
                warm(sides)
                yield from compared(name, 1.0, given.pairs, [partial(side.cpu, given.seconds) for side in sides])


def together(given: Given) -> Iterator[str]:
    """Requests a second of a heavy model, with requests scored together and each alone; the answers are the same."""
    model = given.files.model("mlp")[1]
    ports = free_port(), free_port()
    asked = [post("/predict", body) for body in bodies.single_rows(MANY_CLIENTS * 4)]
    with (
        running(mlship(model, ports[0]), ports[0], "/readyz", given.cores),
        running(unbatched(model, ports[1]), ports[1], "/readyz", given.cores),
    ):
        answers: list[dict[int, set[bytes]]] = [{}, {}]

        def rate(side: int) -> float:
            def note(number: int, got: Got) -> str:
                answers[side].setdefault(number % len(asked), set()).add(got.body)
                return str(got.status)

            made = load.Load(ports[side], lambda number: asked[number % len(asked)], note, clients=MANY_CLIENTS)
            seen = load.run(lambda: made, seconds=given.seconds)
            return whole(seen) / seen.seconds

        runs = [(rate(0), rate(1)) for _ in range(given.pairs)]
        ratio = median(batched / alone for batched, alone in runs)
        taken = [f"{median(side):,.0f}/s" for side in zip(*runs, strict=True)]
        yield _line(
            "heavy model, together / alone", "rate", ">= 2", ratio, "holds" if ratio >= 2 else "not reached", taken
        )
        shared = answers[0].keys() & answers[1].keys()
        same = all(len(answers[0][number] | answers[1][number]) == 1 for number in shared)
        yield f"heavy model: {len(shared)} rows asked of both, {'the same bits' if same else 'NOT THE SAME BITS'}"


CASES: dict[str, Callable[[Given], Iterator[str]]] = {
    "one": against_fastapi("1 row of JSON / FastAPI", 1, 0.6),
    "hundred": against_fastapi("100 rows of JSON / FastAPI", 100, 0.4),
    "oip": tensors,
    "p99": latency,
    "heavy": together,
}


def warm(sides: Sequence[Side]) -> None:
    """Ask each a little before it counts."""
    for side in sides:
        side.peak(0.2)


def compared(
    name: str, bar: float, pairs: int, sides: Sequence[Callable[[], float]], measure: str = "CPU"
) -> Iterator[str]:
    """Measure both sides in turn, and return the line for the table; the figures are the medians."""
    runs = [tuple(side() for side in sides) for _ in range(pairs)]
    ratio = median(ours / theirs for ours, theirs in runs)
    said = "holds" if ratio <= bar else "not reached"
    taken = [f"{median(side) * 1e6:,.0f} us" for side in zip(*runs, strict=True)]
    yield _line(name, measure, f"{bar:.2f}", ratio, said, taken)


def _line(name: str, measure: str, bar: str, ratio: float, said: str, taken: Sequence[str]) -> str:
    return LINE.format(name, measure, bar, f"{ratio:.2f}", said, *taken)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench_serve", description=__doc__)
    parser.add_argument("--only", default="", choices=["", *CASES], help="one case")
    parser.add_argument("--pairs", type=int, default=5, help="how many pairs of runs")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each run is")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where models are kept")
    options = parser.parse_args(arguments)
    with Cores.found() as cores:
        measure(Given(Files(options.cache, ROWS), options.pairs, options.seconds, cores), options.only)


def measure(given: Given, only: str) -> None:
    """Print the table of all cases, or of one."""
    where = f"server on core {given.cores.server}, load on {given.cores.load}"
    print(f"{given.pairs} pairs of runs of {given.seconds:g} s; {where}")
    print(LINE.format("", "", "bar", "ratio", "", "ours", "theirs"), flush=True)
    chosen = [case for name, case in CASES.items() if only in ("", name)]
    for line in itertools.chain.from_iterable(case(given) for case in chosen):
        print(line, flush=True)


if __name__ == "__main__":
    main()
