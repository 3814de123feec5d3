"""CSV, NDJSON, Arrow and Parquet over HTTP: the bits and the reasons of batch, and no body that unpacks to too much."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from flask.testing import FlaskClient

from mlship.model.session import Session
from mlship.serve.settings import Limits
from tests.parity.road import mlship
from tests.serve.protocols.scored import Scored
from tests.serve.server import Server, application

Write = Callable[[pl.DataFrame], bytes]
CSV, NDJSON = "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def _stream(frame: pl.DataFrame, **options: Any) -> bytes:
    stream = io.BytesIO()
    frame.write_ipc_stream(stream, **options)
    return stream.getvalue()


def _parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream, **options)
    return stream.getvalue()


def _file(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_ipc(stream)
    return stream.getvalue()


WRITE: dict[str, Write] = {
    CSV: lambda frame: frame.write_csv().encode(),
    NDJSON: lambda frame: frame.write_ndjson().encode(),
    ARROW: _stream,
    PARQUET: _parquet,
}
READ: dict[str, Callable[[Any], pl.DataFrame]] = {
    CSV: lambda data: pl.read_csv(data, infer_schema=False),
    NDJSON: pl.read_ndjson,
    ARROW: pl.read_ipc_stream,
    PARQUET: pl.read_parquet,
}
KINDS = list(WRITE)


def table_of(scored: Scored) -> pl.DataFrame:
    """Return the rows as a table of typed columns."""
    return pl.DataFrame(scored.records, infer_schema_length=None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_batch(scored: Scored, kind: str) -> None:
    """A table is answered with the bits that batch wrote, as JSON and as a table of its own type."""
    body = WRITE[kind](table_of(scored))
    answer = scored.client.post("/predict", data=body, content_type=kind)
    assert answer.status_code == 200, answer.data
    scored.check_records(json.loads(answer.data)["predictions"])
    answer = scored.client.post("/predict", data=body, content_type=kind, headers={"Accept": kind})
    assert answer.content_type == kind
    if kind == CSV:
        assert answer.data == (scored.folder / "input.scored.csv").read_bytes()
        return
    found = READ[kind](answer.data)
    scored.check_columns({name: found[name].to_list() for name in found.columns})


def _spoiled(scored: Scored) -> pl.DataFrame:
    """The first rows with values in them that are none."""
    texts = [column.name for column in scored.signature.inputs if column.dtype in ("string", "category")]
    numbers = [name for name in scored.signature.names if name not in texts]
    frame = table_of(scored).head(8)
    return frame.with_columns(
        pl.Series(numbers[0], ["1.5", "x", "1e999", "inf", "", " 2 ", "1_0", "NA"], dtype=pl.String),
        pl.Series(texts[0], ["no such", *frame[texts[0]].to_list()[1:]], dtype=pl.String),
        pl.Series(numbers[1], [1, 2, 3, None, 5, 6, 7, 2**62], dtype=pl.Int64),
    )


@pytest.mark.parametrize(
    ("kind", "suffix", "write"),
    [
        (CSV, "csv", WRITE[CSV]),
        (NDJSON, "ndjson", WRITE[NDJSON]),
        (ARROW, "arrow", _file),
        (PARQUET, "parquet", _parquet),
    ],
    ids=["csv", "ndjson", "arrow", "parquet"],
)
def test_the_reasons_of_batch(penguins: Scored, tmp_path: Path, kind: str, suffix: str, write: Write) -> None:
    """What is refused is what batch rejects, for the same reasons, and the rest is answered with the same bits."""
    frame = _spoiled(penguins)
    (tmp_path / f"bad.{suffix}").write_bytes(write(frame))
    model = str(penguins.folder / "model.onnx")
    done = mlship(
        tmp_path, "batch", f"bad.{suffix}", "-m", model, "--keep", "none", "--max-rejects", "100%", "-o", "out.csv"
    )
    assert done.returncode == 0, done.stderr
    rejects = [json.loads(line) for line in (tmp_path / "out.rejects.ndjson").read_text(encoding="utf-8").splitlines()]
    expected = [(reject["row"] - 1, error["column"], error["code"]) for reject in rejects for error in reject["errors"]]
    answer = penguins.client.post("/predict", data=WRITE[kind](frame), content_type=kind)
    assert answer.status_code == 422
    rows = json.loads(answer.data)["error"]["rows"]
    assert expected
    assert [(row["row"], row["column"], row["code"]) for row in rows] == expected

    answer = penguins.client.post(
        "/predict?on_error=reject", data=WRITE[kind](frame), content_type=kind, headers={"Accept": CSV}
    )
    lines = answer.text.splitlines()
    unfit = {row for row, _, _ in expected}
    assert answer.headers["X-Mlship-Rejected-Rows"] == str(len(unfit))
    digest = json.loads(penguins.client.post("/predict", json=[]).data)["model"]["digest"]
    assert answer.headers["X-Mlship-Digest"] == digest
    assert [line for row, line in enumerate(lines[1:]) if row not in unfit] == (tmp_path / "out.csv").read_text(
        encoding="utf-8"
    ).splitlines()[1:]
    assert all(not lines[row + 1].strip(",") for row in unfit)


@pytest.mark.parametrize("kind", [NDJSON, ARROW, PARQUET])
def test_rejected_rows_are_null(client: FlaskClient, kind: str) -> None:
    """Where rows may be rejected their outputs are null in a table, and their reasons stand in JSON."""
    body = b"my age,S\xc3\xa3o \xc3\xa9,city\n1,1,Porto\nx,1,Porto\n"
    answer = client.post("/predict?on_error=reject", data=body, content_type=CSV, headers={"Accept": kind})
    assert READ[kind](answer.data).to_dicts() == [
        {"prediction": "yes", "score": 1.5},
        {"prediction": None, "score": None},
    ]
    told = json.loads(client.post("/predict?on_error=reject", data=body, content_type=CSV).data)
    assert told["predictions"][1] is None
    assert told["rejected"] == [{"row": 1, "column": "my age", "code": "not_a_number"}]


@pytest.mark.parametrize("kind", KINDS)
def test_row_limit(client: FlaskClient, kind: str) -> None:
    """More rows than the server takes are 413 in every type, and as many as it takes are answered."""
    rows: dict[str, list[Any]] = {"my age": [1.0], "São é": [1.0], "city": ["Porto"]}
    for times, status in ((4, 200), (5, 413)):
        frame = pl.DataFrame({name: values * times for name, values in rows.items()})
        answer = client.post("/predict", data=WRITE[kind](frame), content_type=kind)
        assert answer.status_code == status, answer.data


@pytest.mark.parametrize("kind", [CSV, ARROW, PARQUET])
def test_zero_rows(client: FlaskClient, kind: str) -> None:
    """A table without rows is answered with no predictions."""
    frame = pl.DataFrame(schema={"my age": pl.Float64, "São é": pl.Float64, "city": pl.String})
    answer = client.post("/predict", data=WRITE[kind](frame), content_type=kind)
    assert answer.status_code == 200, answer.data
    assert json.loads(answer.data)["predictions"] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body", [b"", b"PAR1", b"\xff\xff\xff\xff\x10\0\0\0", b"\0" * 40, b"PAR1" + b"\x7f" * 30 + b"PAR1"]
)
def test_damaged_bodies(client: FlaskClient, kind: str, body: bytes) -> None:
    """What is no table is the client's fault."""
    answer = client.post("/predict", data=body, content_type=kind)
    assert answer.status_code == 400, answer.data


