"""What a server does when it is not told."""

from __future__ import annotations

import pytest

from mlship.serve.settings import default_threads


@pytest.mark.parametrize(
    ("cpus", "workers", "threads"), [(0.25, 1, 4), (1.9, 1, 4), (2.0, 2, 4), (64.0, 64, 4), (8.0, 1, 16), (7.5, 3, 5)]
)
def test_threads_follow_the_cpus(cpus: float, workers: int, threads: int) -> None:
    """Each worker has two threads for each CPU that falls to it, and at least four."""
    assert default_threads(cpus, workers) == threads
