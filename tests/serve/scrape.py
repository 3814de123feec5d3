"""What `/metrics` of a running server says."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.serve.server import Server

Samples = dict[str, float]


def scrape(server: Server) -> Samples:
    """Return all samples by name and labels, as `name{label=value,...}`."""
    answer = server.ask("GET", "/metrics")
    assert answer.status == 200
    return samples_of(answer.body)


def samples_of(text: bytes) -> Samples:
    """Return the samples of a text, read as Prometheus reads it; none of them may occur twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found
            found[key] = sample.value
    return found


def scraped_until(server: Server, holds: Callable[[Samples], bool], seconds: float = 15.0) -> Samples:
    """Scrape until something holds: other workers write four times a second."""
    deadline = time.monotonic() + seconds
    while True:
        found = scrape(server)
        if holds(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