def test_columns_of_lists_are_not_looked_into(client: FlaskClient) -> None:
    """A list under a model's column is refused value by value, as in batch."""
    frame = pl.DataFrame({"my age": [[1.0]], "São é": [1.0], "city": ["Porto"]})
    for kind in (ARROW, PARQUET):
        answer = client.post("/predict", data=WRITE[kind](frame), content_type=kind)
        assert [row["code"] for row in json.loads(answer.data)["error"]["rows"]] == ["not_a_number"]


@pytest.fixture(scope="module")
def roomy(city_session: Session) -> FlaskClient:
    """A client of an application with the limits that a server has by default."""
    return application(city_session, Limits()).test_client()


def _bomb(rows: int, city: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"my age": [1.0] * rows, "São é": [1.0] * rows}).with_columns(city.alias("city"))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_bombs_of_arrow(roomy: FlaskClient, compression: str) -> None:
    """A stream that unpacks to more than there is room for is refused before it is unpacked."""
    body = _stream(
        _bomb(100, pl.Series([chr(97 + row % 26) * (1 << 20) for row in range(100)])), compression=compression
    )
    assert len(body) < 1 << 20
    assert roomy.post("/predict", data=body, content_type=ARROW).status_code == 413


def test_bombs_of_parquet(roomy: FlaskClient) -> None:
    """So is a file, by its page headers, and one that says a long text very often."""
    texts = [chr(97 + row % 26) * (1 << 20) + str(row) for row in range(100)]
    body = _parquet(_bomb(100, pl.Series(texts)), use_pyarrow=False)
    assert roomy.post("/predict", data=body, content_type=PARQUET).status_code == 413
    body = _parquet(_bomb(5000, pl.Series(["x" * (1 << 18)] * 5000)))
    assert roomy.post("/predict", data=body, content_type=PARQUET).status_code == 413
    often = pl.Series(["x" * (1 << 18)] * 5000, dtype=pl.Categorical)
    for kind in (ARROW, PARQUET):
        assert roomy.post("/predict", data=WRITE[kind](_bomb(5000, often)), content_type=kind).status_code == 413


