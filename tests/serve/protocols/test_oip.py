"""The Open Inference Protocol, spoken by Triton's own client, with JSON and with binary tensors."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from flask.testing import FlaskClient
from tritonclient.utils import InferenceServerException

from mlship.model.session import Session
from mlship.serve.exchange import Asked
from mlship.serve.protocols.oip import Oip
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace
from tests.serve.conftest import SumClient
from tests.serve.protocols.scored import Scored
from tests.serve.server import Server

AGE = {"name": "my age", "shape": [2], "datatype": "FP64", "data": [1.5, 2]}
SAO = {"name": "São é", "shape": [2, 1], "datatype": "FP32", "data": [[0.25], [None]]}
CITY = {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Porto", "Lisboa"]}


@pytest.fixture
def remote(live: Server) -> Iterator[Any]:
    """Triton's client of the sample's server."""
    with triton.InferenceServerClient(f"127.0.0.1:{live.port}") as client:
        yield client


def tensors(scored: Scored, rows: int, *, binary: bool) -> list[Any]:
    """Return one tensor for each column of the first rows, null numbers as NaN."""
    found = []
    for column in scored.signature.inputs:
        values = scored.frame[column.name].iloc[:rows]
        text = column.dtype in ("string", "category")
        array = values.to_numpy(dtype=object if text else np.float64)
        tensor = triton.InferInput(column.name, [rows], "BYTES" if text else "FP64")
        tensor.set_data_from_numpy(array, binary_data=binary)
        found.append(tensor)
    return found


def columns_of(scored: Scored, result: Any) -> dict[str, list[Any]]:
    """Return the output columns of an answer as Python values."""
    found = {}
    for name in scored.expected:
        values = result.as_numpy(name).tolist()
        found[name] = [value.decode() if isinstance(value, bytes) else value for value in values]
    return found


def complete(scored: Scored) -> int:
    """Return how many of the first rows, up to 100, have a text wherever one belongs: a tensor has no null text."""
    texts = [column.name for column in scored.signature.inputs if column.dtype in ("string", "category")]
    gone: Any = np.flatnonzero(scored.frame[texts].isna().any(axis=1).to_numpy()) if texts else []
    return min([100, *map(int, gone)])


@pytest.mark.parametrize("binary_out", [True, False], ids=["binary out", "JSON out"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary in", "JSON in"])
def test_a_tensor_for_each_column(scored: Scored, remote: Any, binary: bool, binary_out: bool) -> None:
    """Triton's client gets the bits of batch, whichever way tensors go."""
    if not binary and scored.frame.isna().to_numpy().any():
        rows = int(np.flatnonzero(scored.frame.isna().any(axis=1).to_numpy())[0])  # the client writes NaN, no JSON
    else:
        rows = complete(scored)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in scored.expected]
    result = remote.infer(scored.name, tensors(scored, rows, binary=binary), outputs=outputs, request_id="mine")
    assert rows > 0
    assert result.get_response()["id"] == "mine"
    scored.check_columns(columns_of(scored, result))


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
def test_one_tensor_of_all_columns(scored: Scored, remote: Any, binary: bool, datatype: str) -> None:
    """A model of numbers takes one tensor in the signature's order; any other says that it does not."""
    wide = scored.frame.select_dtypes("number").to_numpy(dtype=np.float64)[:100]
    matrix = wide.astype(np.float64 if datatype == "FP64" else np.float32)
    tensor = triton.InferInput("input", list(matrix.shape), datatype)
    if not scored.is_numeric:
        tensor.set_data_from_numpy(np.nan_to_num(matrix), binary_data=binary)
        with pytest.raises(InferenceServerException, match="the column is missing"):
            remote.infer(scored.name, [tensor])
        return
    tensor.set_data_from_numpy(matrix, binary_data=binary)
    result = remote.infer(scored.name, [tensor], model_version=scored_version(remote, scored))
    if datatype == "FP64":
        scored.check_columns(columns_of(scored, result))
    else:  # the float32 nearest to a number is another number: what it is answered is what JSON is answered
        rows = [dict(zip(scored.signature.names, row, strict=True)) for row in matrix.astype(np.float64).tolist()]
        answer = json.loads(scored.client.post("/predict", json=rows).data)
        assert columns_of(scored, result)["prediction"] == [row["prediction"] for row in answer["predictions"]]


