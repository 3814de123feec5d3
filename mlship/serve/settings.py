"""What a server is told: options and their defaults, limits on requests, and what is known of the model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlship.errors import UsageError

DRAIN_SECONDS = 1.0
"""How long a stopping server still accepts connections: load balancers need a moment to look elsewhere."""
GRACEFUL_SECONDS = 25
"""How long it then takes at most to answer what it had taken; whoever ends it by force has to wait for both."""
BODIES_HELD = 8
"""Of the largest bodies that may be: what a process holds of them is bounded, however many clients send."""

_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_LINE_SECONDS = 1.0  # of work that may wait
_LEAST_LINE, _MOST_LINE = 16, 128


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
class Pace:
    """How long a model takes to answer, measured once before it is served.

    Attributes:
        call: Seconds of a call with one row.
        row: Seconds that each further row takes.
        batching: Whether scoring the rows of several requests in one call takes less than scoring each alone.
    """

    call: float = 0.0
    row: float = 0.0
    batching: bool = False


@dataclass(frozen=True)
class Tls:
    """Files in PEM form for TLS.

    Attributes:
        cert: The server's certificate, and those between it and its authority.
        key: Its private key.
        client_ca: Certificates of the authorities that clients' certificates have to come from, or None to demand none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True)
class ServeOptions:
    """How to serve models.

    Attributes:
        models: Path or URI of each ONNX file, or NAME=path.
        host: Name or address to listen on.
        port: TCP port, 0 for any free one.
        workers: Worker processes, or None to take the CPUs available.
        threads: Threads of each worker, or None for as many as keep its CPUs busy.
        limits: The most that one request may ask for.
        timeout: Seconds after which a request is given up.
        queue: Requests that a worker takes before the next is refused, or None for a second's work.
        batch_wait_ms: Milliseconds that a request may be held back so that others join it.
        watch: Whether a model that is replaced is taken over without being told.
        shadow: Path or URI of a model that is asked besides, or None.
        no_auth: Whether the user agreed to answer other machines without asking who they are.
        log_level: Which of gunicorn's own messages are shown.
        token_file: The file of the tokens, or None.
        tls: The files for TLS, or None for plain HTTP.
        metrics_port: TCP port for metrics and probes alone, or None to have them at `port`.
        trusted_proxies: Networks of the proxies whose word is taken on for whom they ask.
        access_log: Whether each answer is logged.
        log_predictions: The folder for a record of all predictions, or None.
        page: Whether there is a page for people.
    """

    models: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    timeout: float = 30.0
    queue: int | None = None
    batch_wait_ms: float = 0.0
    watch: bool = False
    shadow: str | None = None
    no_auth: bool = False
    log_level: str = "error"
    token_file: Path | None = None
    tls: Tls | None = None
    metrics_port: int | None = None
    trusted_proxies: tuple[str, ...] = ()
    access_log: bool = True
    log_predictions: Path | None = None
    page: bool = True


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
        pace: How long it takes to answer.
        signature: Its signature, as JSON values.
    """

    name: str
    version: str
    digest: str
    proven: bool
    warning: str | None
    example: dict[str, Any] | None
    seconds: float
    pace: Pace = field(default_factory=Pace)
    signature: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def identity(self) -> dict[str, str]:
        """Name, version and digest, as they stand in every answer."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True)
class Doors:
    """Where a server is asked, and by whom.

    Attributes:
        url: Where, without a path, such as `http://127.0.0.1:8000`.
        metrics_url: Where metrics and probes alone are answered, or None.
        loopback: Whether only this machine can ask.
        tokens: Names of the tokens, one of which has to be shown, or none.
        tls: The files for TLS, or None for plain HTTP.
        endpoints: Method and path of all that is answered at `url`.
    """

    url: str
    metrics_url: str | None = None
    loopback: bool = True
    tokens: tuple[str, ...] = ()
    tls: Tls | None = None
    endpoints: tuple[str, ...] = ()

    @property
    def anyone(self) -> bool:
        """Whether other machines can ask, and nobody asks who they are."""
        return not (self.loopback or self.tokens or (self.tls and self.tls.client_ca))


@dataclass(frozen=True)
class Ready:
    """A server that answers.

    Attributes:
        models: The name in paths of each model served, and what is known of it.
        doors: Where it is asked, and by whom.
        workers: Number of worker processes.
        threads: Number of threads of each.
        queue: Requests that each takes before the next is refused.
        limits: The most that one request may ask for.
        timeout: Seconds after which a request is given up.
        cpus: The CPUs that were found.
        quota: Whether a control group bounds them.
        warnings: What else the user should know.
    """

    models: tuple[tuple[str, ModelFacts], ...]
    doors: Doors
    workers: int
    threads: int
    queue: int
    limits: Limits
    timeout: float
    cpus: float
    quota: bool
    warnings: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where it is asked, without a path."""
        return self.doors.url


def default_queue(call: float, parallel: int) -> int:
    """Return how many requests a worker takes before it refuses the next.

    A second's work, so that who is taken is answered soon.

    Args:
        call: Seconds of a call of the slowest model.
        parallel: Calls that run at the same time.
    """
    return max(_LEAST_LINE, min(_MOST_LINE, int(_LINE_SECONDS * parallel / max(call, 1e-6))))


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
