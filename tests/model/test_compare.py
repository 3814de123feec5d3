"""The difference of two models' answers, as the design defines it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlship.model.compare import Difference, alike, difference
from mlship.model.signature import Output

SCORE = Output("score", "float64", "score", "score")
VALUE = Output("value", "float64", "value", "value")
LABEL = Output("label", "string", "label", "label")
NUMBER_LABEL = Output("label", "float64", "label", "label")


def of_scores(original: Any, other: Any) -> Difference:
    """Compare one column of numbers."""
    return difference([SCORE], {"score": np.array(original)}, {"score": np.array(other)}, len(original))


@pytest.mark.parametrize(
    ("original", "other", "largest", "row"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, None),
        ([1.0, -4.0], [1.5, -4.0], 0.125, 0),
        ([1.0, -4.0], [1.0, -5.0], 0.25, 1),
        ([0.0, 0.0], [0.0, 1e-3], 1e-3, 1),
        ([1.0, math.inf], [1.5, math.inf], 0.5, 0),
        ([1.0, math.nan], [1.0, math.nan], 0.0, None),
        ([1.0, math.nan], [1.0, 2.0], math.inf, 1),
        ([1.0, 2.0], [math.nan, 2.0], math.inf, 0),
        ([1.0, math.inf], [1.0, -math.inf], math.inf, 1),
        ([1.0, 2.0], [1.0, math.inf], math.inf, 1),
        ([0.0], [-0.0], 0.0, None),
        ([1e308, -1e308], [-1e308, -1e308], math.inf, 0),
        ([5e-324], [1e-323], 1.0, 0),
        ([], [], 0.0, None),
    ],
)
def test_numbers(original: list[float], other: list[float], largest: float, row: int | None) -> None:
    """A number's difference is relative to the column's largest original; what is a number in one only is infinite."""
    found = of_scores(original, other)
    assert (found.largest, found.row, found.labels_differ) == (largest, row, 0)
    assert found.column == (None if row is None else "score")
    assert found.within(largest)
    assert largest == 0.0 or not found.within(math.nextafter(largest, 0.0))


@pytest.mark.parametrize(
    "output", [LABEL, NUMBER_LABEL, Output("label", "int64", "raw", "l"), Output("label", "bool", "raw", "l")]
)
def test_labels(output: Output) -> None:
    """Labels, and whatever is no number, must be the same; the rows that differ are counted."""
    values: dict[str, Any] = {
        "string": (np.array(["a", "b", "c"], dtype=object), np.array(["a", "B", "C"], dtype=object)),
        "float64": (np.array([0.0, 1.0, math.nan]), np.array([0.0, 1.0 + 1e-15, 2.0])),
        "int64": (np.array([0, 2**62, 2]), np.array([0, 2**62 + 1, 3])),
        "bool": (np.array([True, False, True]), np.array([True, True, False])),
    }
    original, other = values[output.dtype]
    found = difference([output], {"label": original}, {"label": other}, 3)
    assert (found.labels_differ, found.row, found.column) == (2, 1, None)
    assert not found.within(math.inf)
    assert difference([output], {"label": original}, {"label": original.copy()}, 3) == Difference(3)


def test_several_columns() -> None:
    """A row counts once however many of its labels differ, and each number is held against its own column."""
    original = {"label": np.array(["a", "b"]), "score": np.array([1.0, 1.0]), "value": np.array([1e6, 0.0])}
    other = {"label": np.array(["a", "c"]), "score": np.array([1.0, 1.1]), "value": np.array([1e6 + 1, 0.0])}
    found = difference([LABEL, SCORE, VALUE], original, other, 2)
    assert (found.labels_differ, found.column, found.row) == (1, "score", 1)
    assert found.largest == pytest.approx(0.1)


floats = st.floats(width=64)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=5))
def test_any_numbers(pairs: list[tuple[float, float]]) -> None:
    """The largest difference is never not a number, and is 0 only where all are equal."""
    original, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = of_scores(original, other)
    assert found.largest >= 0.0
    equal = all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)
    underflow = max((abs(a) for a in original if math.isfinite(a)), default=0.0) > 1e-10
    assert (found.largest == 0.0) == equal or underflow
    assert of_scores(original, original) == Difference(len(pairs))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab"), floats, floats), min_size=1, max_size=5))
@example([("a", "a", 0.0, 1e-7), ("a", "a", 1e9, 1e9 + 1.0), ("a", "a", math.nan, math.nan), ("a", "a", 1.0, 1.1)])
@example([("a", "a", math.inf, math.inf), ("a", "a", math.inf, -math.inf), ("a", "b", 1.0, 1.0)])
def test_rows_by_themselves(rows: list[tuple[str, str, float, float]]) -> None:
    """Rows that are compared at once, each by itself, are told what each is told alone."""
    labels, others, numbers, moved = (np.array(column) for column in zip(*rows, strict=True))
    original, other = {"label": labels, "score": numbers}, {"label": others, "score": moved}

    def alone(row: int) -> bool:
        one, two = ({name: values[row : row + 1] for name, values in part.items()} for part in (original, other))
        return difference([LABEL, SCORE], one, two, 1).within(1e-6)

    found = alike([LABEL, SCORE], original, other, len(rows), 1e-6)
    assert found.tolist() == [alone(row) for row in range(len(rows))]
