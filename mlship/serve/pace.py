"""How long a model takes to answer, and whether scoring several requests in one call pays.

Measured by the clock of this machine, as nothing depends on it but how soon an answer comes: the bits of a row are the
same alone and among others, which the row multiple of the artifact guarantees.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mlship.model.feed import Feed, joined
from mlship.model.session import Session
from mlship.model.values.records import read_records
from mlship.serve.settings import Pace

_TOGETHER = 16
_PAYS = 0.7  # of the time that the same rows take one by one; below, the time of waiting for others is won back
_CHEAP = 1.5e-5  # seconds of a call below which putting requests together takes longer than calling for each
_LONGEST = 1.0


def measured(session: Session, example: dict[str, Any] | None) -> Pace:
    """Measure a model.

    Args:
        session: The model, open.
        example: A record that it answers, or None, and the model is then taken for a slow one that does not batch.
    """
    if example is None:
        return Pace(call=1.0)
    one = Feed(1, read_records(session.signature, [example]).columns)
    many = joined([one] * _TOGETHER)

    def score(feed: Feed) -> None:
        assert feed.columns is not None
        session.predict(feed.columns)

    call = _seconds(lambda: score(one))
    together = _seconds(lambda: score(many))
    row = max(0.0, (together - call) / (_TOGETHER - 1))
    return Pace(call, row, session.proven and call >= _CHEAP and together < _PAYS * _TOGETHER * call)


def _seconds(work: Callable[[], None]) -> float:
    """The median of a few runs after the first, which makes buffers; one run of what takes long."""
    found: list[float] = []
    begun = time.perf_counter()
    for _ in range(6):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
        if time.perf_counter() - begun > _LONGEST:
            break
    return float(np.median(found[1:] or found))
