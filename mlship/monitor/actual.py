"""How right a model was, against what came true."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.errors import UsageError
from mlship.model.signature import Column, Dtype, Output, Signature, Tensor
from mlship.model.values.codes import Array
from mlship.monitor import ranking, tally
from mlship.monitor.bins import Numbers, as_numbers
from mlship.monitor.contract import Counts, Seen
from mlship.monitor.moments import held, told

_LEAST_PROBABILITY = 1e-15  # the logarithm of 0 would be infinite
_TENSOR = "actual"
_PROBABILITY = "probability_"
_SUMS = ("error", "absolute", "squared")


@dataclass(frozen=True)
class _Predicted:
    """What the actual column is compared with.

    Attributes:
        output: The column that holds the prediction.
        classes: By class the output column of its probability; empty without probabilities.
        score: The column that ranks rows, of two classes, or None.
        positive: The class for which the score is large; None where it has to be found out.
    """

    output: Output
    classes: Mapping[Any, str]
    score: Output | None = None
    positive: Any = None


def actual_signature(signature: Signature, column_name: str) -> Signature:
    """Return the signature by which the column of what came true is read.

    It has that one column, of the prediction's own type; null in it means that nothing is known yet. Texts that mean
    null elsewhere are labels where the model has a class of that name.

    Args:
        signature: The model's.
        column_name: The input's name of the column.

    Raises:
        UsageError: The model does not predict one column that something could be compared with.
    """
    predicted = _predicted(signature.outputs)
    dtype: Dtype = predicted.output.dtype
    classes = tuple(predicted.classes) if dtype == "string" and predicted.classes else None
    column = Column(column_name, dtype, _TENSOR, exact=dtype == "int64", categories=classes)
    tensor = Tensor(_TENSOR, "string" if dtype == "string" else "float64")
    return Signature((column,), (tensor,), signature.outputs, signature.null_tokens)


class Actual:
    """Compares predictions with what came true.

    Args:
        outputs: The model's output columns.

    Raises:
        UsageError: As `actual_signature` says.
    """

    name = "actual"

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._predicted = _predicted(outputs)
        self._classifies = self._predicted.output.meaning == "label" or self._predicted.output.dtype != "float64"

    def count(self, seen: Seen) -> Counts:
        """Count one chunk.

        Args:
            seen: Its rows, with `actual`.
        """
        if seen.actual is None:
            raise ValueError("there is nothing that came true")
        values, known = seen.actual
        outputs = {name: array[known] for name, array in seen.outputs.items()}
        counted: Counts = {"rows": len(seen.rows), "known": int(np.count_nonzero(known))}
        if not self._classifies:
            return {**counted, **_errors(as_numbers(outputs[self._predicted.output.name]), as_numbers(values[known]))}
        given = outputs[self._predicted.output.name]
        came: Array = values[known] if values.dtype == given.dtype else values[known].astype(given.dtype)
        counted["right"] = int(np.count_nonzero(given == came))
        counted["confusion"] = tally.tally_pairs(came, given)
        counted |= self._losses(came, outputs)
        score = self._predicted.score
        if score is not None:
            scores = as_numbers(outputs[score.name])
            classed = np.isin(came, list(self._predicted.classes)) if self._predicted.classes else slice(None)
            counted["ranks"] = ranking.ranks(came[classed], scores[classed], score.meaning)
            counted["above"] = tally.tally(given[scores > 0])
        return counted

    def place(self, counts: Counts, file: int, first_row: int | None) -> Counts:  # noqa: ARG002 - it tells of no row
        """Return the counts, in which no row is told."""
        return counts

    def add(self, total: Counts, more: Counts) -> Counts:
        """Add the counts of a chunk."""
        if not total or not more:
            return total or more
        added: Counts = {}
        for name, value in total.items():
            match name:
                case "confusion":
                    added[name] = tally.added_pairs(value, more[name])
                case "ranks":
                    added[name] = ranking.added(value, more[name])
                case "above":
                    added[name] = tally.added(value, more[name])
                case "rows" | "known" | "right" | "no_class" | "no_number":
                    added[name] = value + more[name]
                case _:
                    added[name] = held(value + more[name])
        return added

    def result(self, total: Counts) -> dict[str, Any]:
        """Return how right the model was.

        Returns:
            `kind` (`classifier` or `regressor`), `rows`, `known` and `unknown` rows, and, None where nothing is
            known: of a classifier `accuracy`, `confusion` (`actual`, `predicted`, `rows`, at most 50 times 50), with
            probabilities `log_loss` (they are taken as at least 1e-15; a label that is no class of the model has that
            least one) and `no_class` (rows with such a label), and of two classes `auc` with `auc_error`, the most by
            which it can be off, as rows are ranked in bins; of a regressor `rmse`, `mae`, `bias` (the mean of
            prediction less actual) and `no_number` (rows in which one of the two is not finite, left out).
        """
        rows, known = int(total.get("rows", 0)), int(total.get("known", 0))
        kind = "classifier" if self._classifies else "regressor"
        shown: dict[str, Any] = {"kind": kind, "rows": rows, "known": known, "unknown": rows - known}
        if not self._classifies:
            return {**shown, **_told_errors(total, known)}
        pairs = tally.listed_pairs(total.get("confusion", {}))
        shown["accuracy"] = total["right"] / known if known else None
        shown["confusion"] = [{"actual": one, "predicted": other, "rows": count} for one, other, count in pairs]
        if self._predicted.classes:
            shown["log_loss"] = total["loss"] / known if known else None
            shown["no_class"] = int(total.get("no_class", 0))
        if self._predicted.score is not None:
            shown["auc"], shown["auc_error"] = self._area(total)
        return shown

    def _losses(self, came: Array, outputs: Mapping[str, Array]) -> Counts:
        """The sum of -ln of the probability that was given to what came true."""
        if not self._predicted.classes:
            return {}
        given: Numbers = np.zeros(len(came), dtype=np.float64)
        unknown: NDArray[np.bool_] = np.ones(len(came), dtype=np.bool_)
        for label, name in self._predicted.classes.items():
            rows = np.asarray(came == label, dtype=np.bool_)
            given[rows] = as_numbers(outputs[name])[rows]
            unknown &= ~rows
        given = np.clip(np.nan_to_num(given, nan=0.0), _LEAST_PROBABILITY, 1.0)
        return {"loss": float(-np.log(given).sum()), "no_class": int(np.count_nonzero(unknown))}

    def _area(self, total: Counts) -> tuple[float | None, float | None]:
        """The area under the curve of the class for which the score is large."""
        positive = self._predicted.positive
        if positive is None:  # a score above zero means it
            above = total.get("above", {})
            positive = max(above, key=lambda label: above[label], default=None)
        if positive is None:
            return None, None
        return ranking.area(total.get("ranks", {}), str(positive))


def _predicted(outputs: Sequence[Output]) -> _Predicted:
    """Find the one prediction among output columns.

    Raises:
        UsageError: There is none, or several.
    """
    labels = [output for output in outputs if output.meaning == "label"]
    found = labels or [output for output in outputs if output.meaning in ("value", "raw")]
    if len(found) > 1 and not labels:  # a foreign classifier says nothing of what its columns mean
        found = [output for output in found if output.dtype != "float64"] or found
    if len(found) != 1:
        raise UsageError(
            f"The model gives {len(found)} columns that could be compared with what came true; one was expected.",
            hint="Leave out --actual.",
        )
    probabilities = [output for output in outputs if output.meaning == "probability"]
    scores = [output for output in outputs if output.meaning == "score"]
    if not labels:
        return _Predicted(found[0], {})
    classes = {_label(output.name, found[0]): output.name for output in probabilities}
    if None in classes or len(classes) != len(probabilities):
        classes = {}
    if len(classes) == 2:
        return _Predicted(found[0], classes, probabilities[1], list(classes)[1])
    return _Predicted(found[0], classes, scores[0] if len(scores) == 1 and not classes else None)


def _label(name: str, output: Output) -> Any:
    """The class that the name of a probability tells, as the prediction has it; None when it tells none."""
    text = name.removeprefix(_PROBABILITY)
    try:
        match output.dtype:
            case "int64":
                return int(text)
            case "float64":
                return float(text)
            case "bool":
                return {"True": True, "False": False}[text]
            case _:
                return text
    except (ValueError, KeyError):
        return None


def _errors(given: Numbers, came: Numbers) -> Counts:
    with np.errstate(invalid="ignore", over="ignore"):
        error = given - came
        finite = error[np.isfinite(error)]
        sums = (finite.sum(), np.abs(finite).sum(), np.square(finite).sum())
    return {"no_number": len(error) - len(finite), **dict(zip(_SUMS, map(held, sums), strict=True))}


def _told_errors(total: Counts, known: int) -> dict[str, Any]:
    rows = known - int(total.get("no_number", 0))
    sums = (told(total[name]) if rows else None for name in _SUMS)
    error, absolute, squared = (None if value is None else value / rows for value in sums)
    rmse = None if squared is None else math.sqrt(squared)
    return {"rmse": rmse, "mae": absolute, "bias": error, "no_number": known - rows}
