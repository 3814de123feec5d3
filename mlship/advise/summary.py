"""Advice as tables, a chart for a terminal, and sections of a report."""

from __future__ import annotations

from mlship.advise.advice import Advice
from mlship.advise.figures import DAY, Assumed
from mlship.advise.rules import Way
from mlship.advise.texts import amount, memory, p99, plain, price, share, span
from mlship.report.document import Document, Section
from mlship.report.pictures.bars import Bar, Bars
from mlship.report.pictures.lines import Line, Lines
from mlship.report.pictures.scale import Axis

TITLE = "Batch or real time?"
CURVE = "Rows a second of one processor, by rows in a call"
_WIDEST, _NARROWEST = 60, 8


def overview(advice: Advice) -> tuple[tuple[str, str], ...]:
    """Return the one table of the terminal: what was measured, and what each way would take."""
    return (*_measured(advice), *((f"as {way.name}", _told(way)) for way in advice.verdict.ways))


def chart(advice: Advice, width: int) -> list[str]:
    """Draw the curve as lines of text, in ASCII, for a window of so many columns."""
    curve = advice.measured.calls.curve
    labels = [f"{point.rows:,}" for point in curve]
    figures = [amount(point.rate) for point in curve]
    left, right = max(map(len, labels)), max(map(len, figures))
    room = max(_NARROWEST, min(_WIDEST, width - left - right - 3))
    most = max(point.rate for point in curve)
    return [CURVE] + [
        f"{label:>{left}} {'#' * max(1, round(room * point.rate / most)):{room}} {figure:>{right}}".rstrip()
        for label, point, figure in zip(labels, curve, figures, strict=True)
    ]


def assumptions(assumed: Assumed) -> tuple[tuple[str, str], ...]:
    """Return what was assumed, in words."""
    return (
        ("busiest time", f"{assumed.peak:g} times the mean rate"),
        ("workers are planned", f"to be {share(assumed.busy)} busy then, {share(assumed.quiet)} where time is short"),
        ("requests wait", "as in a queue M/M/1 at loads other than half, where they were measured"),
        ("a run of batch may take", f"{share(assumed.window)} of its interval, {span(assumed.longest_window)} at most"),
        ("batch is for intervals", f"of {span(assumed.shortest_interval)} and more"),
        (
            "a stream commits",
            (
                f"about every {span(assumed.commit)}, and was not measured: its workers are taken to score as many "
                "records as a worker of serve does rows of larger requests"
            ),
        ),
        ("where both are used", f"{share(assumed.known)} of the rows are known ahead"),
        ("memory", f"{share(assumed.spare)} more than was measured; of batch, for each pair of workers"),
        ("a worker", "takes one processor, and more machines are as fast as this one"),
    )


def document_of(advice: Advice) -> Document:
    """Return a report of advice alone."""
    name = f"{advice.model['name']} {advice.model['version']}"
    return Document(
        f"{TITLE} Advice for {name}",
        advice.reason,
        sections_of(advice),
        {"model": advice.model, "outputs": [], "advice": advice.to_json()},
        "good" if advice.verdict.way else "warning",
    )


def sections_of(advice: Advice) -> tuple[Section, ...]:
    """Return what a report says: the advice, the ways, the curve, the figures, and what was assumed."""
    ways = advice.verdict.ways
    curve, notes = advice.measured.calls.curve, advice.measured.notes
    named = ("", "")
    return (
        Section(TITLE, named, (("recommended", advice.verdict.way or "nothing"), ("why", advice.reason))),
        Section(
            "What a million predictions take",
            ("way", "fits", "workers", "memory", "busy", "CPU hours a million", "price a million", "time"),
            tuple(_row(way) for way in ways),
            Bars("Hours of a processor for a million predictions", tuple(_bar(way) for way in ways)),
        ),
        Section(
            CURVE,
            ("rows in a call", "time", "rows a second"),
            tuple((f"{point.rows:,}", span(point.seconds), amount(point.rate)) for point in curve),
            Lines(
                CURVE,
                (Line("", tuple((float(point.rows), point.rate) for point in curve)),),
                Axis("rows in a call", log=True),
                Axis("rows a second", log=True),
            ),
        ),
        Section("Measured on this machine", named, (*_measured(advice), *(("note", note) for note in notes))),
        Section("What speaks for what", named, advice.considerations),
        Section("Assumed", named, assumptions(advice.assumed)),
    )


def _measured(advice: Advice) -> tuple[tuple[str, str], ...]:
    found = advice.measured
    served, scored, calls = found.served, found.scored, found.calls
    busy = "" if served.busy_p99 is None else f"; {span(served.busy_p99)} when half busy{_of(served.busy_asked)}"
    asked = f"{span(served.p50)}, {p99(served.asked)} {span(served.p99)}{busy}"
    start = span(served.start) if served.asked else "not measured"
    batching = ("on" if served.batching else "off") if served.asked else "not measured"
    pays = "never" if calls.pays_from is None else f"from {calls.pays_from:,} rows"
    return (
        ("one row, in process", f"{span(calls.p50)}, {p99(calls.asked)} {span(calls.p99)}"),
        ("one row, over HTTP", asked if served.asked else "not measured"),
        (
            "one serve worker",
            f"{_rates(served.rate)}; {_rates(served.rows_rate)} in requests of {served.rows_a_request:,}",
        ),
        ("one batch core", f"{_rates(scored.core_rate)}; a run begins in {span(scored.start)}"),
        ("micro-batching pays", f"{pays}; serve: {batching}"),
        ("cold start", f"{span(found.cold)} to the first answer; serve {start}"),
        ("memory", f"{memory(found.memory_serve)} a serve worker, {memory(found.memory_batch)} batch with two"),
    )


def _of(asked: int) -> str:
    return "" if p99(asked) == "p99" else f" ({p99(asked)})"


def _rates(rate: float) -> str:
    return f"{amount(rate)} rows a second, {amount(rate * DAY)} a day"


def _told(way: Way) -> str:
    workers = "1 worker" if way.workers == 1 else f"{way.workers:,} workers"
    busy = "" if way.busy is None or way.name == "batch" else f" busy {share(way.busy)} of the day"
    run = f" for {span(way.seconds)}" if way.name == "batch" and way.busy is not None else ""
    fits = " (looked up)" if way.looked_up else "" if way.why is None else f" (no: {way.why})"
    return f"{workers}{busy}{run}, {memory(way.memory)}; a million {price(way)}{fits}"


def _row(way: Way) -> tuple[str, ...]:
    return (
        way.name,
        f"yes{', looked up' if way.looked_up else ''}" if way.why is None else f"no: {way.why}",
        f"{way.workers:,}",
        memory(way.memory),
        "-" if way.busy is None else share(way.busy),
        plain(way.cpu_hours),
        "-" if way.cost is None else plain(way.cost),
        span(way.seconds),
    )


def _bar(way: Way) -> Bar:
    return Bar(way.name, (way.cpu_hours,), (plain(way.cpu_hours),))
