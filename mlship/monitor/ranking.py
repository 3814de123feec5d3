"""How well a score ranks rows of two classes, counted in bins so that counts of chunks add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlship.model.values.codes import Array
from mlship.monitor.bins import Numbers

Ranks = dict[str, dict[str, Any]]
"""By label `first`, the number of the first bin, and `counts`, how many rows are in it and those after it."""

_MOST_LABELS = 3  # one more than can be ranked, so that it is known when there are too many
_LOWEST = -1100  # below all bins that the following make
_LOGIT_BINS, _LARGEST_LOGIT = 64, 16.0
_SCORE_BINS, _SMALLEST_SCORE, _LARGEST_SCORE = 32, 2.0**-10, 2.0**20


def ranks(labels: Array, scores: Numbers, meaning: str) -> Ranks:
    """Count rows by label and bin.

    Probabilities are taken as log-odds in bins of 1/64 between -16 and 16; other scores in bins that are 1/32 of an
    octave wide, and evenly spaced about zero. What is further out is counted in the outermost bin, and what is no
    number in the lowest.

    Args:
        labels: What came true [rows].
        scores: The scores [rows].
        meaning: What they mean; see `Output`.
    """
    keys = _logit_keys(scores) if meaning == "probability" else _score_keys(scores)
    found: Ranks = {}
    for label in set(labels.tolist()):
        own = keys[np.asarray(labels == label, dtype=np.bool_)]
        first = int(own.min())
        found[str(label)] = {"first": first, "counts": np.bincount(own - first).tolist()}
    return _bounded(found)


def added(total: Ranks, more: Ranks) -> Ranks:
    """Add up two counts."""
    merged = dict(total)
    for label, part in more.items():
        merged[label] = _aligned(merged[label], part) if label in merged else part
    return _bounded(merged)


def area(total: Mapping[str, Mapping[str, Any]], positive: str) -> tuple[float | None, float | None]:
    """Return the area under the ROC curve, and the most by which it can be off.

    Rows in one bin count as ties, half of which are ranked right; none of them or all may be.

    Args:
        total: The counts.
        positive: The label for which scores are large.

    Returns:
        None twice when there are not rows of this and one other label, and of no further one.
    """
    if len(total) != 2 or positive not in total:
        return None, None
    (negative,) = (label for label in total if label != positive)
    first = min(part["first"] for part in total.values())
    size = max(part["first"] + len(part["counts"]) for part in total.values()) - first
    above, below = (_spread(total[label], first, size) for label in (positive, negative))
    pairs = float(above.sum() * below.sum())
    right = float((above * (np.cumsum(below) - below)).sum())
    tied = float((above * below).sum())
    return (right + tied / 2) / pairs, tied / 2 / pairs


def _logit_keys(scores: Numbers) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(scores) - np.log1p(-scores)
    return _floor(np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT) * _LOGIT_BINS)


def _score_keys(scores: Numbers) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    inside = np.clip(scores, -_LARGEST_SCORE, _LARGEST_SCORE)
    return _floor(np.arcsinh(inside / _SMALLEST_SCORE) * (_SCORE_BINS / np.log(2)))


def _floor(places: Numbers) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    whole = np.floor(places)
    return np.where(np.isnan(whole), _LOWEST, whole).astype(np.int64)


def _spread(part: Mapping[str, Any], first: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    row = np.zeros(size, dtype=np.float64)
    start = part["first"] - first
    row[start : start + len(part["counts"])] = part["counts"]
    return row


def _aligned(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    first = min(one["first"], other["first"])
    size = max(part["first"] + len(part["counts"]) for part in (one, other)) - first
    counts = _spread(one, first, size) + _spread(other, first, size)
    return {"first": first, "counts": counts.astype(np.int64).tolist()}


def _bounded(found: Ranks) -> Ranks:
    return {label: found[label] for label in sorted(found)[:_MOST_LABELS]}
