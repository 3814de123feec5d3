"""The listing that all shards of a run go by, so that a file that comes between their starts changes nothing.

The first shard lists the inputs, shares them out (`shared_out`) and puts the listing with the output, on condition that
there is none; the others go by that one. There is one listing an output, that of the run under way or finished last.
What a shard finds there is the listing of its own run when it was asked for the same (`Asked`: the model, the options
that decide the output's bytes, the number of shards, and the inputs as they were named), and

* it was told by the same submission (`Shard.submission`: an array job of AWS Batch, whose children keep that id when
  they are tried again): whatever came since, so that a child that is tried again after all are done has nothing to do;
* or the run is not finished. Another submission then takes it up where it stands, and is noted in the listing, so that
  all of its children do; unless an input of it was changed or is gone, since then it could not be finished.

In all other cases a new listing takes its place: the run is finished, or was of another model, option or input. It does
so only while no shard of the old run is at work (exit code 7 otherwise, to be tried again); a shard of the old run that
comes later finds a listing that is not its own. A run that is no shard removes the listing.

Shards that are started by hand have no submission to go by. Each of them looks anew where it finds the run finished,
and where the inputs are the same there is nothing to do. Where an input changed before all are done, those that are
would not be done again: that is an error, and --restart, given to each of them, takes a new listing at the first.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlship import objects
from mlship.batch.inputs import STDIN, Input
from mlship.batch.job import BatchJob
from mlship.batch.outputs.listing import DiskListing, ListedInput, Listing, ListingPlace, StoredListing
from mlship.batch.outputs.manifest import plain
from mlship.errors import InputRefused, OutputLocked, UsageError
from mlship.tables.registry import known_kind

_TRIES = 20
_MOST_SUBMISSIONS = 20
_OF_THE_MACHINE = ("device", "inode")
_NOT_ASKED = ("inputs", "workers", "limit", "report", "restart", "overwrite", "shard", "gates")
"""What of a job decides nothing about the output's bytes, or is known only later."""


@dataclass(frozen=True)
class Asked:
    """What a shard was asked to do.

    Attributes:
        job: The job, without its inputs.
        names: The inputs as they were named.
        model: The model's digest.
    """

    job: BatchJob
    names: tuple[str, ...]
    model: str

    @property
    def digest(self) -> str:
        """What all shards of a run have in common before they know its inputs: sha256 of all that was asked for."""
        options = {name: value for name, value in asdict(self.job).items() if name not in _NOT_ASKED}
        options |= {"rejects": self.job.rejects is not None, "shards": self.job.shard and self.job.shard.of}
        told = {"model": self.model, "inputs": self.names, "options": _plain(options)}
        return hashlib.sha256(plain(told).encode()).hexdigest()


def frozen(asked: Asked, find: Callable[[], Sequence[Input]], say: Callable[[str], None]) -> BatchJob:
    """Return a shard's job with the inputs of its run, and the places of those that are the shard's.

    Args:
        asked: What was asked for; its output is a folder.
        find: Looks what inputs there are now.
        say: Tells the user something.

    Raises:
        UsageError: The input is a pipe, or the output holds what mlship did not write.
        InputRefused: There is none, or one was changed or is gone since the listing was taken.
        OutputFailed: The listing could not be read or put.
        OutputLocked: Another run writes the output.
    """
    job = asked.job
    assert job.shard is not None, "only shards share a listing"
    assert job.output is not None, "shards share a folder"
    if STDIN in asked.names:
        raise UsageError("Standard input can be read by one run only, not by shards.", hint="Name files.")
    stored = objects.is_uri(job.output)
    place: ListingPlace = StoredListing(job.output) if stored else DiskListing(Path(job.output))
    listing = _Freezing(asked, place, find, say).listing()
    own = tuple(at for at, one in enumerate(listing.inputs) if one.shard == job.shard.index)
    alone = listing.inputs[0].shard is None
    shard = replace(job.shard, run=listing.digest, places=None if alone else own, awaited=listing.awaited)
    inputs = [_input(one) for one in listing.inputs]
    for at in {0, *own}:
        now = _state_now(inputs[at])
        if _steady(now) == inputs[at].state:  # else the run finds that it is not what was listed
            inputs[at] = replace(inputs[at], state=now)
    rejects = job.rejects  # the same for all shards, as is the rest of their command
    if rejects is not None:
        rejects = rejects.with_name(f"{rejects.stem}.shard-{shard.name}{rejects.suffix}")
    return replace(job, inputs=tuple(inputs), shard=shard, rejects=rejects)


