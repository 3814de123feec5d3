"""The example that is shown to the user is one that the model answers."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from mlship.model.golden import Golden
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.records import read_records
from mlship.serve.example import example_record
from tests.serve.models import foreign_model, sum_model


def test_tame_golden_row_without_nulls_comes_first(city_session: Session) -> None:
    """Of the golden rows the tamest one without nulls is shown."""
    assert example_record(city_session) == {"my age": 2.5, "São é": 0.25, "city": "Lisboa"}


def test_extreme_golden_rows_are_not_shown() -> None:
    """A model whose golden rows all hold extremes is shown with a made-up row."""
    session = open_session(SessionSpec(sum_model(("a", "b"))))
    inputs = {"a": np.array([1.0, 2.0]), "b": np.array([3.4e38, np.nan])}
    golden = Golden(2, 1e-12, inputs, session.predict(inputs))
    session.card = dataclasses.replace(session.card, golden=golden)
    assert example_record(session) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "float64", "datetime", "date"])
def test_made_up_row_for_every_dtype(dtype: Any) -> None:
    """A model without golden rows is shown with a made-up row that survives JSON and is accepted."""
    session = open_session(SessionSpec(sum_model(("a", "b"), dtype)))
    record = json.loads(json.dumps(example_record(session)))
    assert set(record) == {"a", "b"}
    assert read_records(session.signature, [record]).errors == []


def test_unsigned_model_has_an_example() -> None:
    """A model of someone else's is shown with its graph's own columns."""
    assert example_record(open_session(SessionSpec(foreign_model()))) == {"x_0": 1.0, "x_1": 1.0}
