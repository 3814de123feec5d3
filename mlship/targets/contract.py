"""What a target has to say of itself, and what it may know of the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_SLUG = 40  # leaves room for endings such as -predict within the 63 characters of a Kubernetes name
_LONGEST_TAG = 64
MIB = 1 << 20
WORKERS = 2
"""Processes that answer, and chunks scored at a time: while one server process is replaced, the other goes on."""
RETRIED = (6, 7, 130, 137, 143)
"""Exit codes of `mlship batch` after which trying again helps: failed input or output, another run, and signals."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a process was seen to need at most.

    Attributes:
        serve: One that answers over HTTP, after the largest requests that serve allows, two at a time.
        batch: One that scores a file, with `WORKERS` chunks at a time.
        idle: One that answers over HTTP, before any request.
    """

    serve: int
    batch: int
    idle: int = 0


@dataclass(frozen=True)
class ModelFacts:
    """What templates may know of the model. Its name and version never reach them, what is made of them does.

    Attributes:
        name: Its name, for messages only.
        version: Its version, for messages only.
        digest: Its digest, 64 hexadecimal digits.
        size: Bytes of its file.
        proven: Whether the file carries a proof of equality with an original.
        memory: What processes need that open it.
    """

    name: str
    version: str
    digest: str
    size: int
    proven: bool
    memory: Memory

    @property
    def slug(self) -> str:
        """The name as a DNS label (RFC 1123) that can be lengthened: `a-z0-9-`, at most 40, a letter first."""
        slug = _NOT_IN_SLUG.sub("-", self.name.lower()).strip("-")[:_LONGEST_SLUG].strip("-")
        return slug if slug[:1].isalpha() else f"model-{slug}".strip("-")

    @property
    def tag(self) -> str:
        """The version as the tag of an image: `A-Za-z0-9_.-`, no dot or dash first, at most 64."""
        return _NOT_IN_TAG.sub("-", self.version).strip(".-")[:_LONGEST_TAG] or self.digest[:12]

    def to_json(self) -> dict[str, str]:
        """Return what `--json` tells of a model."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True)
class Layout:
    """The files of a bundle.

    Attributes:
        files: For each file its template's path below `mlship/targets/templates`.
        values: What the templates may interpolate besides what all may; see `render`.
        notes: What the user has to know, such as a choice that was made and why.
    """

    files: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A kind of bundle.

    Attributes:
        name: What `--target` calls it.
        about: What it is for, in a few words.
        lock: The list of libraries that it installs: a file of `mlship/targets/locks`, without its suffix.
        layout: Makes its files of what is known of a model.
        lock_name: What that list is called in the bundle.
    """

    name: str
    about: str
    lock: str
    layout: Callable[[ModelFacts], Layout]
    lock_name: str = "mlship.lock"


def mebibytes(size: float, step: int = 64) -> int:
    """Return a size in MiB, rounded up so that measuring again gives the same bundle."""
    return -(-int(size) // (step * MIB)) * step
