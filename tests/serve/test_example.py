"""The example that is shown to the user is one that the model answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.values.records import read_records
from mlship.serve.example import example_record
from tests.serve.models import foreign_model, sum_model


def test_golden_row_without_nulls_comes_first(city_session: Session) -> None:
    """Of the golden rows the first one without nulls is shown."""
    assert example_record(city_session) == {"my age": 2.5, "São é": 0.25, "city": "Lisboa"}


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
