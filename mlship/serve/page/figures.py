"""Samples of counts become figures over time: rates, and quantiles of histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from mlship.serve.page.samples import Sample

Buckets = Sequence[tuple[float, float]]
"""(upper bound, how many lie at or below it), ascending; the last bound is infinite and holds all."""
Points = tuple[tuple[float, float], ...]
"""(seconds before now, figure); not-a-number where there is none."""


def seconds_ago(samples: Sequence[Sample]) -> list[float]:
    """Return when each sample but the first was taken, as negative seconds from the last one."""
    return [sample["time"] - samples[-1]["time"] for sample in samples[1:]]


def answered(samples: Sequence[Sample], model: str, *, well: bool) -> Points:
    """Return answers a second between two samples.

    Args:
        samples: The samples.
        model: Name of the model.
        well: Whether those with a status below 400 are counted, or the others.
    """
    rates = []
    for one, other in pairwise(samples):
        more = _status(other, model, well=well) - _status(one, model, well=well)
        rates.append(more / (other["time"] - one["time"]))
    return tuple(zip(seconds_ago(samples), rates, strict=True))


def _status(sample: Sample, model: str, *, well: bool) -> float:
    codes = sample["requests"].get(model, {})
    return float(sum(count for code, count in codes.items() if (int(code) < 400) is well))


def latency(samples: Sequence[Sample], model: str, share: float) -> Points:
    """Return a quantile of the milliseconds that requests took, of those that ended between two samples."""
    seconds = [
        quantile(between(one["seconds"].get(model, []), other["seconds"].get(model, [])), share)
        for one, other in pairwise(samples)
    ]
    return tuple(zip(seconds_ago(samples), (1e3 * value for value in seconds), strict=True))


def between(before: Buckets, after: Buckets) -> Buckets:
    """Return what came into buckets between two samples; a model that was not there before had none."""
    known = dict(before)
    return [(bound, count - known.get(bound, 0.0)) for bound, count in after]


def quantile(buckets: Buckets, share: float) -> float:
    """Return a quantile as Prometheus' histogram_quantile does: numbers lie evenly between a bucket's bounds.

    Not-a-number when there is nothing in the buckets; what lies past the last bound is told as that bound.
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    total = buckets[-1][1] if buckets else 0.0
    if not total:
        return math.nan
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if math.isinf(bound):
            break
        if count >= share * total:
            return low + (bound - low) * ((share * total - below) / (count - below) if count > below else 1.0)
        low, below = bound, count
    return low


def counts_of(buckets: Buckets) -> list[tuple[str, float]]:
    """Return how many whole numbers lie in each bucket, each by its text, without the empty ones at both ends."""
    found: list[tuple[str, float]] = []
    low, below = 0.0, 0.0
    for bound, count in buckets:
        found.append((_between(low, bound), count - below))
        low, below = bound, count
    while found and not found[-1][1]:
        found.pop()
    while found and not found[0][1]:
        found.pop(0)
    return found


def _between(low: float, high: float) -> str:
    if math.isinf(high):
        return f"more than {low:g}"
    return f"{high:g}" if high <= low + 1 else f"{low + 1:g} to {high:g}"


def latest(points: Points) -> float:
    """Return the last figure, not-a-number when there is none."""
    return points[-1][1] if points else math.nan


def largest(points: Points) -> float:
    """Return the largest figure, not-a-number when there is none."""
    return max((value for _, value in points if not math.isnan(value)), default=math.nan)
