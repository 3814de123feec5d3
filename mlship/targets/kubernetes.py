"""`--target kubernetes`: an image, and manifests that serve the model or score files with it, by kustomize."""

from __future__ import annotations

from mlship.targets.contract import RETRIED, Layout, ModelFacts, Target
from mlship.targets.docker import CONTAINER_FILES, batch_memory, served

_PRE_STOP_SECONDS = 5  # for every node to learn that a pod that is ending gets no new requests
_MANIFESTS = ("deployment", "service", "hpa", "pdb", "networkpolicy")
_OPTIONAL = (
    "queue-depth/kustomization",
    "queue-depth/adapter",
    "monitoring/kustomization",
    "monitoring/podmonitor",
    "monitoring/prometheusrule",
    "batch/kustomization",
    "batch/cronjob",
    "batch/volume",
    "batch/networkpolicy",
)
_FILES = (
    "README.md",
    "token.sh",
    "kustomization.yaml",
    *(f"manifests/{name}.yaml" for name in _MANIFESTS),
    *(f"optional/{name}.yaml" for name in _OPTIONAL),
)


def _layout(facts: ModelFacts) -> Layout:
    return Layout(
        files={
            **CONTAINER_FILES,
            ".gitignore": "kubernetes/gitignore",
            **{name: f"kubernetes/{name}" for name in _FILES},
        },
        values={
            **served(facts),
            "batch_memory": batch_memory(facts),
            "port": 8000,
            "metrics_port": 9000,
            "pre_stop": _PRE_STOP_SECONDS,
            "retried": RETRIED,
        },
    )


TARGET = Target("kubernetes", "an image and manifests for kustomize", "container", _layout)
