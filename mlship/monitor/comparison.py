"""What another model would have answered to the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.errors import UsageError
from mlship.model.signature import Output
from mlship.model.values.codes import Array
from mlship.monitor import sketch, tally
from mlship.monitor.bins import Numbers, as_numbers, psi
from mlship.monitor.contract import Counts, Seen
from mlship.monitor.moments import LARGEST, held, told
from mlship.monitor.predictions import kind_of, probability_bins

_MOST_ROWS = 20
_MOST_SCALES = 10  # of numbers whose sizes have nothing to do with each other
_CHANGED = 1e-6
_NO_NUMBER = LARGEST  # how far a number is from what is none: more than from any other
_Mask = NDArray[np.bool_]


class Comparison:
    """Compares the output columns that two models have in common, by name.

    Args:
        ours: Output columns of the model whose answers are written.
        theirs: Those of the model compared with it.

    Raises:
        UsageError: No output column has the same name and kind in both.
    """

    name = "compare"

    def __init__(self, ours: Sequence[Output], theirs: Sequence[Output]) -> None:
        kinds, others = ({output.name: kind_of(output) for output in outputs} for outputs in (ours, theirs))
        self._missing = [name for name in kinds if name not in others]
        self._added = [name for name in others if name not in kinds]
        common = [name for name in kinds if name in others]
        self._unlike = [name for name in common if (kinds[name] == "labels") != (others[name] == "labels")]
        self._kinds = {name: kinds[name] for name in common if name not in self._unlike}
        if not self._kinds:
            raise UsageError(
                "The two models have no output column in common to be compared.",
                hint="Compare with a model that predicts the same with --compare OTHER.onnx",
            )
        self._labels = [name for name, kind in self._kinds.items() if kind == "labels"]
        self._numbers = [name for name, kind in self._kinds.items() if kind != "labels"]
        self._scales = _scales(ours, self._numbers)

    def count(self, seen: Seen) -> Counts:
        """Count one chunk.

        Args:
            seen: Its rows, with `other`.
        """
        if seen.other is None:
            raise ValueError("there are no answers to compare with")
        flipped: _Mask = np.zeros(len(seen.rows), dtype=np.bool_)
        counted: Counts = {"rows": len(seen.rows), "labels": {}, "numbers": {}, "moved": {}}
        for name in self._labels:
            differ, pairs = _flips(seen.outputs[name], seen.other[name])
            flipped |= differ
            counted["labels"][name] = {"flips": int(np.count_nonzero(differ)), "pairs": pairs}
        counted["flipped"] = int(np.count_nonzero(flipped))
        moved: dict[str, Numbers] = {}
        for name in self._numbers:
            ours, theirs = as_numbers(seen.outputs[name]), as_numbers(seen.other[name])
            apart = _apart(ours, theirs)
            counted["numbers"][name] = _differences(ours, theirs, apart, grid=self._kinds[name] == "probability")
            scale = self._scales[name]
            moved[scale] = np.maximum(moved[scale], apart) if scale in moved else apart
        if not moved:
            moved["labels"] = flipped.astype(np.float64)
        counted["moved"] = {scale: _farthest(seen.rows, apart) for scale, apart in moved.items()}
        return counted

    def place(self, counts: Counts, file: int, first_row: int | None) -> Counts:
        """Turn the rows that moved most, told within the chunk from 0, into those of a file, from 1."""
        moved = {
            scale: [] if first_row is None else [[file, first_row + row + 1, apart] for row, apart in rows]
            for scale, rows in counts["moved"].items()
        }
        return {**counts, "moved": moved}

    def add(self, total: Counts, more: Counts) -> Counts:
        """Add the counts of a chunk."""
        if not total or not more:
            return total or more
        return {
            "rows": total["rows"] + more["rows"],
            "flipped": total["flipped"] + more["flipped"],
            "labels": {name: _added_flips(total["labels"][name], more["labels"][name]) for name in self._labels},
            "numbers": {
                name: _added_differences(total["numbers"][name], more["numbers"][name]) for name in self._numbers
            },
            "moved": {scale: _first(total["moved"][scale] + more["moved"][scale]) for scale in total["moved"]},
        }

    def result(self, total: Counts) -> dict[str, Any]:
        """Return how far the answers lie apart.

        Returns:
            `rows`; `flipped` and `flipped_share`, of rows in which any label is another (None without labels);
            `changed_share`, see there; `labels`, for each column `output`, `flips`, `share` and `pairs` of `from`
            (ours), `to` (theirs), `rows`, at most 50 times 50 of them; `numbers`, for each column `output`, `largest`
            and `mean` absolute difference, `changed` (rows that differ by more than 1e-6 of the column's largest
            number), `no_number` (rows where only one of the two is a finite number, which count as changed) and
            `psi`; `moved`, up to 20 rows (none where rows have no number), each with `file` (its place among the
            inputs, from 0), `row` (from 1) and `difference`, a share of the largest number in its column, None where
            only one is a number; `missing` and `added`, outputs that only ours and only the other has; `unlike`,
            labels in one, numbers in the other.
        """
        rows = int(total.get("rows", 0))
        names = {"missing": self._missing, "added": self._added, "unlike": self._unlike}
        if not rows:
            return {"rows": 0, "flipped": None, "flipped_share": None, "changed_share": 0.0, "labels": [],
                    "numbers": [], "moved": [], **names}  # fmt: skip
        numbers = [_told(name, total["numbers"][name]) for name in self._numbers]
        flipped = total["flipped"] if self._labels else None
        share = None if flipped is None else flipped / rows
        changed = max((number["changed"] / rows for number in numbers), default=0.0)
        return {
            "rows": rows,
            "flipped": flipped,
            "flipped_share": share,
            "changed_share": changed if share is None else share,
            "labels": [_told_flips(name, total["labels"][name], rows) for name in self._labels],
            "numbers": numbers,
            "moved": self._moved(total),
            **names,
        }

    def _moved(self, total: Counts) -> list[dict[str, Any]]:
        """The rows that moved most, each once, by the share of the largest number of its scale."""
        largest: dict[str, float] = {}
        for name, scale in self._scales.items():
            largest[scale] = max(largest.get(scale, 0.0), total["numbers"][name]["scale"])
        found: dict[tuple[int, int], float] = {}
        for scale, rows in total["moved"].items():
            for file, row, apart in rows:
                share = apart if apart == _NO_NUMBER else min(apart / (largest.get(scale) or 1.0), _NO_NUMBER)
                found[file, row] = max(found.get((file, row), 0.0), share)
        ordered = _first([[file, row, share] for (file, row), share in found.items()])
        return [
            {"file": file, "row": row, "difference": None if share == _NO_NUMBER else share}
            for file, row, share in ordered
        ]


def changed_share(result: Mapping[str, Any]) -> float:
    """Return the share of rows that changed, from a result of `Comparison`; 0.0 when there were no rows.

    A row has changed when a label of it is another. For models without labels it has when its number differs by more
    than 1e-6 of the largest number in that column of ours; of several columns the one counts that changed in most
    rows. Differences are counted in powers of two, so that one of less than twice that may pass as none.
    """
    return float(result["changed_share"])


def _scales(outputs: Sequence[Output], numbers: Sequence[str]) -> dict[str, str]:
    """By output column the name under which its rows are ranked: those of one size are ranked together."""
    meanings = {output.name: output.meaning for output in outputs if output.name in numbers}
    own = [name for name, meaning in meanings.items() if meaning in ("value", "raw")]
    if len(own) > _MOST_SCALES:
        return {name: "together" if name in own else meaning for name, meaning in meanings.items()}
    return {name: f"own {name}" if name in own else meaning for name, meaning in meanings.items()}


def _flips(ours: Array, theirs: Array) -> tuple[_Mask, dict[str, tally.Tally]]:
    if ours.dtype.kind != theirs.dtype.kind:  # 1 and "1" are one label
        ours, theirs = (np.array([str(label) for label in labels.tolist()], dtype=object) for labels in (ours, theirs))
    differ: _Mask = np.asarray(ours != theirs, dtype=np.bool_)
    if ours.dtype.kind == "f":
        differ &= ~(np.isnan(as_numbers(ours)) & np.isnan(as_numbers(theirs)))
    return differ, tally.tally_pairs(ours[differ], theirs[differ])


def _apart(ours: Numbers, theirs: Numbers) -> Numbers:
    """How far numbers [rows] lie apart; 0 where both are the same infinity or none."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(ours - theirs)
    apart[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0.0
    apart[~np.isfinite(apart)] = _NO_NUMBER
    return apart


def _differences(ours: Numbers, theirs: Numbers, apart: Numbers, *, grid: bool) -> Counts:
    known = apart[apart != _NO_NUMBER]
    powers, counts = np.unique(np.frexp(known[known > 0])[1], return_counts=True)
    scores = [numbers[np.isfinite(numbers)] for numbers in (ours, theirs)]
    return {
        "no_number": int(len(apart) - len(known)),
        "compared": len(known),
        "sum": held(known.sum()),
        "largest": float(known.max(initial=0.0)),
        "scale": float(np.abs(scores[0]).max(initial=0.0)),
        "powers": dict(zip(map(str, powers.tolist()), counts.tolist(), strict=True)),
        "scores": [_on_grid(values) if grid else sketch.sketch(values) for values in scores],
    }


def _on_grid(values: Numbers) -> dict[str, int]:
    return {str(place): count for place, count in enumerate(probability_bins(values)) if count}


def _farthest(rows: NDArray[np.int64], apart: Numbers) -> list[list[Any]]:
    """The rows that moved most, farthest first, of equal ones the earlier first."""
    if len(apart) > _MOST_ROWS:  # sorting all would take longer than scoring them
        least = np.partition(apart, -_MOST_ROWS)[-_MOST_ROWS]
        tied = np.flatnonzero(apart == least)[:_MOST_ROWS]
        places = np.concatenate([np.flatnonzero(apart > least), tied])
    else:
        places = np.arange(len(apart))
    ordered = sorted(
        (-distance, row) for distance, row in zip(apart[places].tolist(), rows[places].tolist(), strict=True)
    )
    return [[row, -distance] for distance, row in ordered[:_MOST_ROWS] if distance]


def _first(rows: list[list[Any]]) -> list[list[Any]]:
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:_MOST_ROWS]


