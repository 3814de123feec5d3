"""What a server is told: options and their defaults, limits on requests, and what is known of the model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlship.errors import UsageError

_COUNT = re.compile(r"[1-9][0-9]{0,3}")
# With fewer threads a few slow clients hold the whole worker; more of them wait for one another's bytecode.
_LEAST_THREADS = 4


@dataclass(frozen=True)
class Limits:
    """The most that one request may ask for.

    Attributes:
        body: Bytes of a request's body.
        rows: Rows of a request.
    """

    body: int = 8 << 20
    rows: int = 10_000


@dataclass(frozen=True)
class ServeOptions:
    """How to serve one model.

    Attributes:
        model: Path of the ONNX file.
        host: Name or address to listen on.
        port: TCP port, 0 for any free one.
        workers: Worker processes, or None to take the CPUs available.
        threads: Threads of each worker, or None for as many as keep its CPUs busy.
        limits: The most that one request may ask for.
        no_auth: Whether the user agreed to answer other machines without asking who they are.
        log_level: Which of gunicorn's own messages are shown.
    """

    model: Path
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    no_auth: bool = False
    log_level: str = "error"


@dataclass(frozen=True)
class ModelFacts:
    """What a process that opened the model tells one that must not.

    Attributes:
        name: Name of the model.
        version: Its version.
        digest: Its digest, 64 hexadecimal digits.
        proven: Whether the file carries a proof of equality with an original.
        warning: What to tell the user, such as golden rows that differ under MLSHIP_GOLDEN=warn, or None.
        example: A record that the model accepts, as JSON values, or None when none was found.
        seconds: How long opening it took.
    """

    name: str
    version: str
    digest: str
    proven: bool
    warning: str | None
    example: dict[str, Any] | None
    seconds: float

    @property
    def identity(self) -> dict[str, str]:
        """Name, version and digest, as they stand in every answer."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True)
class Ready:
    """A server that answers.

    Attributes:
        model: The model served.
        url: Where, without a path, such as `http://127.0.0.1:8000`.
        workers: Number of worker processes.
        threads: Number of threads of each.
    """

    model: ModelFacts
    url: str
    workers: int
    threads: int


def default_threads(cpus: float, workers: int) -> int:
    """Return the number of threads of each worker.

    Two for each CPU that falls to the worker, so that one scores while another waits for its client,
    and never fewer than four.
    """
    return max(_LEAST_THREADS, math.ceil(2 * cpus / workers))


def parse_count(text: str, option: str) -> int | None:
    """Return a whole number from 1 to 9999, or None for `auto`.

    Args:
        text: The text.
        option: The option that it was given to, for the error.

    Raises:
        UsageError: It is neither.
    """
    if text == "auto":
        return None
    if not _COUNT.fullmatch(text):
        raise UsageError(f"{option} is '{text}'; it takes 'auto' or a number from 1 to 9999.", hint=f"{option} auto")
    return int(text)
