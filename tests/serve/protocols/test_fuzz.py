"""Requests that are nearly right: each endpoint scores them or refuses them, and never fails itself."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RECORD = {"my age": 1.5, "São é": None, "city": "Porto"}
LISTS = [[1.5, 0.25, "Porto"], [2, None, "Lisboa"]]
TENSORS = {
    "id": "1",
    "inputs": [
        {"name": "my age", "shape": [2], "datatype": "FP64", "data": [1.5, 2]},
        {"name": "São é", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Porto", "Lisboa"]},
    ],
    "outputs": [{"name": "score", "parameters": {"binary_data": True}}, {"name": "prediction"}],
    "parameters": {"timeout": 10},
}
TAIL = b"\0\0\x80?\0\0\0@"
DOCUMENTS: dict[str, list[Any]] = {
    "/predict": [[RECORD], {"instances": [RECORD]}, {"columns": list(RECORD), "data": LISTS}],
    "/invocations": [
        {"dataframe_split": {"columns": list(RECORD), "data": LISTS}},
        {"dataframe_records": [RECORD]},
        {"instances": LISTS},
        {"inputs": {"my age": [1], "São é": [2], "city": ["Porto"]}, "params": {}},
    ],
    "/v1/models/cities:predict": [{"instances": [RECORD]}, {"instances": LISTS}],
    "/v2/models/cities/infer": [TENSORS],
}
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.sampled_from([2**31, 2**63, -(2**70), 10**40, 1e308, -0.0]),
    st.sampled_from(["", "Porto", "FP16", "BYTES", "BOOL", "UINT64", "data", "input", "\ud800"]),
    st.just([]),
    st.just({}),
    st.lists(st.integers(-2, 2), max_size=3),
    st.just([[1.5], [2]]),
)
STATUSES = {200, 400, 406, 413, 415, 422}
ANY_TIME = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
PAIRS = [(path, document) for path, documents in DOCUMENTS.items() for document in documents]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    if not path:
        return to
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _changed(changed[path[0]], path[1:], to)
    return changed


@pytest.mark.parametrize(("path", "document"), PAIRS)
@ANY_TIME
@given(data=st.data())
def test_changed_documents(client: FlaskClient, path: str, document: Any, data: st.DataObject) -> None:
    """A document in which some values are others is scored or refused, in JSON."""
    for _ in range(data.draw(st.integers(0, 2))):
        document = _changed(document, data.draw(st.sampled_from(_places(document))), data.draw(STRANGE))
    head = json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    if "/v2/" in path:
        headers["Inference-Header-Content-Length"] = str(len(head))
        head += TAIL[: data.draw(st.sampled_from([8, 8, 8, 4, 0]))]
    answer = client.post(path, data=head, headers=headers)
    assert answer.status_code in STATUSES, (answer.status_code, answer.data)


def _bodies() -> dict[str, bytes]:
    frame = pl.DataFrame([RECORD, {**RECORD, "São é": 1.0, "city": "Lisboa"}])
    found = {"text/csv": frame.write_csv().encode(), "application/x-ndjson": frame.write_ndjson().encode()}
    parquet, arrow, packed = io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.write_parquet(parquet)
    frame.write_ipc_stream(arrow)
    frame.write_ipc_stream(packed, compression="zstd")
    found["application/vnd.apache.parquet"] = parquet.getvalue()
    found["application/vnd.apache.arrow.stream"] = arrow.getvalue()
    return {**found, "application/vnd.apache.arrow.stream; packed": packed.getvalue()}


BODIES = _bodies()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", BODIES)
@ANY_TIME
@given(data=st.data())
def test_changed_tables(client: FlaskClient, kind: str, data: st.DataObject) -> None:
    """A table with some bytes changed, put in or taken out is scored or refused."""
    body = bytearray(BODIES[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not body:
            body = bytearray(b"\0")
    answer = client.post("/predict?on_error=reject", data=bytes(body), content_type=kind)
    assert answer.status_code in STATUSES, (answer.status_code, answer.data)
