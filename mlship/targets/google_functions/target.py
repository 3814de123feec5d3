"""`--target google-cloud-function`: a function for requests, messages and objects."""

from __future__ import annotations

from mlship.errors import UsageError
from mlship.targets.contract import Layout, ModelFacts, Target, mebibytes

_RUNTIME = "313"
_LEAST = 512
_SPARE = 1.25
_MOST = {1: 4, 2: 8, 4: 16, 8: 32}
"""GiB that Google gives at most, by processors: https://docs.cloud.google.com/run/docs/configuring/services/memory-limits."""


def size(facts: ModelFacts) -> tuple[int, int]:
    """Return processors and MiB of a function.

    Raises:
        UsageError: None is large enough.
    """
    memory = max(_LEAST, mebibytes(facts.memory.batch * _SPARE))
    for cpus, most in _MOST.items():
        if memory <= most * 1024:
            return cpus, memory
    raise UsageError(
        f"The model needs {memory} MiB, and Google gives no function as much.",
        hint="--target docker, on a machine of your own",
    )


def _layout(facts: ModelFacts) -> Layout:
    names = {name: name for name in ("main.py", "deploy.sh", "smoke.sh", "README.md")} | {
        ".gcloudignore": "gcloudignore"
    }
    cpus, memory = size(facts)
    return Layout(
        files={name: f"google-cloud-function/{template}" for name, template in names.items()},
        values={"runtime": _RUNTIME, "cpus": cpus, "memory": memory},
    )


TARGET = Target(
    "google-cloud-function",
    "functions for requests, messages and objects",
    "google-cloud-function",
    _layout,
    lock_name="requirements.txt",
)
