"""What a stream is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Keep = Literal["all", "none"] | tuple[str, ...]
"""The fields of a record that are carried along: all, none, or these."""


@dataclass(frozen=True)
class Topics:
    """Where records come from and go to.

    Attributes:
        source: The topic that is read.
        sink: The topic of the scores.
        rejects: The topic of records that the model cannot take, or None to stop at the first one.
    """

    source: str
    sink: str
    rejects: str | None = None


@dataclass(frozen=True)
class Bounds:
    """The most that one micro-batch may be; it never waits to get so large.

    Attributes:
        rows: Records of it.
        bytes: Bytes of their values.
        seconds: How long scoring them may take.
    """

    rows: int = 10_000
    bytes: int = 16 << 20
    seconds: float = 1.0


@dataclass(frozen=True)
class StreamOptions:
    """How to score a topic; picklable.

    Attributes:
        model: Path or URI of the ONNX file.
        topics: Where records come from and go to.
        consumer: librdkafka's properties for reading.
        producer: Those for writing.
        exactly_once: Whether scores, rejects and offsets are written in one transaction.
        keep: The fields of a record that are carried along.
        workers: Processes, each a member of the consumer group.
        watch: Whether a model file that is replaced is taken over without being told.
        bounds: The most that one micro-batch may be.
    """

    model: str
    topics: Topics
    consumer: Mapping[str, str] = field(repr=False)  # they hold passwords
    producer: Mapping[str, str] = field(repr=False)
    exactly_once: bool = True
    keep: Keep = "none"
    workers: int = 1
    watch: bool = False
    bounds: Bounds = Bounds()

    @property
    def group(self) -> str:
        """The consumer group."""
        return self.consumer["group.id"]
