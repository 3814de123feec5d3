"""`--target systemd`: services for serving the model and for scoring files with it, and a script that installs them."""

from __future__ import annotations

from mlship.targets.contract import RETRIED, WORKERS, Layout, ModelFacts, Target
from mlship.targets.docker import batch_memory, idle_memory, serve_memory, served

_LOOKED_AT = tuple(code for code in range(1, 10) if code not in RETRIED)
"""Exit codes of `mlship batch` after which somebody has to look."""


def _layout(facts: ModelFacts) -> Layout:
    memory = serve_memory(facts) + idle_memory(facts, WORKERS + 1)  # while a new model is taken over, with its workers
    return Layout(
        files={
            f"mlship-serve-{facts.slug}.service": "systemd/serve.service",
            f"mlship-batch-{facts.slug}.service": "systemd/batch.service",
            f"mlship-batch-{facts.slug}.timer": "systemd/batch.timer",
            "install.sh": "systemd/install.sh",
            "uninstall.sh": "systemd/uninstall.sh",
            "wheelhouse.sh": "container/wheelhouse.sh",
            "README.md": "systemd/README.md",
        },
        values={**served(facts), "memory": memory, "batch_memory": batch_memory(facts), "looked_at": _LOOKED_AT},
    )


TARGET = Target("systemd", "services for this machine", "container", _layout)
