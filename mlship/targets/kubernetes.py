"""`--target kubernetes`: an image, and manifests that serve the model, or score files or a topic with it."""

from __future__ import annotations

from math import ceil

from mlship.stream.configuration import QUEUED_KIBIBYTES
from mlship.stream.options import Bounds
from mlship.stream.worker import ENDS_SECONDS, GRACE_SECONDS
from mlship.targets.contract import MIB, RETRIED, Layout, ModelFacts, Target, mebibytes
from mlship.targets.docker import CONTAINER_FILES, SPARE, batch_memory, idle_memory, served

STREAM_STOP_SECONDS = ceil(ENDS_SECONDS) + 4
"""How long a stream that was told to end is left alone: as long as it may take, and a little more."""
_QUEUED = QUEUED_KIBIBYTES << 10
_BESIDE = 2  # that count is of keys and values; what the client keeps of a small record besides is as much again
_ANSWER = 50 * MIB  # fetch.max.bytes of librdkafka: of what a broker sends while the line is not full yet
_WRITTEN = 3  # times a micro-batch: the records made of it, the client's copies, and the requests that they go in
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
    "stream/kustomization",
    "stream/deployment",
    "stream/hpa",
    "stream/networkpolicy",
    "stream-lag/kustomization",
    "stream-lag/adapter",
)
_FILES = (
    "README.md",
    "token.sh",
    "kustomization.yaml",
    *(f"manifests/{name}.yaml" for name in _MANIFESTS),
    *(f"optional/{name}.yaml" for name in _OPTIONAL),
)


def stream_memory(facts: ModelFacts) -> int:
    """Return the MiB that a stream of one process needs at most: that process, the one that minds it, and the client.

    A micro-batch of 16 MiB takes no more than the largest requests of `serve`, two of 8 MiB at a time, which were
    measured. What librdkafka holds was not: it is bounded by its properties, and by what a transaction writes.
    """
    client = _QUEUED * _BESIDE + _ANSWER + Bounds().bytes * _WRITTEN
    return mebibytes((facts.memory.serve + facts.memory.idle / 2 + client) * SPARE)


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
            "stream_memory": stream_memory(facts),
            "stream_idle_memory": idle_memory(facts, workers=1),
            "queued": _QUEUED // MIB,
            "stream_grace": ceil(GRACE_SECONDS),
            "stream_stop": STREAM_STOP_SECONDS,
        },
    )


TARGET = Target("kubernetes", "an image and manifests for kustomize", "container", _layout)
