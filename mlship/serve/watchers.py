"""Who watches a worker: told how things are some times a second, and of the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Load:
    """How things are.

    Attributes:
        pending: Requests that have come and are not answered.
        waiting: Those whose rows wait for being scored.
        connections: Connections that are open.
    """

    pending: int
    waiting: int
    connections: int


class Watcher(Protocol):
    """Watches a worker."""

    def tick(self, load: Load) -> None:
        """Do what is due; called on the event loop, so that it must neither fail nor take long."""
        ...

    def close(self) -> None:
        """Write what is left: the worker ends."""
        ...
