"""Every call that changes the disk fails once, is cut in half, or is the last one before a kill."""

from __future__ import annotations

import random
import signal

from tests.faults.campaign import (
    FAIL,
    FULL,
    KILL_AFTER,
    KILL_BEFORE,
    NAMES,
    SHORT,
    TORN,
    WRITES,
    Call,
    Ended,
    Fault,
    Field,
)
from tests.faults.conftest import Pick

SAMPLE = 5
# The last is all that Polars tells where the footer of a Parquet file could not be written.
SAID = ("Input/output error", "No space left on device", "a write was refused")
MILDEST = ("unlink", "close", "mkdir")
"""Calls that may fail without harm: of what is published, or of a folder that is there already."""


def cases(disturbed: Field) -> list[tuple[int, int, int]]:
    """Every call and way to fail; of several commands the first disturbs older output, and the last what is new."""
    command = 0 if disturbed.scenario.before else len(disturbed.calls) - 1
    found = [(command, 1, KILL_BEFORE)]
    for call in disturbed.calls[command]:
        modes = (FAIL, FULL, KILL_AFTER, *((SHORT, TORN) if call.function in WRITES else ()))
        found += [(command, call.number, mode) for mode in modes]
    return found


def test_every_call_that_fails(disturbed: Field, pick: Pick[tuple[int, int, int]]) -> None:
    """A run that meets a fault exits 6 with one clear line, and the next one gives what an undisturbed one gives."""
    chosen = pick(cases(disturbed), SAMPLE)
    assert chosen
    wrong = []
    for command, number, mode in chosen:
        try:
            judge(disturbed, command, Fault(mode, number))
        except AssertionError as error:
            calls = disturbed.calls[command]
            call = calls[min(number, len(calls)) - 1]
            wrong.append(f"command {command}, call {number} {call.function} {call.path} {NAMES[mode]}: {error}")
    assert wrong == [], "\n\n".join([f"{len(wrong)} of {len(chosen)}", *wrong])


def judge(disturbed: Field, command: int, fault: Fault) -> None:
    """Disturb a command once, and look at what comes of it."""
    ended = disturbed.disturbed(fault, command)
    assert len(ended.calls) >= fault.at, f"nothing was disturbed: {ended}"
    hit = ended.calls[fault.at - 1]
    if fault.mode in (KILL_BEFORE, KILL_AFTER, TORN):
        assert ended.code == -signal.SIGKILL, ended.said
    elif fault.mode == SHORT:
        assert ended.code == 0, ended.said
    else:
        failed_well(ended, hit)
    if ended.code == 0 and command == len(disturbed.calls) - 1:
        assert disturbed.is_done(), "it ended well, but not all is there"
    said = disturbed.finished(command)
    if fault.mode in (FAIL, FULL) and lost(hit):
        assert "Going on" not in said, "what an fsync did not get to the disk was taken for written"


def failed_well(ended: Ended, hit: Call) -> None:
    """A fault is told in one line with the system's words, unless nothing depends on the call."""
    assert ended.code in (0, 6), ended.said
    if ended.code == 0:
        assert hit.function in MILDEST, "it was not noticed"
        return
    assert ended.said.count("error:") == 1, ended.said
    assert "could not be" in ended.said or "cannot be" in ended.said, ended.said
    assert any(words in ended.said for words in SAID), ended.said
    assert "Traceback" not in ended.said


def lost(call: Call) -> bool:
    """Whether the call is an fsync of scored rows."""
    scored = ("output", "part-", "rejects.ndjson", "scored")
    name = call.path.rpartition("/")[2]
    return call.function == "fsync" and name.startswith(scored) and not name.endswith(".copy") and "." in name


def test_random_kills(disturbed: Field, pick: Pick[int]) -> None:
    """Killed at random moments, again and again, a job is done by whoever gets to its end."""
    for seed in pick(range(20), 1):
        dice = random.Random(seed)  # noqa: S311 - the same every time
        ended = disturbed.disturbed(Fault(1, 0), kill_after=dice.random() * 0.4)
        assert ended.code in (0, -signal.SIGKILL)
        disturbed.finished()
