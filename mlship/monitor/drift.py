"""Whether the rows still look like the sample that the model was exported with, column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mlship.errors import ModelRefused
from mlship.model.signature import Column
from mlship.model.values.codes import Array
from mlship.monitor.bins import as_numbers, count_bins, edges_of, psi, shares_of
from mlship.monitor.contract import Counts, Seen

_MOST_CATEGORIES = 64  # counted one by one; further ones are counted together, so that counts stay small
_TEXTS_A_ROW = 2  # a text costs twenty times what a number does
_FEW_ROWS = 4096  # of which all texts are counted
_TEXTS = ("string", "category")
_NO_BASELINE = "The model has no baseline, as it was exported without --sample; drift was not counted."


@dataclass(frozen=True)
class _Watched:
    """One column with what its baseline tells.

    Attributes:
        column: The column.
        missing: Share of nulls in the sample.
        edges: Edges between the bins of a column of numbers or times.
        deciles: What the edges were made of.
        bins: Shares of those bins, None where the baseline tells deciles only.
        categories: The categories with their shares, most frequent first.
        pooled: Share of all other texts.
    """

    column: Column
    missing: float
    edges: tuple[float, ...] = ()
    deciles: tuple[float, ...] = ()
    bins: tuple[float, ...] | None = None
    categories: Mapping[str, float] | None = None
    pooled: float = 0.0


class Drift:
    """Counts every input column over the bins of the model's baseline.

    For each column the population stability index is taken over the bins that the sample's deciles make, or its
    categories, and over null as one more bin. Of a column of texts at most 64 categories have a bin of their own;
    rare and new ones share one. Numbers are counted in every row. Where a model takes more than 2 columns of texts,
    texts are counted in every k-th row of a chunk of 4,096 rows or more, and the result tells k; nulls are always
    counted in every row.

    Args:
        columns: The model's input columns.
        baseline: `Card.baseline`.

    Raises:
        ModelRefused: The baseline is not what an export writes.
    """

    name = "drift"

    def __init__(self, columns: Sequence[Column], baseline: Mapping[str, Any] | None) -> None:
        try:
            self._baseline_rows = None if baseline is None else int(baseline["rows"])
            told = {} if baseline is None else baseline["columns"]
            self._watched = tuple(_watched(column, told[column.name]) for column in columns if column.name in told)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelRefused(
                "The model's baseline cannot be read.", hint="Export the model again.", code="bad_metadata"
            ) from error
        texts = sum(watched.categories is not None for watched in self._watched)
        self._every = max(1, -(-texts // _TEXTS_A_ROW))

    def count(self, seen: Seen) -> Counts:
        """Count one chunk: of each column the nulls, then the rows in each bin."""
        rows = len(seen.rows)
        every = self._every if rows >= _FEW_ROWS else 1
        if not self._watched:
            return {"rows": rows}
        counted = [_counted(watched, seen.columns[watched.column.name], every) for watched in self._watched]
        return {"rows": rows, "looked_at": -(-rows // every), "columns": counted}

    def place(self, counts: Counts, file: int, first_row: int | None) -> Counts:  # noqa: ARG002 - it tells of no row
        """Return the counts, in which no row is told."""
        return counts

    def add(self, total: Counts, more: Counts) -> Counts:
        """Add the counts of a chunk."""
        if not total or not more:
            return total or more
        added: Counts = {name: total[name] + more[name] for name in ("rows", "looked_at") if name in total}
        if "columns" in total:
            pairs = zip(total["columns"], more["columns"], strict=True)
            added["columns"] = [[a + b for a, b in zip(one, other, strict=True)] for one, other in pairs]
        return added

    def result(self, total: Counts) -> dict[str, Any]:
        """Return the drift of each column, the largest first.

        Returns:
            `baseline_rows` (None without a baseline, and `note` says why), `rows`, `texts_every` (k, when texts were
            counted in every k-th row), and `columns`, each with `column`, `psi` (None when there were no rows),
            `missing_then`, `missing_now` and `bins` of `bin`, `then`, `now`, which are shares of all rows.
        """
        rows = int(total.get("rows", 0))
        if self._baseline_rows is None:
            return {"baseline_rows": None, "rows": rows, "note": _NO_BASELINE, "columns": []}
        counted = total.get("columns") or [None] * len(self._watched)
        looked_at = int(total.get("looked_at", 0))
        columns = [
            _drifted(watched, counts, rows, looked_at) for watched, counts in zip(self._watched, counted, strict=True)
        ]
        columns.sort(key=lambda column: -(column["psi"] or 0.0))
        sampled = {"texts_every": self._every} if looked_at < rows else {}
        return {"baseline_rows": self._baseline_rows, "rows": rows, **sampled, "columns": columns}


def largest_drift(result: Mapping[str, Any]) -> float | None:
    """Return the largest index of a result of `Drift`, or None when nothing could be counted."""
    return max((column["psi"] for column in result["columns"] if column["psi"] is not None), default=None)


def _watched(column: Column, told: Mapping[str, Any]) -> _Watched:
    missing = float(told["missing"])
    if column.dtype in _TEXTS:
        shares = sorted(told["shares"].items(), key=lambda item: (-item[1], item[0]))
        rest = sum(share for _, share in shares[_MOST_CATEGORIES:])
        return _Watched(
            column, missing, categories=dict(shares[:_MOST_CATEGORIES]), pooled=float(told["pooled"]) + rest
        )
    deciles = tuple(map(float, told.get("deciles", ())))
    edges = tuple(edges_of(deciles)) if deciles else ()
    bins = told.get("bins")
    return _Watched(column, missing, edges, deciles, None if bins is None else tuple(bins))


def _counted(watched: _Watched, values: Array, every: int) -> list[int]:
    if watched.categories is None:
        numbers = as_numbers(values)
        bins = count_bins(numbers, watched.edges)
        return [len(numbers) - sum(bins), *bins]
    found = Counter(values[::every].tolist())
    known = [found.pop(category, 0) for category in watched.categories]
    missing = found.pop(None, 0)
    if every > 1:
        missing = values.tolist().count(None)
    return [missing, *known, found.total()]


def _drifted(watched: _Watched, counts: list[int] | None, rows: int, looked_at: int) -> dict[str, Any]:
    drifted: dict[str, Any] = {"column": watched.column.name, "psi": None, "missing_then": watched.missing}
    if not counts or not rows:
        return {**drifted, "missing_now": None, "bins": []}
    drifted["missing_now"] = counts[0] / rows
    of = rows if watched.categories is None else looked_at
    now = [count / of for count in counts[1:]]
    then = _then(watched, counts[1:])
    missing = ("missing", watched.missing, (of - sum(counts[1:])) / of)
    bins = [missing, *zip(_labels(watched), then, now, strict=True)]
    drifted["psi"] = psi([share for _, share, _ in bins], [share for _, _, share in bins])
    drifted["bins"] = [{"bin": label, "then": before, "now": after} for label, before, after in bins]
    return drifted


def _then(watched: _Watched, counts: list[int]) -> list[float]:
    if watched.categories is not None:
        return [*watched.categories.values(), watched.pooled]
    if watched.bins is not None:
        return list(watched.bins)
    present = sum(counts)
    now = [count / present if present else 0.0 for count in counts]
    return [share * (1 - watched.missing) for share in shares_of(watched.deciles, watched.edges, now)]


def _labels(watched: _Watched) -> list[str]:
    if watched.categories is not None:
        return [*watched.categories, "others"]
    edges = watched.edges
    if not edges:
        return ["present"]
    alone = [np.nextafter(low, np.inf) == high for low, high in pairwise(edges)]  # a bin of one number
    named = [high if single else low for low, high, single in zip(edges, edges[1:], alone, strict=False)]
    texts = [_text(watched.column, edge) for edge in (*named, edges[-1])]
    between = [
        high if single else f"{low} to {high}" for low, high, single in zip(texts, texts[1:], alone, strict=False)
    ]
    return [f"below {texts[0]}" if alone and alone[0] else f"up to {texts[0]}", *between, f"above {texts[-1]}"]


def _text(column: Column, edge: float) -> str:
    match column.dtype:
        case "datetime":
            return str(np.datetime64(round(edge), "us")).removesuffix(".000000")
        case "date":
            return str(np.datetime64(round(edge), "D"))
        case _:
            return f"{edge:.6g}"
