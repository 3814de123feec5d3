"""Figures of models whose answer is known."""

from __future__ import annotations

from mlship.advise.figures import Calls, Measured, Point, Scored, Served

MIB = 1 << 20


def figures(call: float, *, gain: float = 1.0, around: float = 3e-4, scored: float | None = None) -> Measured:
    """Return the figures of a model.

    Args:
        call: Seconds of a call of one row.
        gain: How many times cheaper a row is among many.
        around: Seconds that a request takes beside the call.
        scored: Rows a second of a core of batch; by default those of the best call.
    """
    curve = tuple(Point(rows, call * (1 + (rows - 1) / gain)) for rows in (1, 10, 100, 1_000, 10_000))
    rate = 1 / (call + around / 2)
    return Measured(
        cpus=2.0,
        cold=0.3,
        calls=Calls(call, 1.2 * call, 5_000, curve),
        served=Served(
            1.0, call + around, 1.2 * call + around, 5_000, rate, 2 * call + around, 50 / call, 100, gain > 1, 1_000
        ),
        scored=Scored(0.6, 0.5, scored or curve[-1].rate, scored or curve[-1].rate, 1_000_000),
        memory_serve=200 * MIB,
        memory_batch=400 * MIB,
    )


LINEAR = figures(5e-6, gain=50)
FOREST = figures(0.05)
"""50 ms for a row, alone or among others."""
