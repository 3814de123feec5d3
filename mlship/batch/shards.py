"""`--shard`: which part of the work is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from mlship.batch.job import Shard
from mlship.errors import UsageError

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_INDEX, _SIZE = "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"


def parse_shard(text: str, environment: Mapping[str, str] | None = None) -> Shard:
    """Read `I/N` with I from 0 to N-1, or `auto`: what AWS Batch tells the children of an array job.

    Args:
        text: What was given.
        environment: The environment variables; by default this process's.

    Raises:
        UsageError: It is neither, or `auto` stands outside an array job.
    """
    environment = os.environ if environment is None else environment
    told = text
    if text == "auto":
        if _INDEX not in environment or _SIZE not in environment:
            raise UsageError(
                f"--shard auto reads {_INDEX} and {_SIZE}, which are not both set.",
                hint="Run it as a child of an array job of AWS Batch, or name the part: --shard 0/4",
            )
        told = f"{environment[_INDEX]}/{environment[_SIZE]}"
    match = _FORM.fullmatch(told)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(f"The shard '{told}' is not I/N with I from 0 to N-1.", hint="--shard 0/4")
    return Shard(int(match[1]), int(match[2]))
