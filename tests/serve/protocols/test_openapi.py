"""`/openapi.json`: a valid document, true of every path, as schemathesis finds out by asking."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mlship.model.session import SessionSpec, open_session
from mlship.serve.protocols import media
from mlship.serve.settings import Limits
from tests.serve.models import city_model, sum_model
from tests.serve.server import application

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
APP = application(open_session(SessionSpec(city_model())), Limits(rows=50))
SCHEMA = schemathesis.openapi.from_dict(json.loads(APP.test_client().get("/openapi.json").data))
SCHEMA.app = APP


@schemathesis.serializer(*(kind for kind in media.FORMATS if kind != media.CSV))
def _lines(_: Any, value: Any) -> bytes:
    """Anything at all, as bytes of a table's type: whole tables are what test_tables.py sends."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_path_is_as_told(case: Any) -> None:
    """Whatever fits the document, or nearly does, is answered as the document says, and never by a failure."""
    case.call_and_validate(checks=CHECKS)


def test_names_types_and_nulls(client: FlaskClient) -> None:
    """Columns have the very names, types and categories of the signature."""
    schemas = json.loads(client.get("/openapi.json").data)["components"]["schemas"]
    record = schemas["cities.Record"]
    assert record["required"] == ["my age", "São é", "city"]
    assert record["properties"] == {
        "my age": {"type": "number"},
        "São é": {"type": ["number", "null"]},
        "city": {"type": "string", "enum": ["Porto", "Lisboa"]},
    }
    assert schemas["cities.Prediction"]["required"] == ["prediction", "score"]


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "float64", "datetime", "date"])
def test_dtypes_are_valid(dtype: str) -> None:
    """The document is valid by the rules of OpenAPI 3.1 for every dtype."""
    from openapi_spec_validator import validate

    session = open_session(SessionSpec(sum_model(("a b", "/c"), dtype)))
    validate(json.loads(application(session, Limits()).test_client().get("/openapi.json").data))


def test_all_paths_are_in_it() -> None:
    """Every path that Flask knows, but those with open names, is described."""
    told = set(json.loads(APP.test_client().get("/openapi.json").data)["paths"])
    assert {rule.rule for rule in APP.url_map.iter_rules() if "<" not in rule.rule} <= told
