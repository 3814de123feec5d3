"""The words of advice: a sentence for the recommendation, and one for each thing to consider, with its figures."""

from __future__ import annotations

from mlship.advise.figures import DAY, Assumed, Measured, Needs
from mlship.advise.rules import Verdict, Way, interval_of, window_of
from mlship.advise.texts import amount, exact, memory, p99, plain, price, share, span, times
from mlship.serve.settings import ServeOptions

GIVE = "Give --latency where a caller waits for each answer, --freshness where predictions may be renewed now and then"


def reason(verdict: Verdict, measured: Measured, needs: Needs, assumed: Assumed) -> str:
    """Return what is recommended and why, or what would have to be known or different."""
    batch, real_time, stream, both = verdict.ways
    told = _p99_of(real_time, measured)
    match verdict.code:
        case "needs_unknown":
            return f"{GIVE}, and --rate, to get a recommendation."
        case "answered_in_time":
            return (
                f"Real time: {_workers(real_time)} answer{_s(real_time)} a row in {span(real_time.seconds)} "
                f"({_asked(real_time, measured)}), and {exact(_limit(needs))} are allowed.{_unsized(needs)}"
            )
        case "mostly_known_ahead":
            return (
                f"Both: real time alone takes {_workers(real_time)}. Score the rows that are known ahead by batch "
                f"every {exact(interval_of(needs))} and look them up; {_workers(both)} in all do that and answer the "
                f"others, if {share(assumed.known)} are known ahead."
            )
        case "looked_up_only":
            return (
                f"Batch, looked up: no request is held to {exact(_limit(needs))} ({told}), but "
                f"predictions may be {exact(interval_of(needs))} old: score all rows ahead, and look answers up. Rows "
                "that are not known ahead get none in time."
            )
        case "nobody_waits":
            return (
                f"Batch: nobody waits, and a run every {exact(interval_of(needs))} is fresh enough. "
                f"{_run(batch, needs, assumed)}"
            )
        case "fresh_and_nobody_waits":
            return (
                f"Stream: nobody waits, and runs of batch are worth it only from {exact(assumed.shortest_interval)} "
                f"on, not every {exact(interval_of(needs))}. "
                f"{_workers(stream).capitalize()} of mlship serve --kafka-config answer{_s(stream)} within about "
                f"{span(stream.seconds)}."
            )
        case "fresher_than_a_stream":
            return f"Real time: only a request is answered within {exact(interval_of(needs))} ({told})."
        case _:
            return _too_slow(real_time, measured, needs)


def _p99_of(way: Way, measured: Measured) -> str:
    """How long a request takes, and when."""
    if not measured.served.asked:
        return f"{span(way.seconds)}, worked out from the model alone"
    return f"{span(way.seconds)} {_asked(way, measured)} with workers {share(way.load or 0.0)} busy"


def _asked(way: Way, measured: Measured) -> str:
    """What the p99 of a request is, by how many were asked: half busy, or else alone."""
    served = measured.served
    if not served.asked:
        return "not measured"
    return p99(served.busy_asked if way.seconds == served.busy_p99 else served.asked)


def _too_slow(real_time: Way, measured: Measured, needs: Needs) -> str:
    """What would help: the time of a request is that of the call and that of all around it."""
    served, limit, told = measured.served, _limit(needs), _p99_of(real_time, measured)
    if real_time.seconds >= ServeOptions.timeout:
        return (
            f"Nothing fits: a request takes {told}, and serve gives it up after {ServeOptions.timeout:g} s. mlship "
            f"serve --timeout {2 * real_time.seconds:,.0f} would raise that, if callers wait so long; "
            "--freshness 1h or more would do, if answers may be that old: they are then scored ahead and looked up."
        )
    if served.p99 <= limit:
        return (
            f"Nothing fits: a request alone takes {span(served.p99)} ({p99(served.asked)}) here, but others wait "
            f"before it, so that it is {told}, and {exact(limit)} are allowed. What would: more time, a faster model "
            "or machine, or --freshness 1h or more, if answers may be so old: they are then scored ahead and looked up."
        )
    around = max(0.0, served.p99 - measured.calls.p99)
    said = (
        f"Nothing fits: a request takes {span(served.p99)} ({p99(served.asked)}) here, and {exact(limit)} are allowed."
    )
    looked_up = "--freshness 1h or more, if answers may be that old: they are then scored ahead and looked up"
    if around >= limit:
        return (
            f"{said} {span(around)} of it is not the model but HTTP and reading rows, so that no smaller model helps: "
            f"a faster machine does, or {looked_up}."
        )
    faster = measured.calls.p99 / (limit - around)
    return (
        f"{said} What would: a model {times(faster)} as fast (fewer or shallower trees, fewer columns, a linear one), "
        f"a faster machine (more of them do not make one call shorter), or {looked_up}."
    )


def considerations(verdict: Verdict, measured: Measured, needs: Needs, assumed: Assumed) -> tuple[tuple[str, str], ...]:
    """Return what speaks for what, each topic with its figures."""
    return (
        ("latency", _latency(verdict.of("real time"), measured)),
        ("freshness", _freshness(verdict, measured, needs, assumed)),
        ("off-peak hours", _off_peak(verdict, needs, assumed)),
        ("cost", _cost(verdict, needs)),
        ("rows together", _together(measured)),
        ("complexity", _complexity(verdict, measured)),
        ("monitoring", _monitoring(measured, needs)),
        ("failure", _failure(measured)),
    )


