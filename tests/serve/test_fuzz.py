"""Whatever is sent, the server answers, and never with its own failure."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ("my age", "São é", "city", "instances", "columns", "data")
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(("Porto", "Lisboa", "\uffff", "\ud800")),
)
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=4))
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)
RECORDS = st.fixed_dictionaries(
    {
        "my age": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70)),
        "São é": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        "city": st.sampled_from(("Porto", "Lisboa")),
    }
)
ANY_TIME = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(client: FlaskClient, body: bytes) -> Any:
    """Send a body and return the answer, which must be a success or the client's fault, told in JSON."""
    answer = client.post("/predict", data=body, content_type="application/json")
    assert answer.status_code in {200, 400, 413, 422}, (answer.status_code, answer.text)
    content = json.loads(answer.data)
    assert ("predictions" in content) is (answer.status_code == 200)
    for row in content.get("error", {}).get("rows", []):
        assert set(row) == {"row", "column", "code"}
    return content


@ANY_TIME
@given(document=DOCUMENTS)
def test_any_document(client: FlaskClient, document: Any) -> None:
    """Any JSON document, and any with NaN and lone surrogates in it, is scored or refused."""
    check(client, json.dumps(document).encode())


@ANY_TIME
@given(body=st.binary(max_size=60))
def test_any_bytes(client: FlaskClient, body: bytes) -> None:
    """Any bytes are scored or refused."""
    check(client, body)


@ANY_TIME
@given(records=st.lists(RECORDS, max_size=4))
def test_forms_agree(client: FlaskClient, records: list[dict[str, Any]]) -> None:
    """Records that the model accepts are answered in every form with the same predictions."""
    table = {"columns": list(NAMES[:3]), "data": [[record[name] for name in NAMES[:3]] for record in records]}
    bodies = (records, {"instances": records}, table)
    answers = [check(client, json.dumps(body).encode()) for body in bodies]
    assert len(answers[0]["predictions"]) == len(records)
    assert answers[0] == answers[1] == answers[2]


@ANY_TIME
@given(records=st.lists(st.dictionaries(KEYS, LEAVES, max_size=4), min_size=1, max_size=4))
def test_refused_rows_exist(client: FlaskClient, records: list[dict[str, Any]]) -> None:
    """Rows named in an error are rows of the request, and their columns are the model's."""
    content = check(client, json.dumps(records).encode())
    for row in content.get("error", {}).get("rows", []):
        assert 0 <= row["row"] < len(records)
        assert row["column"] in NAMES[:3]
