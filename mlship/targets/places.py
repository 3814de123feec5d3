"""Where a function hands things over to, as its environment says it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from mlship.errors import UsageError
from mlship.serve.served import Served
from mlship.targets.records import Delivery, Keep, Sink

RESULTS, REJECTS, KEEP = "MLSHIP_RESULTS", "MLSHIP_REJECTS", "MLSHIP_KEEP"


@dataclass(frozen=True)
class Places:
    """Where things go, by name and ready.

    Attributes:
        results: Where results go.
        rejects: Where records go that the model does not accept; empty to leave them with their source.
        sink: The first, ready.
        reject_sink: The second, ready.
        keep: The fields of a record that its result carries along.
    """

    results: str
    rejects: str
    sink: Sink
    reject_sink: Sink | None
    keep: Keep

    def delivery(self, served: Served) -> Delivery:
        """Return what hands over the results of a model."""
        return Delivery(served.identity, self.sink, self.reject_sink, self.keep)


def places_of(sink_of: Callable[[str, str], Sink]) -> Places | None:
    """Return where things go, or None when it is not said.

    Args:
        sink_of: Makes a sink of a place and of the variable that holds it.

    Raises:
        UsageError: A variable makes no sense.
        DependencyMissing: The library for a place is not installed.
    """
    results, rejects = os.environ.get(RESULTS, ""), os.environ.get(REJECTS, "")
    if results and results == rejects:
        raise UsageError(f"{REJECTS} is the same place as {RESULTS}.", hint=f"Set {REJECTS} to another place.")
    keep = _keep_of(os.environ.get(KEEP) or "all")
    refused = sink_of(rejects, REJECTS) if rejects else None
    return Places(results, rejects, sink_of(results, RESULTS), refused, keep) if results else None


def no_results(example: str) -> UsageError:
    """Return the error of a function to which records come, and which cannot hand their results over."""
    return UsageError(
        f"It is not said where the results of events go: {RESULTS} is not set.",
        hint=f"Set {RESULTS} in the function's environment, such as to {example}.",
    )


def fed_by(variable: str) -> UsageError:
    """Return the error of a place that leads back into the function: each result would be its next record."""
    return UsageError(f"{variable} is what records come from.", hint=f"Set {variable} to another place.")


def _keep_of(text: str) -> Keep:
    if text in ("all", "none"):
        return "all" if text == "all" else "none"
    names = tuple(text.split(","))
    if not all(names):
        raise UsageError(f"{KEEP} has an empty name in it.", hint=f"{KEEP}=all, none or COL,COL")
    return names
