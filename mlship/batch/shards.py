"""`--shard`: which part of the work is asked for, and which chunks that are.

Of several inputs a shard scores whole files, shared out by their sizes; of a single one every N-th chunk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlship.batch.job import Shard
from mlship.batch.score import Piece
from mlship.errors import UsageError
from mlship.tables.contract import Wanted
from mlship.tables.csv_typed import NO_SIGNATURE

if TYPE_CHECKING:
    from mlship.batch.outputs.contract import Done
    from mlship.tables.contract import Source

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_JOB, _INDEX, _SIZE = "AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"


def parse_shard(text: str, environment: Mapping[str, str] | None = None) -> Shard:
    """Read `I/N` with I from 0 to N-1, or `auto`: what AWS Batch tells its jobs.

    AWS Batch calls the children of an array job `PARENT:INDEX`, and calls them the same when it tries one again; a job
    that is submitted again gets another id. So the first half is what the children of one submission have in common.
    A job of it that is no array, which has to have two children at least, does all of the work.

    Args:
        text: What was given.
        environment: The environment variables; by default this process's.

    Raises:
        UsageError: It is neither, or `auto` stands outside a job of AWS Batch.
    """
    environment = os.environ if environment is None else environment
    told, job = text, environment.get(_JOB)
    if text == "auto":
        if _INDEX in environment and _SIZE in environment:
            told = f"{environment[_INDEX]}/{environment[_SIZE]}"
        elif _INDEX not in environment and job:
            told = "0/1"
        else:
            raise UsageError(
                f"--shard auto reads {_INDEX} and {_SIZE}, which are not both set.",
                hint="Run it as a job of AWS Batch, or name the part: --shard 0/4",
            )
    match = _FORM.fullmatch(told)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(f"The shard '{told}' is not I/N with I from 0 to N-1.", hint="--shard 0/4")
    submission = job.partition(":")[0] if text == "auto" and job else None
    return Shard(int(match[1]), int(match[2]), submission or None)


@dataclass(frozen=True)
class Share:
    """The chunks that a run scores.

    Attributes:
        shard: The part of the work that is asked for, or None for all.
    """

    shard: Shard | None

    def pieces(self, place: int, source: Source, last: Done | None, index: int) -> Iterator[Piece]:
        """Yield the run's chunks of an input that it reads.

        Args:
            place: Place of the input.
            source: The input, open.
            last: The last of its chunks that is done, or None.
            index: The number of the first piece yielded.
        """
        if self.shard is None or self.shard.places is not None:
            start, number = (None, 0) if last is None else (last.stop, last.number + 1)
            for at, chunk in enumerate(source.plan(start, number)):
                yield Piece(index + at, place, source, chunk)
            return
        others = 0
        for chunk in source.plan():  # all of it: what others score is counted, since rejects tell a row's number
            if chunk.index % self.shard.of != self.shard.index:
                others += source.read(chunk, Wanted(NO_SIGNATURE)).count
            elif last is None or chunk.index > last.number:
                yield Piece(index, place, source, chunk, others)
                index += 1
