"""KServe's first protocol, MLflow's forms, SageMaker's and Vertex AI's contracts: the bits of batch in their shapes."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient

from mlship.errors import UsageError
from mlship.model.session import Session
from mlship.serve.settings import Limits
from tests.serve.protocols.scored import Scored
from tests.serve.server import application

ROW = [1.5, 0.25, "Porto"]
RECORD = {"my age": 1.5, "São é": 0.25, "city": "Porto"}
ANSWER = {"prediction": "yes", "score": 3.25}


def mlflow_forms(scored: Scored) -> dict[str, Any]:
    """Return the rows in each of MLflow's forms, as its documentation has them."""
    frame = scored.frame
    split = json.loads(frame.to_json(orient="split", double_precision=15))
    split["data"] = scored.lists
    return {
        "dataframe_split": split,
        "dataframe_records": scored.records,
        "instances": scored.records,
        "inputs": {name: [record[name] for record in scored.records] for name in frame},
    }


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_mlflow(scored: Scored, form: str) -> None:
    """Each form is answered with the bits of batch and nothing but predictions."""
    answer = scored.client.post("/invocations", json={form: mlflow_forms(scored)[form]})
    assert answer.status_code == 200, answer.data
    content = json.loads(answer.data)
    assert list(content) == ["predictions"]
    scored.check_records(content["predictions"])
    assert len(content["predictions"]) == len(scored.frame)


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_positional(scored: Scored, form: str) -> None:
    """Lists of values in the signature's order are answered alike, by MLflow's forms and by KServe's."""
    for path in ("/invocations", f"/v1/models/{scored.name}:predict"):
        answer = scored.client.post(path, json={form: scored.lists})
        assert answer.status_code == 200, answer.data
        scored.check_records(json.loads(answer.data)["predictions"])


def test_kserve(scored: Scored) -> None:
    """Records are answered with the bits of batch, and the model is told to be ready."""
    answer = scored.client.post(f"/v1/models/{scored.name}:predict", json={"instances": scored.records})
    scored.check_records(json.loads(answer.data)["predictions"])
    assert json.loads(scored.client.get("/v1/models").data) == {"models": [scored.name]}
    assert json.loads(scored.client.get(f"/v1/models/{scored.name}").data) == {"name": scored.name, "ready": True}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/csv", 200),  # a comma and no point: as it would be in a file
        ("text/csv; decimal=comma", 200),
        ("text/csv; decimal=comma; delimiter=semicolon", 200),
        ("text/csv; decimal=point", 422),
        ("text/csv; delimiter=pipe", 400),
        ("text/csv; delimiter=x", 400),
        ("text/csv; decimal=x", 400),
    ],
)
def test_content_type_says_how_csv_is_written(client: FlaskClient, kind: str, status: int) -> None:
    """Delimiter and decimal sign are what the content type says, and found only where it says nothing."""
    answer = client.post("/predict", data=";".join(RECORD) + "\n1,5;0,25;Porto\n", content_type=kind)
    assert answer.status_code == status, answer.data
    assert status != 200 or json.loads(answer.data)["predictions"] == [ANSWER]


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8", "application/csv"])
@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_sagemaker_csv(scored: Scored, kind: str, header: bool) -> None:
    """CSV is answered as CSV with the bits of batch, with names in its first line or, when said so, without."""
    body = scored.frame.to_csv(index=False, header=header).encode()
    part = "" if header else ";header=absent"
    accept = "text/csv" + part
    answer = scored.client.post("/invocations", data=body, content_type=kind + part, headers={"Accept": accept})
    assert answer.status_code == 200, answer.data
    names = list(scored.expected)
    found = pd.read_csv(
        io.BytesIO(answer.data),
        dtype=str,
        keep_default_na=False,
        **({} if header else {"header": None, "names": names}),
    )
    pd.testing.assert_frame_equal(found, scored.expected)


def test_sagemaker_lines(scored: Scored) -> None:
    """Lines of JSON are answered as lines of JSON with the bits of batch."""
    body = "\n".join(map(json.dumps, scored.records)).encode()
    kind = "application/jsonlines"
    answer = scored.client.post("/invocations", data=body, content_type=kind, headers={"Accept": kind})
    assert answer.content_type == kind
    scored.check_records([json.loads(line) for line in answer.data.splitlines()])


