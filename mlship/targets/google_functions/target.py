"""`--target google-cloud-function`: a function for requests, messages and objects."""

from __future__ import annotations

from mlship.targets.contract import Layout, ModelFacts, Target, mebibytes

_RUNTIME = "313"
_LEAST = 512
_SPARE = 1.25


def _layout(facts: ModelFacts) -> Layout:
    names = {name: name for name in ("main.py", "deploy.sh", "smoke.sh", "README.md")} | {
        ".gcloudignore": "gcloudignore"
    }
    return Layout(
        files={name: f"google-cloud-function/{template}" for name, template in names.items()},
        values={"runtime": _RUNTIME, "memory": max(_LEAST, mebibytes(facts.memory.batch * _SPARE))},
    )


TARGET = Target(
    "google-cloud-function",
    "functions for requests, messages and objects",
    "google-cloud-function",
    _layout,
    lock_name="requirements.txt",
)
