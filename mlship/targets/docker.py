"""`--target docker`: an image that serves the model, or scores files with it, and a compose file."""

from __future__ import annotations

from math import ceil

from mlship.serve.settings import BODIES_HELD, DRAIN_SECONDS, GRACEFUL_SECONDS, Limits
from mlship.targets.contract import WORKERS, Layout, ModelFacts, Target, mebibytes

STOP_SECONDS = ceil(DRAIN_SECONDS) + GRACEFUL_SECONDS + 4
"""How long a server that was told to end is left alone: as long as it may take, and a little more."""
CONTAINER_FILES = {
    "Dockerfile": "container/Dockerfile",
    ".dockerignore": "container/dockerignore",
    "smoke.sh": "container/smoke.sh",
    "wheelhouse.sh": "container/wheelhouse.sh",
}
"""What every bundle has that makes an image."""
SPARE = 1.5
"""For what the allocator keeps, and the system counts as the process's own."""


def serve_memory(facts: ModelFacts, workers: int = WORKERS) -> int:
    """Return the MiB that a server needs at most: its workers, and the process that minds them, which has no model."""
    bodies = BODIES_HELD * Limits().body  # of requests that come in and wait
    return mebibytes((workers * (facts.memory.serve + bodies) + facts.memory.idle / 2) * SPARE)


def idle_memory(facts: ModelFacts, workers: int = WORKERS) -> int:
    """Return the MiB that a server needs which answers small requests."""
    return mebibytes((workers + 0.5) * facts.memory.idle * SPARE)


def served(facts: ModelFacts) -> dict[str, int]:
    """Return what templates tell of a server: workers, MiB at most and when idle, and the seconds in which it ends."""
    return {
        "workers": WORKERS,
        "memory": serve_memory(facts),
        "idle_memory": idle_memory(facts),
        "drain": ceil(DRAIN_SECONDS),
        "graceful": GRACEFUL_SECONDS,
        "stop": STOP_SECONDS,
    }


def batch_memory(facts: ModelFacts, workers: int = WORKERS) -> int:
    """Return the MiB that scoring files needs: libraries and model once, and the chunks of so many workers."""
    return mebibytes(facts.memory.batch * (1 + max(0, workers - WORKERS) / (2 * WORKERS)) * SPARE)


def _layout(facts: ModelFacts) -> Layout:
    return Layout(
        files={
            **CONTAINER_FILES,
            ".gitignore": "docker/gitignore",
            "compose.yaml": "docker/compose.yaml",
            "README.md": "docker/README.md",
        },
        values=served(facts),
    )


TARGET = Target("docker", "an image and a compose file", "container", _layout)
