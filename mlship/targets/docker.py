"""`--target docker`: an image that serves the model, or scores files with it, and a compose file."""

from __future__ import annotations

from mlship.targets.contract import Layout, ModelFacts, Target, mebibytes

WORKERS = 2
"""Processes that answer: while one is replaced, the other goes on."""
CONTAINER_FILES = {
    "Dockerfile": "container/Dockerfile",
    ".dockerignore": "container/dockerignore",
    "smoke.sh": "container/smoke.sh",
}
"""What every bundle has that makes an image."""
_SPARE = 1.25  # bodies of requests, answers, and what the allocator keeps


def serve_memory(facts: ModelFacts, workers: int = WORKERS) -> int:
    """Return the MiB that a server needs: its workers, and the process that minds them, which opens no model."""
    return mebibytes((workers + 0.5) * facts.memory.serve * _SPARE)


def batch_memory(facts: ModelFacts, workers: int = WORKERS) -> int:
    """Return the MiB that scoring files needs: the model once, and the chunks of so many threads."""
    return mebibytes((1 + 0.5 * workers) * facts.memory.batch * _SPARE)


def _layout(facts: ModelFacts) -> Layout:
    return Layout(
        files={**CONTAINER_FILES, "compose.yaml": "docker/compose.yaml", "README.md": "docker/README.md"},
        values={"memory": serve_memory(facts), "workers": WORKERS},
    )


TARGET = Target("docker", "an image and a compose file", "container", _layout)