def shared_out(inputs: Sequence[Input], shards: int) -> list[int | None]:
    """Return which shard scores each input: largest first, to the one that has least; None for the only input.

    Names decide where sizes are equal, and the number of inputs, then that of the shard, where shards have equal loads.
    """
    if len(inputs) == 1:
        return [None]
    found: list[int | None] = [None] * len(inputs)
    loads = [(0, 0, shard) for shard in range(shards)]  # in order, which is a heap
    for at in sorted(range(len(inputs)), key=lambda at: (-_size(inputs[at]), inputs[at].name)):
        load, count, shard = loads[0]
        heapq.heapreplace(loads, (load + _size(inputs[at]), count + 1, shard))
        found[at] = shard
    return found


class _Freezing:
    def __init__(
        self, asked: Asked, place: ListingPlace, find: Callable[[], Sequence[Input]], say: Callable[[str], None]
    ) -> None:
        assert asked.job.shard is not None
        self._asked = asked.digest
        self._job = asked.job
        self._shard = asked.job.shard
        self._place = place
        self._find = find
        self._say = say

    def listing(self) -> Listing:
        """Return what the run goes by, having put it there if it is new."""
        for _ in range(_TRIES):
            data = self._place.read()
            there = None if data is None else Listing.from_bytes(data)
            wanted = self._wanted(there)
            if wanted is there:
                return wanted
            self._place.check_strangers(overwrite=self._job.overwrite)
            if self._place.write(wanted.to_bytes()):
                return wanted
        raise OutputLocked(f"Too many runs write '{self._job.output}'.", hint="Run the same command again.")

    def _wanted(self, there: Listing | None) -> Listing:
        who = self._shard.submission
        if there is None:
            return self._new()
        if there.asked != self._asked:
            return self._instead(there, self._new(), "it was of another model, option or input")
        standing = self._place.standing(there)
        if who in there.submissions or (who is None and not standing.finished and not self._job.restart):
            return there if standing.finished or self._shard.index in standing.done else self._unchanged(there)
        new = self._new()
        if standing.finished:
            if new != there:
                return self._instead(there, new, None)
            return there if who is None else new
        if not _has_all(new, there):
            return self._instead(there, new, "an input of it changed")
        self._say(f"Going on with the {len(there.inputs)} inputs that were listed at {there.taken}.")
        return there if who is None else replace(there, submissions=(*there.submissions, who)[-_MOST_SUBMISSIONS:])

    def _new(self) -> Listing:
        """What there is now."""
        inputs = self._find()
        listed = tuple(
            ListedInput(one.name, one.keys, _steady(one.state), shard)
            for one, shard in zip(inputs, shared_out(inputs, self._shard.of), strict=True)
        )
        who = () if self._shard.submission is None else (self._shard.submission,)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return Listing(self._asked, self._shard.of, listed, who, now)

    def _instead(self, there: Listing, new: Listing, why: str | None) -> Listing:
        self._place.check_idle(there)
        if why is not None and not self._place.standing(there).finished:
            self._say(f"An unfinished run for '{self._job.output}' was dropped: {why}.")
        return new

    def _unchanged(self, there: Listing) -> Listing:
        """The listing, if the shard can go by it; else a new one, if nobody relies on the old one."""
        own = [one for at, one in enumerate(there.inputs) if at == 0 or one.shard in (None, self._shard.index)]
        changed = next((one for one in own if _steady(_state_now(_input(one))) != one.state), None)
        if changed is None:
            return there
        if not self._place.standing(there).done:
            return self._instead(there, self._new(), "an input of it changed")
        again = "Run each shard with --restart." if self._shard.submission is None else "Submit the whole job again."
        raise InputRefused(
            f"'{changed.name}' was changed or is gone since the inputs were listed, and other shards are done.",
            hint=again,
            code="input_changed",
        )


def _has_all(new: Listing, old: Listing) -> bool:
    """Whether all inputs of a listing are still there, and what they were."""
    now = {one.name: one.state for one in new.inputs}
    return all(now.get(one.name) == one.state for one in old.inputs)


def _input(one: ListedInput) -> Input:
    path = None if objects.is_uri(one.name) else Path(one.name)
    return Input(one.name, known_kind(one.name), path, one.keys, one.state)


def _state_now(one: Input) -> dict[str, Any]:
    """An input's state, empty when it is gone."""
    try:
        return one.now()
    except InputRefused:
        return {}


def _steady(state: dict[str, Any]) -> dict[str, Any]:
    """What of a state is the same on each machine."""
    return {name: value for name, value in state.items() if name not in _OF_THE_MACHINE}


def _size(one: Input) -> int:
    return int(one.state.get("size") or 0)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    return str(value) if isinstance(value, Path) else value
