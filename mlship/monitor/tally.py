"""Labels counted, and their number bounded so that the counts of chunks stay small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlship.model.values.codes import Array

Tally = dict[str, int]
"""How many rows have each label, by its text."""

_MOST = 500
_MOST_PAIRED = 50


def tally(values: Array) -> Tally:
    """Count the labels in an array [rows] of bool, int64, float64, or object holding str."""
    if values.dtype.kind == "O":
        return bounded(Counter(values.tolist()))
    labels, counts = np.unique(values, return_counts=True)
    return bounded(dict(zip(labels.tolist(), counts.tolist(), strict=True)))


def bounded(counts: Mapping[Any, int], most: int = _MOST) -> Tally:
    """Return counts by text, of the labels (500) that come first in the order of their texts.

    A label that is among the first of the whole is so in every part of it: what is kept has been counted everywhere,
    and does not depend on how the rows were cut into chunks.
    """
    texts: Counter[str] = Counter()
    for label, count in counts.items():
        texts[str(label)] += count
    return {label: texts[label] for label in sorted(texts)[:most]}


def added(total: Mapping[str, int], more: Mapping[str, int], most: int = _MOST) -> Tally:
    """Add up two tallies."""
    return bounded(Counter(total) + Counter(more), most)


def listed(counts: Mapping[str, int], rows: int) -> list[dict[str, Any]]:
    """Return the labels with their rows and shares, the most frequent first, then as None those not kept."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [{"label": label, "rows": count, "share": count / rows} for label, count in ordered]
    if rest := rows - sum(counts.values()):
        told.append({"label": None, "rows": rest, "share": rest / rows})
    return told


def tally_pairs(firsts: Array, seconds: Array) -> dict[str, Tally]:
    """Count pairs of labels in two arrays [rows], by the text of the first and then of the second; 50 of each."""
    found: dict[str, Counter[Any]] = {}
    for (first, second), count in Counter(zip(firsts.tolist(), seconds.tolist(), strict=True)).items():
        found.setdefault(str(first), Counter())[second] += count
    return {first: bounded(found[first], _MOST_PAIRED) for first in sorted(found)[:_MOST_PAIRED]}


def added_pairs(total: Mapping[str, Tally], more: Mapping[str, Tally]) -> dict[str, Tally]:
    """Add up two counts of pairs."""
    firsts = sorted(total.keys() | more.keys())[:_MOST_PAIRED]
    return {first: added(total.get(first, {}), more.get(first, {}), _MOST_PAIRED) for first in firsts}


def listed_pairs(pairs: Mapping[str, Tally]) -> list[tuple[str, str, int]]:
    """Return the pairs with their rows, the most frequent first."""
    told = [(first, second, rows) for first, seconds in pairs.items() for second, rows in seconds.items()]
    return sorted(told, key=lambda pair: (-pair[2], pair[0], pair[1]))
