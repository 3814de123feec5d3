"""`--target aws-batch`: an image, and what has an array job score a folder of a store with it.

The sizes of Fargate's containers: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""

from __future__ import annotations

from mlship.errors import UsageError
from mlship.targets.contract import Layout, ModelFacts, Target, mebibytes
from mlship.targets.docker import CONTAINER_FILES, batch_memory

_GIB = 1024
_SIZES = {1: (2, 8, 1), 2: (4, 16, 1), 4: (8, 30, 1), 8: (16, 60, 4), 16: (32, 120, 8)}
"""By processors: the least and the most GiB that Fargate gives to a container, and in which steps."""


def container_size(facts: ModelFacts) -> tuple[int, int]:
    """Return processors, and MiB of memory, of a container that scores files: the smallest there is that is enough.

    Raises:
        UsageError: None is.
    """
    for cpus, (least, most, step) in _SIZES.items():
        needed = batch_memory(facts, cpus)
        if needed <= most * _GIB:
            steps = max(0, -(-(needed - least * _GIB) // (step * _GIB)))
            return cpus, (least + steps * step) * _GIB
    raise UsageError(
        f"The model needs {batch_memory(facts, 1)} MiB, and Fargate gives no container as much.",
        hint="--target docker, on a machine of your own",
    )


def _layout(facts: ModelFacts) -> Layout:
    cpus, memory = container_size(facts)
    own = ("job-definition.json", "register.sh", "submit.sh", "schedule.yaml", "README.md")
    return Layout(
        files={**CONTAINER_FILES, **{name: f"aws-batch/{name}" for name in own}},
        values={"cpus": cpus, "memory": memory, "needed": mebibytes(facts.memory.batch)},
    )


TARGET = Target("aws-batch", "an array job of AWS Batch that scores a folder of S3", "container", _layout)
