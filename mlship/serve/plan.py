"""What a server serves, and how: made by the parent, and taken along by each fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mlship.serve.proxies import Proxies
from mlship.serve.settings import Limits, ModelFacts, Tls
from mlship.serve.tokens import Tokens


@dataclass(frozen=True)
class ModelPlan:
    """A model that was checked.

    Attributes:
        name: The name in paths.
        source: Path or URI that it was read from.
        data: The bytes that were checked. Workers open these and never the source, so that all of them, also those
            that replace a dead one much later, serve the same model whatever happens to it. A fork shares them.
        facts: What the check found.
    """

    name: str
    source: str
    data: bytes = field(repr=False)
    facts: ModelFacts


@dataclass(frozen=True)
class Plan:
    """All that the server and its workers need.

    Attributes:
        models: What is served.
        shadow: A model that is asked besides, or None.
        limits: The most that one request may ask for.
        listener: File descriptor of the listening socket.
        workers: Number of worker processes.
        threads: Threads of each.
        parallel: Calls of a model that run at the same time in each.
        queue: Requests that a worker takes before the next is refused.
        timeout: Seconds after which a request is given up.
        batch_wait: Seconds that a request may be held back so that others join it.
        folder: A folder of this server alone, for what its processes tell one another.
        log_level: Which of gunicorn's own messages are shown.
        watch: Whether a model that is replaced is taken over without being told.
        access_log: Whether each answer is logged.
        log_predictions: The folder for a record of all predictions, or None.
        on_ready: Called in the parent once all workers answer.
        tokens: What clients have to show, or None.
        tls: What is shown to clients, and demanded of them, or None for plain HTTP.
        proxies: Whose word is taken on for whom they ask.
        metrics_listener: File descriptor of a listening socket for metrics and probes alone, or None.
        page: Whether there is a page for people.
    """

    models: tuple[ModelPlan, ...]
    shadow: ModelPlan | None
    limits: Limits
    listener: int
    workers: int
    threads: int
    parallel: int
    queue: int
    timeout: float
    batch_wait: float
    folder: Path
    log_level: str
    watch: bool
    access_log: bool
    log_predictions: Path | None
    on_ready: Callable[[], None]
    tokens: Tokens | None = None
    tls: Tls | None = None
    proxies: Proxies = field(default_factory=Proxies)
    metrics_listener: int | None = None
    page: bool = True