def scored_version(remote: Any, scored: Scored) -> str:
    """Return the model's version, as the client reads it."""
    found: list[str] = remote.get_model_metadata(scored.name)["versions"]
    return found[0]


def test_metadata_and_health(scored: Scored, remote: Any) -> None:
    """The client finds server and model live and ready, and an input and an output for each column."""
    assert remote.is_server_live()
    assert remote.is_server_ready()
    assert remote.is_model_ready(scored.name)
    assert not remote.is_model_ready("another")
    assert "binary_tensor_data" in remote.get_server_metadata()["extensions"]
    metadata = remote.get_model_metadata(scored.name)
    assert metadata["platform"] == "onnx_onnxv1"
    assert [item["name"] for item in metadata["inputs"]] == list(scored.signature.names)
    assert [item["name"] for item in metadata["outputs"]] == list(scored.expected)


def test_some_outputs(scored: Scored, remote: Any) -> None:
    """Only the outputs asked for are answered, each the way that was asked for."""
    name = list(scored.expected)[-1]
    result = remote.infer(
        scored.name, tensors(scored, 1, binary=True), outputs=[triton.InferRequestedOutput(name, binary_data=False)]
    )
    (output,) = result.get_response()["outputs"]
    assert output["name"] == name
    assert "data" in output


def test_errors_reach_the_client(scored: Scored, remote: Any) -> None:
    """The client shows what is wrong, and a model that is not there is told as such."""
    with pytest.raises(InferenceServerException, match="no such model") as caught:
        remote.infer("another", tensors(scored, 1, binary=True))
    assert caught.value.status() == "404"
    with pytest.raises(InferenceServerException, match="the column is missing") as caught:
        remote.infer(scored.name, tensors(scored, 1, binary=True)[1:])
    assert caught.value.status() == "422"


def test_null_and_datatypes(client: FlaskClient) -> None:
    """Null is null in JSON, FP32 is the float32 it says, and a missing answer is null again."""
    answer = client.post("/v2/models/cities/infer", json={"inputs": [AGE, SAO, CITY]})
    assert answer.status_code == 200
    assert json.loads(answer.data)["outputs"] == [
        {"name": "prediction", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]},
        {"name": "score", "datatype": "FP64", "shape": [2], "data": [3.25, None]},
    ]