def _latency(real_time: Way, measured: Measured) -> str:
    served, calls = measured.served, measured.calls
    busy = (
        ""
        if served.busy_p99 is None
        else f", {span(served.busy_p99)} {p99(served.busy_asked)} when the worker is half busy"
    )
    if not served.asked:
        return (
            f"The model takes {span(calls.p50)} for a row, and serve gives one up after {ServeOptions.timeout:g} s "
            "unless --timeout says more: none was measured."
        )
    most = f"{span(served.p99)} {p99(served.asked)}{busy}"
    return (
        f"The model takes {span(calls.p50)} for a row, a request {span(served.p50)} ({most}). As planned, that is "
        f"{_p99_of(real_time, measured)} in the busiest time, by what was measured and the waits of a queue. "
        "An answer that is looked up takes what your table takes."
    )


def _freshness(verdict: Verdict, measured: Measured, needs: Needs, assumed: Assumed) -> str:
    old = "" if needs.freshness is None else f", {exact(needs.freshness)} here"
    return (
        f"Batch is as old as its interval{old}, and worth it from {exact(assumed.shortest_interval)} on, as a run "
        f"takes {span(measured.scored.start)} to begin. A stream is about {span(verdict.of('stream').seconds)} behind, "
        "a request is never."
    )


def _off_peak(verdict: Verdict, needs: Needs, assumed: Assumed) -> str:
    batch, real_time = verdict.of("batch"), verdict.of("real time")
    if real_time.busy is None or needs.rate is None:
        return (
            f"Servers stand all day for the busiest time, taken to be {assumed.peak:g} times the mean; a run of batch "
            "uses processors fully and gives them back. --rate tells how much that is."
        )
    runs = (
        f"Batch takes {_workers(batch)} for {span(batch.seconds)} every {exact(interval_of(needs))}, when you choose."
        if batch.why is None or needs.freshness is None
        else f"Batch does not fit: {batch.why}."
    )
    return (
        f"{_workers(real_time).capitalize()} of serve, which the busiest time needs, would be busy "
        f"{share(real_time.busy)} of the day. {runs}"
    )


def _cost(verdict: Verdict, needs: Needs) -> str:
    said = ", ".join(f"{way.name} {price(way)}" for way in verdict.ways if way.name != "both")
    real_time = verdict.of("real time")
    if real_time.busy is None:
        return f"A million predictions take: {said}, all of them fully used."
    hours = 24 * real_time.workers
    paid = "" if needs.cpu_hour is None else f", {plain(hours * needs.cpu_hour)} at your price"
    stands = f"Real time is paid for all day, whatever comes: {hours:,} CPU hours a day{paid}"
    return f"A million predictions take: {said}. {stands}, of which {share(real_time.busy)} are used."


def _together(measured: Measured) -> str:
    calls, served = measured.calls, measured.served
    if calls.pays_from is None:
        return "A row costs about the same in a call of its own and among others: micro-batching gains nothing."
    does = "serve does that by itself" if served.batching else "serve answers each request of this model alone"
    if not served.asked:
        does = "no server was measured"
    return (
        f"A row in the best call costs 1/{calls.gain:,.3g} of one alone; micro-batching pays from {calls.pays_from:,} "
        f"rows that wait together, and {does}."
    )


def _complexity(verdict: Verdict, measured: Measured) -> str:
    many, runs = (_machines(verdict.of(name), measured) for name in ("real time", "batch"))
    service = f"; here {many:,} machines of {measured.cpus:g} processors" if many > 1 else ""
    batch = "Batch is one command and a scheduler."
    if runs > 1:
        batch = (
            f"Batch is a scheduler and {runs:,} machines of {measured.cpus:g} processors, each with a part of the rows."
        )
    return (
        f"{batch} Real time is a service that stands: deployment, load balancing, tokens, limits{service}. A stream "
        "needs a broker besides, and both ways at once need both and a table."
    )


def _machines(way: Way, measured: Measured) -> int:
    return max(1, -(-way.workers // max(1, int(measured.cpus))))


def _monitoring(measured: Measured, needs: Needs) -> str:
    start = f" A restart is without answers for {span(measured.served.start)} where there is one worker."
    restart = start if measured.served.asked else ""
    rate = "" if needs.rate is None else f" at {amount(needs.rate / DAY)} rows a second"
    return (
        "Batch: exit code, rejects and drift in --report, and --max-drift as a gate before anybody uses the output. "
        f"Real time: /metrics all day{rate} (p99, errors, 503, drift), an alert and somebody awake; a wrong answer is "
        f"out at once.{restart}"
    )


def _failure(measured: Measured) -> str:
    server = f", a new server after {span(measured.served.start)}" if measured.served.asked else ""
    return (
        "A run of batch that fails is given again and goes on; late, but whole. A server that fails is missed in the "
        f"second: keep one worker more than are needed. A new process answers after {span(measured.cold)}{server}."
    )


def _run(batch: Way, needs: Needs, assumed: Assumed) -> str:
    if needs.rate is None:
        return "--rate tells how many processors it takes."
    return (
        f"{_workers(batch).capitalize()} with {memory(batch.memory)} score{_s(batch)} its rows "
        f"in {span(batch.seconds)}, of {span(window_of(needs, assumed))} that a run may take."
    )


def _unsized(needs: Needs) -> str:
    return " --rate tells how many workers it takes." if needs.rate is None else ""


def _workers(way: Way) -> str:
    return "one worker" if way.workers == 1 else f"{way.workers:,} workers"


def _s(way: Way) -> str:
    return "s" if way.workers == 1 else ""


def _limit(needs: Needs) -> float:
    limit = needs.latency if needs.latency is not None else needs.freshness
    assert limit is not None
    return limit
