"""What one worker of `mlship serve` does, asked over loopback for some seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlship.advise import asking
from mlship.advise.figures import BUSY, Calls, Served
from mlship.advise.processes import cpu_of, served
from mlship.errors import OutputFailed
from mlship.serve.settings import Limits, ServeOptions

_CLIENTS = 16
_QUIET = 0.8  # of the time, in which a server that many ask works on a quiet machine
_LONG = 0.3  # seconds of a request past which few are asked at once, and none at a rate
_ALONE_SECONDS, _RATE_SECONDS, _BUSY_SECONDS, _ROWS_SECONDS = 1.5, 2.5, 0.8, 1.5
_BUSY_ROUNDS = 3
"""Of which the middle one counts: one moment in which the machine did something else is no property of ours."""
_NEAR = 4  # parts of the server's timeout that a call may take, if several are to wait for one another
_LARGE_SECONDS = 1.0  # that a large request is to take
_SEVERAL = 8  # rows of it at least, where rows together cost less than alone
_MOST_BYTES = 4 << 20  # of a request


def rows_a_request(calls: Calls, size: int) -> int:
    """Return the rows of a large request: of about a second, within serve's `--max-rows`, and few enough in bytes.

    Args:
        calls: How long calls take.
        size: The bytes of a row.
    """
    rows = calls.rows_of(_LARGE_SECONDS)
    if calls.pays_from is not None:
        rows = max(rows, min(_SEVERAL, calls.rows_of(ServeOptions.timeout / _NEAR)))
    return max(1, min(rows, Limits().rows, _MOST_BYTES // size))


def measured(model: Path, records: Sequence[Mapping[str, Any]], calls: Calls, folder: Path) -> tuple[Served, list[str]]:
    """Start a server, ask it, and end it.

    Args:
        model: The ONNX file.
        records: Rows that it accepts.
        calls: How long calls of it take, by which large requests are sized.
        folder: Where the server runs.

    Returns:
        What it did, and what is to be known of these figures. Where a row takes longer than the server's `--timeout`,
        they are those of the model alone, and nothing was asked.

    Raises:
        ModelRefused: It does not serve the model.
        OutputFailed: A request was not answered with 200, so that the figures would say nothing.
    """
    if calls.p50 >= ServeOptions.timeout:
        return unasked(calls)
    try:
        return _measured(model, records, calls, folder)
    except OutputFailed:
        if calls.p50 < ServeOptions.timeout / _NEAR:
            raise
        return unasked(calls)


def unasked(calls: Calls) -> tuple[Served, list[str]]:
    """Return what is said of a server that answers nothing in time: the figures of the model alone."""
    best = max(calls.curve, key=lambda point: point.rate)
    note = (
        f"No request was measured: a row takes {calls.p50:,.3g} s, and serve gives requests up after its --timeout, "
        f"{ServeOptions.timeout:g} s where nobody gives another. Figures of workers are those of the model alone."
    )
    return Served(0.0, calls.p50, calls.p99, 0, 1.0 / calls.p50, None, best.rate, best.rows, batching=False), [note]


def _measured(
    model: Path, records: Sequence[Mapping[str, Any]], calls: Calls, folder: Path
) -> tuple[Served, list[str]]:
    bodies = [json.dumps([record], separators=(",", ":")).encode() for record in records]
    ones = [asking.request(body) for body in bodies]
    with served(model, folder) as ready:
        port = int(ready["url"].rpartition(":")[2])
        call = _whole(asking.ask(port, ones, 0.2, 1)).quantile(0.5)  # the first ones make buffers and do not count
        alone = _whole(asking.ask(port, ones, _ALONE_SECONDS, 1))
        clients = _CLIENTS if call < _LONG else 2 if call < ServeOptions.timeout / _NEAR else 1
        rate, notes = _rate(int(ready["pid"]), lambda: _whole(asking.ask(port, ones, _RATE_SECONDS, clients)))
        rows = rows_a_request(calls, max(map(len, bodies)))
        many = [asking.request(_body(records, first, rows)) for first in range(0, len(records), rows)]
        large, _ = _rate(int(ready["pid"]), lambda: _whole(asking.ask(port, many, _ROWS_SECONDS, min(clients, 2))))
        busy, count, more = (None, 0, ["p99 of a busy worker was not measured, as a request takes long."])
        if call < _LONG:
            busy, count, more = _busy(port, ones, rate)
    (batching,) = ready["batching"].values()
    found = Served(
        start=ready["seconds"],
        p50=alone.quantile(0.5),
        p99=alone.quantile(0.99),
        asked=len(alone.times),
        rate=rate,
        busy_p99=busy,
        rows_rate=large * rows,
        rows_a_request=rows,
        batching=bool(batching["on"]),
        busy_asked=count,
    )
    return found, [*notes, *more]


def _rate(pid: int, ask: Callable[[], asking.Seen]) -> tuple[float, list[str]]:
    """Answers of a second that a worker has a processor for itself: counted by its processor time where that is known.

    On a machine that does nothing else that is the time on the wall, as all of it is used.
    """
    before = cpu_of(pid)
    seen = ask()
    after = cpu_of(pid)
    taken = seen.seconds if before is None or after is None else min(max(after - before, 1e-2), seen.seconds)
    noisy = taken < _QUIET * seen.seconds
    note = "The machine did other work meanwhile: times of calls and requests may be longer than on a quiet one."
    return len(seen.times) / taken, [note] if noisy else []


def _busy(port: int, ones: Sequence[bytes], rate: float) -> tuple[float | None, int, list[str]]:
    rounds = [asking.ask_at(port, ones, _BUSY_SECONDS, BUSY * rate) for _ in range(_BUSY_ROUNDS)]
    if any(seen.others or not seen.times for seen in rounds):
        return None, 0, [f"p99 of a busy worker is not known: at {BUSY:.0%} of its rate it refused requests."]
    seen = middle(rounds)
    return seen.quantile(0.99), len(seen.times), []


def middle(rounds: Sequence[asking.Seen]) -> asking.Seen:
    """Return the round, of an odd number, whose p99 is the median."""
    return sorted(rounds, key=lambda seen: seen.quantile(0.99))[len(rounds) // 2]


def _body(records: Sequence[Mapping[str, Any]], first: int, rows: int) -> bytes:
    chosen = [records[(first + place) % len(records)] for place in range(rows)]
    return json.dumps(chosen, separators=(",", ":")).encode()


def _whole(seen: asking.Seen) -> asking.Seen:
    if seen.others or not seen.times:
        found = ", ".join(f"{count} {status}" for status, count in seen.others.items()) or "no answer"
        raise OutputFailed(f"The server that the model was measured with answered otherwise than with 200: {found}.")
    return seen