def test_lines_without_end(roomy: FlaskClient) -> None:
    """Millions of empty rows are refused by their number."""
    body = b"my age,S\xc3\xa3o \xc3\xa9,city\n" + b",,\n" * 2_000_000
    assert roomy.post("/predict", data=body, content_type=CSV).status_code == 413


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/*", CSV),
        ("text/csv;q=0.5, application/json;q=0.4", CSV),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0, application/x-parquet", "application/x-parquet"),
        ("image/png", None),
        ("application/json;q=0", None),
    ],
)
def test_accept(client: FlaskClient, accept: str, kind: str | None) -> None:
    """The type that the client likes best is answered; 406 when it likes none."""
    body = [{"my age": 1, "São é": 1, "city": "Porto"}]
    answer = client.post("/predict", json=body, headers={"Accept": accept})
    if kind is None:
        assert answer.status_code == 406
    else:
        assert (answer.status_code, answer.content_type) == (200, kind)


def test_without_polars(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without the library for tables says so, and goes on with JSON."""
    for name in [name for name in sys.modules if name.split(".")[0] == "polars" or name == "mlship.tables.bodies"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("mlship.tables.bodies", raising=False)
    monkeypatch.setitem(sys.modules, "polars", None)
    answer = client.post("/predict", data=b"a\n1\n", content_type=CSV)
    assert answer.status_code == 415
    assert "'polars'" in answer.text
    assert client.post("/predict", json=[]).status_code == 200


def test_missing_columns_of_csv(client: FlaskClient) -> None:
    """A column that CSV lacks is told row by row, as in JSON, but not of a line that is no row."""
    answer = client.post("/predict", data=b"city,my age\nPorto,x\nPorto\n", content_type=CSV)
    assert answer.status_code == 422
    assert json.loads(answer.data)["error"]["rows"] == [
        {"row": 0, "column": "my age", "code": "not_a_number"},
        {"row": 0, "column": "São é", "code": "missing_column"},
        {"row": 1, "column": None, "code": "wrong_field_count"},
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_over_the_wire(scored: Scored, live: Server, kind: str) -> None:
    """A server in a process of its own, whose worker loads the library for tables then, gives the same bytes."""
    body = WRITE[kind](table_of(scored))
    headers = {"Content-Type": kind, "Accept": kind}
    here = scored.client.post("/predict", data=body, content_type=kind, headers={"Accept": kind})
    for path in ("/predict", "/invocations", f"/models/{scored.name}/predict"):
        there = live.ask("POST", path, body, headers)
        assert (there.status, there.headers["content-type"]) == (200, kind)
        assert there.body == here.data