def _added_flips(total: Counts, more: Counts) -> Counts:
    return {"flips": total["flips"] + more["flips"], "pairs": tally.added_pairs(total["pairs"], more["pairs"])}


def _added_differences(total: Counts, more: Counts) -> Counts:
    added: Counts = {name: total[name] + more[name] for name in ("no_number", "compared")}
    added["sum"] = held(total["sum"] + more["sum"])
    added |= {name: max(total[name], more[name]) for name in ("largest", "scale")}
    keys = sorted(total["powers"].keys() | more["powers"].keys(), key=int)
    added["powers"] = {key: total["powers"].get(key, 0) + more["powers"].get(key, 0) for key in keys}
    added["scores"] = [sketch.added(one, other) for one, other in zip(total["scores"], more["scores"], strict=True)]
    return added


def _told_flips(name: str, total: Counts, rows: int) -> dict[str, Any]:
    pairs = [{"from": ours, "to": theirs, "rows": count} for ours, theirs, count in tally.listed_pairs(total["pairs"])]
    return {"output": name, "flips": total["flips"], "share": total["flips"] / rows, "pairs": pairs}


def _told(name: str, total: Counts) -> dict[str, Any]:
    least = _CHANGED * total["scale"]
    changed = sum(count for power, count in total["powers"].items() if np.ldexp(0.5, int(power)) >= least)
    summed = told(total["sum"])
    return {
        "output": name,
        "largest": total["largest"],
        "mean": None if summed is None or not total["compared"] else summed / total["compared"],
        "changed": int(changed) + total["no_number"],
        "no_number": total["no_number"],
        "psi": _psi(*total["scores"]),
    }


def _psi(ours: dict[str, int], theirs: dict[str, int]) -> float | None:
    """The index of theirs against ours, over tenths of ours."""
    if not ours or not theirs:
        return None
    counts = sketch.tenths(ours, theirs)
    shares = [[count / sum(part) for count in part] for part in counts]
    return psi(shares[0], shares[1])