def test_sagemaker_probes(client: FlaskClient) -> None:
    """The container says that it lives, and how it is to be asked by a batch transform."""
    assert client.get("/ping").status_code == 200
    told = json.loads(client.get("/execution-parameters").data)
    assert told == {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 1}


def test_headerless_csv_is_never_guessed(client: FlaskClient) -> None:
    """Without names in the first line and without a word of it nothing is scored."""
    answer = client.post("/invocations", data=b"1,2,Porto\n3,4,Porto\n", content_type="text/csv")
    assert answer.status_code == 400
    assert json.loads(answer.data)["error_code"] == "NO_COLUMNS"


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ([], 400),
        ({}, 400),
        ({"instances": [], "inputs": []}, 400),
        ({"instances": {}}, 400),
        ({"instances": [ROW], "params": {"temperature": 1}}, 400),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, 400),
        ({"dataframe_split": [1]}, 400),
        ({"inputs": {"my age": [1], "São é": [1, 2], "city": ["Porto"]}}, 400),
        ({"instances": [[1.5, 0.25]]}, 422),
        ({"instances": [ROW, RECORD]}, 422),
        ({"instances": [None]}, 422),
        ({"instances": [ROW] * 5}, 413),
    ],
)
def test_refusals(client: FlaskClient, document: Any, status: int) -> None:
    """A form that is none, or has something else beside it, is refused in MLflow's shape."""
    answer = client.post("/invocations", json=document)
    assert answer.status_code == status, answer.data
    assert {"error_code", "message"} <= set(json.loads(answer.data))
    if not isinstance(document, dict) or "dataframe_split" not in document:
        kserve = client.post("/v1/models/cities:predict", json=document)
        assert kserve.status_code in {status, 200 if status == 400 and "params" in document else status}
        assert "predictions" in json.loads(kserve.data) or list(json.loads(kserve.data)) == ["error"]


def test_empty_params_are_tolerated(client: FlaskClient) -> None:
    """MLflow's clients send `params` even when there are none."""
    answer = client.post("/invocations", json={"instances": [ROW], "params": {}})
    assert json.loads(answer.data) == {"predictions": [ANSWER]}


def test_vertex(city_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths and the port that Vertex AI tells are taken, and its lists are read by position."""
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/7/deployedModels/8:predict")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/healthy")
    client = application(city_session, Limits()).test_client()
    for rows in ([ROW], [RECORD]):
        answer = client.post("/v1/endpoints/7/deployedModels/8:predict", json={"instances": rows})
        assert json.loads(answer.data) == {"predictions": [ANSWER]}
    assert client.get("/healthy").status_code == 200
    assert client.post("/predict", json=[RECORD]).status_code == 200


def test_vertex_settings_are_checked(city_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is none stops the server, and does not leave it without an answer."""
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/<name>")
    with pytest.raises(UsageError, match="AIP_PREDICT_ROUTE"):
        application(city_session, Limits())


@pytest.mark.parametrize("path", ["/invocations", "/v1/models/cities:predict"])
def test_what_is_not_known_is_not_passed_over(city_session: Session, path: str) -> None:
    """A key beside the form that means nothing here is refused, and what may be empty may be there."""
    client = application(city_session, Limits()).test_client()
    ignored = "params" if path == "/invocations" else "parameters"
    assert client.post(path, json={"instances": [RECORD], ignored: {}}).status_code == 200
    assert client.post(path, json={"instances": [RECORD], ignored: {"a": 1}}).status_code == 400
    assert client.post(path, json={"instances": [RECORD], "foo": 1}).status_code == 400


@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
def test_other_charsets_are_refused(city_session: Session, kind: str) -> None:
    """Texts that are said to be in another encoding than UTF-8 are not read as if they were."""
    client = application(city_session, Limits()).test_client()
    body = json.dumps([RECORD]) if kind == "application/json" else "my age,S\xe3o \xe9,city\n1.5,0.25,Porto\n"
    for charset, status in (("utf-8", 200), ("UTF-8", 200), ("utf-16", 415), ("latin-1", 415)):
        answer = client.post("/predict", data=body.encode(), content_type=f"{kind}; charset={charset}")
        assert answer.status_code == status, answer.data
