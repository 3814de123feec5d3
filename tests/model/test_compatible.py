"""A new model takes the place of the one that is served only when its clients need not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlship.errors import ModelRefused
from mlship.model.compatible import check_fits
from mlship.model.signature import Column, Output, Signature, Tensor

AGE = Column("age", "float64", "x", nullable=True)
SIZE = Column("size", "float64", "x", nullable=True)
LABEL = Output("prediction", "string", "label", "y")
SCORE = Output("score", "float64", "score", "z")
SERVED = Signature((AGE, SIZE), (Tensor("x", "float64"),), (LABEL, SCORE))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"inputs": (SIZE, AGE)},
        {"inputs": (AGE,)},
        {"outputs": (SCORE, LABEL, Output("more", "int64", "value", "w"))},
    ],
)
def test_what_old_clients_can_go_on_with(changes: dict[str, Any]) -> None:
    """Another order, fewer columns and further outputs are no change to who asks by name."""
    check_fits(replace(SERVED, **changes), SERVED.to_json(), "m.onnx")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": (AGE, SIZE, Column("new", "float64", "x"))}, "takes the column 'new'"),
        ({"inputs": (AGE, replace(SIZE, dtype="int64"))}, "takes 'size' as int64, not as float64"),
        ({"inputs": (AGE, replace(SIZE, nullable=False))}, "takes no null in 'size'"),
        ({"outputs": (LABEL,)}, "no output column 'score'"),
        ({"outputs": (replace(LABEL, dtype="int64"), SCORE)}, "no output column 'prediction' of string"),
    ],
)
def test_what_would_break_them(changes: dict[str, Any], words: str) -> None:
    """A new column, another dtype, a null that is no longer taken and a lost output are refused by name."""
    with pytest.raises(ModelRefused, match=words) as refused:
        check_fits(replace(SERVED, **changes), SERVED.to_json(), "m.onnx")
    assert refused.value.code == "signature_differs"