def test_not_a_number_is_null(sum_client: SumClient) -> None:
    """NaN in binary FP64 is null where the column takes it, in one tensor as in one for each column."""
    client = sum_client("a", "b")
    values = np.array([[1.0, np.nan], [1.0, 2.0]])
    whole = [{"name": "input", "shape": [2, 2], "datatype": "FP64", "parameters": {"binary_data_size": 32}}]
    apart = [{"name": name, "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}} for name in "ab"]
    for inputs, data in ((whole, values.tobytes()), (apart, values.T.tobytes())):
        head = json.dumps({"inputs": inputs}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        answer = client.post("/v2/models/sum/infer", data=head + data, headers=headers)
        assert answer.status_code == 200, answer.data
        assert json.loads(answer.data)["outputs"][0]["data"] == [None, 3.0]


def _with(tensor: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in {**tensor, **changed}.items() if value is not ...}


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        pytest.param([], 400, id="none"),
        pytest.param([AGE, AGE, SAO, CITY], 400, id="twice"),
        pytest.param([_with(AGE, data=[1]), SAO, CITY], 400, id="too few values"),
        pytest.param([_with(AGE, shape=[1], data=[1]), SAO, CITY], 400, id="other rows"),
        pytest.param([_with(AGE, data=["1", "2"]), SAO, CITY], 400, id="texts as numbers"),
        pytest.param([_with(AGE, data=[True, 1.0]), SAO, CITY], 400, id="true as a number"),
        pytest.param([_with(AGE, datatype="FP32", data=[1e300, 1]), SAO, CITY], 400, id="past float32"),
        pytest.param([_with(AGE, datatype="INT8", data=[300, 1]), SAO, CITY], 400, id="past int8"),
        pytest.param([_with(AGE, datatype="FP128"), SAO, CITY], 400, id="datatype"),
        pytest.param([_with(AGE, shape=[2, 1, 1]), SAO, CITY], 400, id="dimensions"),
        pytest.param([_with(AGE, data=..., parameters={"binary_data_size": 16}), SAO, CITY], 400, id="no bytes"),
        pytest.param([_with(AGE, data=[None, 1]), SAO, CITY], 422, id="null"),
        pytest.param([AGE, SAO, _with(CITY, data=["Porto", "Faro"])], 422, id="category"),
        pytest.param([_with(AGE, datatype="BYTES", data=["1", "2"]), SAO, CITY], 422, id="texts"),
        pytest.param([AGE, SAO], 422, id="missing"),
        pytest.param([{**AGE, "shape": [5], "data": [1] * 5}, SAO, CITY], 400, id="rows apart"),
        pytest.param([{**AGE, "shape": [5], "data": [1] * 5}], 413, id="too many rows"),
    ],
)
def test_refusals(client: FlaskClient, inputs: list[dict[str, Any]], status: int) -> None:
    """What contradicts the protocol is 400, what the model does not accept 422, and both are told as one text."""
    answer = client.post("/v2/models/cities/infer", json={"inputs": inputs})
    assert answer.status_code == status, answer.data
    assert list(json.loads(answer.data)) == ["error"]
    assert "Faro" not in answer.text


@pytest.mark.parametrize("length", ["-1", "x", "99999", "²"])
def test_bad_header(client: FlaskClient, length: str) -> None:
    """A length of the JSON that the body does not have is refused."""
    answer = client.post(
        "/v2/models/cities/infer",
        data=b"{}",
        headers={"Inference-Header-Content-Length": length.encode().decode("latin-1")},
    )
    assert answer.status_code == 400


def test_timeout_is_in_microseconds(city_session: Session) -> None:
    """Triton's `timeout` is how long the client waits; zero says nothing."""
    endpoint = Oip(Served("cities", city_session, Limits(), Pace()))
    for timeout, seconds in ((2_500_000, 2.5), (0, None), (True, None)):
        body = json.dumps({"inputs": [AGE, SAO, CITY], "parameters": {"timeout": timeout}}).encode()
        assert endpoint.read(Asked({}, body)).seconds == seconds


def test_bytes_that_are_no_text(city_session: Session) -> None:
    """Bytes that are not UTF-8 are refused as on every path."""
    raw = b"\x02\x00\x00\x00\xff\xfe"
    one = [_with(AGE, shape=[1], data=[1]), _with(SAO, shape=[1], data=[1])]
    city = {"name": "city", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [*one, city]}).encode()
    endpoint = Oip(Served("cities", city_session, Limits(), Pace()))
    asked = Asked({"HTTP_INFERENCE_HEADER_CONTENT_LENGTH": str(len(head))}, head + raw)
    with pytest.raises(Exception, match="not valid text"):
        endpoint.read(asked)


def test_what_is_refused_is_bounded(sum_client: SumClient) -> None:
    """Millions of refused values in few bytes are not told one by one: reading is given up."""
    names = [f"c{at}" for at in range(300)]
    size = {"shape": [10_000], "datatype": "BOOL", "parameters": {"binary_data_size": 10_000}}
    head = json.dumps({"inputs": [{"name": name, **size} for name in names]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    client = sum_client(*names)
    answer = client.post("/v2/models/sum/infer", data=head + bytes(3_000_000), headers=headers)
    assert answer.status_code == 422
    assert "reading was given up" in answer.text
    one = {"inputs": [{"name": "other", "shape": [10_000], "datatype": "INT8", "data": [1] * 10_000}]}
    answer = client.post("/v2/models/sum/infer", json=one)
    assert answer.status_code == 422
    assert "reading was given up" in answer.text


@pytest.mark.parametrize("nested", [False, True])
def test_one_long_text_among_numbers_costs_nothing(sum_client: SumClient, nested: bool) -> None:
    """A text among numbers is refused without numpy having made a text of its length of each number."""
    values: list[Any] = [1.0] * 20_000
    values[7] = "x" * 100_000
    data = [values[place : place + 2] for place in range(0, 20_000, 2)] if nested else values
    tensor = {"name": "input", "shape": [10_000, 2], "datatype": "FP64", "data": data}
    tracemalloc.start()
    answer = sum_client("a", "b").post("/v2/models/sum/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_an_output_is_wanted_once(client: FlaskClient) -> None:
    """An output that is named again and again does not make an answer of any size."""
    outputs = [{"name": "score"}] * 2
    answer = client.post("/v2/models/cities/infer", json={"inputs": [AGE, SAO, CITY], "outputs": outputs})
    assert answer.status_code == 400
    assert "more than once" in json.loads(answer.data)["error"]
