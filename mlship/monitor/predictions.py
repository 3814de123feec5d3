"""How a model's answers are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mlship.model.signature import Output
from mlship.monitor import moments, sketch, tally
from mlship.monitor.bins import Numbers, as_numbers
from mlship.monitor.contract import Counts, Seen

Kind = Literal["labels", "probability", "number"]

PROBABILITY_BINS = 20


def kind_of(output: Output) -> Kind:
    """Tell how an output column is looked at: by its labels, as a probability, or as a number of any size."""
    if output.meaning == "label" or output.dtype != "float64":
        return "labels"
    return "probability" if output.meaning == "probability" else "number"


def probability_bins(numbers: Numbers) -> list[int]:
    """Count probabilities [rows] in 20 bins of equal width; each holds its lower end, the last one both ends."""
    inside = numbers[(numbers >= 0) & (numbers <= 1)]
    bins = np.minimum((inside * PROBABILITY_BINS).astype(np.int64), PROBABILITY_BINS - 1)
    counts: list[int] = np.bincount(bins, minlength=PROBABILITY_BINS).tolist()
    return counts


class Predictions:
    """Counts the answers of a model: its labels, or the numbers that it gave.

    Args:
        outputs: The model's output columns.
        baseline: `mlship.baseline` of the artifact, which may tell the original's answers to the sample.
    """

    name = "predictions"

    def __init__(self, outputs: Sequence[Output], baseline: Mapping[str, Any] | None = None) -> None:
        self._kinds = {output.name: kind_of(output) for output in outputs}
        self._then: Mapping[str, Any] = (baseline or {}).get("outputs") or {}

    def count(self, seen: Seen) -> Counts:
        """Count one chunk."""
        outputs = {name: _counted(kind, seen.outputs[name]) for name, kind in self._kinds.items()}
        return {"rows": len(seen.rows), "outputs": outputs}

    def place(self, counts: Counts, file: int, first_row: int | None) -> Counts:  # noqa: ARG002 - it tells of no row
        """Return the counts, in which no row is told."""
        return counts

    def add(self, total: Counts, more: Counts) -> Counts:
        """Add the counts of a chunk."""
        if not total or not more:
            return total or more
        outputs = {
            name: _added(kind, total["outputs"][name], more["outputs"][name]) for name, kind in self._kinds.items()
        }
        return {"rows": total["rows"] + more["rows"], "outputs": outputs}

    def result(self, total: Counts) -> dict[str, Any]:
        """Return the distribution of each output column.

        Returns:
            `rows`, and `outputs`, each with `output`, `kind`, and `then`, the answers to the sample as
            `export.baseline.outputs_baseline` describes them, where they are known. `labels`: `labels`, each with
            `label`, `rows` and `share`, the most frequent first; of more than 500 the rest as the label None.
            `probability` and `number`: `rows`, `not_a_number`, `infinite`, `min`, `mean`, `max`,
            `standard_deviation` and `histogram`, which are shares of the finite numbers in 20 bins of equal width,
            from 0 to 1 or from `min` to `max`. `number` also has `deciles`, from the smallest to the largest; what
            lies between is within `relative_error` of the true number, or within `absolute_error` if that is more.
        """
        rows = int(total.get("rows", 0))
        if not rows:
            return {"rows": 0, "outputs": []}
        outputs = [
            {"output": name, "kind": kind, **_told(kind, total["outputs"][name], rows), **self._of_sample(name)}
            for name, kind in self._kinds.items()
        ]
        return {"rows": rows, "outputs": outputs}

    def _of_sample(self, name: str) -> dict[str, Any]:
        return {"then": self._then[name]} if name in self._then else {}


def _counted(kind: Kind, values: Any) -> Counts:
    if kind == "labels":
        return dict(tally.tally(values))
    numbers = as_numbers(values)
    if kind == "probability":
        return {"moments": moments.moments(numbers), "bins": probability_bins(numbers)}
    return {"moments": moments.moments(numbers), "sketch": sketch.sketch(numbers[np.isfinite(numbers)])}


def _added(kind: Kind, total: Counts, more: Counts) -> Counts:
    if kind == "labels":
        return dict(tally.added(total, more))
    summed: Counts = {"moments": moments.added(total["moments"], more["moments"])}
    if kind == "probability":
        return {**summed, "bins": [one + other for one, other in zip(total["bins"], more["bins"], strict=True)]}
    return {**summed, "sketch": sketch.added(total["sketch"], more["sketch"])}


def _told(kind: Kind, total: Mapping[str, Any], rows: int) -> dict[str, Any]:
    if kind == "labels":
        return {"labels": tally.listed(total, rows)}
    told = moments.described(total["moments"])
    if "min" not in told:
        return told
    if kind == "probability":
        inside = sum(total["bins"])
        return {**told, "histogram": [count / inside for count in total["bins"]] if inside else []}
    bins, low, high = total["sketch"], told["min"], told["max"]
    return {
        **told,
        "deciles": sketch.deciles(bins, low, high),
        "relative_error": sketch.RELATIVE_ERROR,
        "absolute_error": sketch.near_zero(bins),
        "histogram": sketch.histogram(bins, low, high, PROBABILITY_BINS),
    }
