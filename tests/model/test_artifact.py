"""An artifact says what was signed into it, and a file that was changed in any way is refused."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlship.errors import NotConvertible, UsageError
from mlship.model import wire
from mlship.model.artifact import FORMAT, PREFIX, Card, RowPlan, read_artifact, sign
from mlship.model.session import SessionSpec, open_session
from tests.model.making import (
    KEYS,
    linear_artifact,
    linear_card,
    linear_graph,
    mixed_card,
    mixed_graph,
    model,
    refused,
    value,
    with_value,
)

STORED = Path(__file__).with_name("format1.onnx")
"""`sign(mixed_graph(), mixed_card())` as the first version of mlship wrote it; never to be made again."""


def test_every_key_is_there_and_read_back() -> None:
    """The file has every key of the design, each JSON, and the card read is the one signed."""
    card = mixed_card()
    data = sign(mixed_graph(), card)
    metadata = wire.read_header(data).metadata
    assert list(metadata) == [PREFIX + key for key in KEYS]
    assert all(isinstance(json.loads(text), object) for text in metadata.values())
    assert json.loads(metadata["mlship.format"]) == FORMAT == 2
    artifact = read_artifact(data)
    assert artifact.card is not None
    for entry in fields(Card):
        if entry.name != "golden":
            assert getattr(artifact.card, entry.name) == getattr(card, entry.name), entry.name
    assert artifact.card.golden is not None
    assert card.golden is not None
    assert artifact.card.golden.encode() == card.golden.encode()
    assert artifact.data is data
    onnx.checker.check_model(onnx.load_from_string(data))


def test_digest_is_that_of_the_file_with_zeros_for_it() -> None:
    """Anybody can work out the digest: sha256 of the bytes with the digest's own characters taken as zeros."""
    data = linear_artifact()
    artifact = read_artifact(data)
    assert data.count(artifact.digest.encode()) == 1
    assert hashlib.sha256(data.replace(artifact.digest.encode(), b"0" * 64)).hexdigest() == artifact.digest


def test_same_input_same_bytes(tmp_path: Path) -> None:
    """Signing twice gives the same bytes, which say nothing of when and where."""
    assert linear_artifact() == linear_artifact()
    path = tmp_path / "m.onnx"
    path.write_bytes(linear_artifact())
    from_path, from_bytes = read_artifact(path), read_artifact(linear_artifact())
    assert (from_path.data, from_path.digest) == (from_bytes.data, from_bytes.digest)
    assert (from_path.source, from_bytes.source) == (f"'{path}'", "the model")


def test_without_proof_golden_rows_and_sample() -> None:
    """What an artifact does not have is null in it, and None when read."""
    card = read_artifact(sign(linear_graph(), replace(linear_card(), parity=None))).card
    assert card is not None
    assert (card.golden, card.baseline, card.parity) == (None, None, None)


def test_digest_that_does_not_match_says_what_to_do() -> None:
    """The error of a changed file says that it was changed and what to do about it."""
    error = refused(linear_artifact().replace(b"linear", b"Linear"))
    assert error.message == "the model has been changed since it was exported: its digest does not match."
    assert error.hint == "Export the model again, or copy the file again."
    assert error.http_status == 503


def test_unknown_key_is_passed_over() -> None:
    """A key of a later version that old readers may ignore does not stop them."""
    assert read_artifact(with_value("advice", {"rows": 5})).card is not None


@pytest.mark.parametrize("number", [3, 99, 10**30])
def test_newer_format_is_refused_with_the_way_out(number: int) -> None:
    """A file of a newer format says which one, and how to get a newer mlship."""
    error = refused(with_value("format", number))
    assert error.message == f"the model has the artifact format {number}; this mlship reads up to 2."
    assert (error.hint, error.code) == ("pip install --upgrade mlship", "newer_format")


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1", None, [1]])
def test_other_formats_are_refused(number: Any) -> None:
    """What is no format that ever was is refused."""
    assert refused(with_value("format", number)).code == "bad_metadata"


def test_domains_are_known_ones() -> None:
    """A file that imports operators of an unknown domain is refused, signed or not."""
    made = onnx.load_from_string(linear_graph())
    made.opset_import.append(helper.make_opsetid("evil\n.com", 1))
    error = refused(made.SerializeToString())
    assert error.message == r"the model uses operators of the unknown domain 'evil\n.com'."
    assert error.code == "unknown_domain"
    assert refused(sign(made.SerializeToString(), linear_card())).code == "unknown_domain"


def test_external_data_is_refused() -> None:
    """A file that keeps a tensor elsewhere is refused, signed or not."""
    made = onnx.load_from_string(linear_graph())
    made.graph.initializer[0].data_location = TensorProto.EXTERNAL
    entry = made.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    for data in (made.SerializeToString(), sign(made.SerializeToString(), linear_card())):
        error = refused(data)
        assert error.message == "the model keeps data in other files, which is not safe to load."
        assert error.code == "external_data"


def test_column_called_location_is_read() -> None:
    """A model may have a column and an input called location."""
    graph = model(
        [helper.make_node("Identity", ["location"], ["y"])], [value("location", 11, None, 2)], [value("y", 11, None, 2)]
    )
    card = linear_card(("location", "b"))
    signature = replace(
        card.signature,
        inputs=tuple(replace(column, tensor="location") for column in card.signature.inputs),
        tensors=(replace(card.signature.tensors[0], name="location"),),
        outputs=(replace(card.signature.outputs[1], tensor="y", index=0),),
    )
    session = open_session(SessionSpec(sign(graph, replace(card, signature=signature))))
    assert session.predict({"location": np.ones(2), "b": np.zeros(2)})["score"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it holds no graph"),
        (b"a,b,c\n1,2,3\n", "damaged"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00", "damaged"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "damaged"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
        (b"\xef\xbb\xbf{}", "damaged"),
        (b'{"learner": {}}', "damaged"),
        (b"\x08\x08", "it holds no graph"),
        (b"\x12\x05hello", "it holds no graph"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    """A file of another kind is refused with its name and how to make a model."""
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    error = refused(path)
    assert error.message.startswith(f"'{path}' is not an ONNX model")
    assert problem in error.message
    assert (error.hint, error.code) == ("Make one from a fitted model with: mlship export MODEL", "not_onnx")


def test_no_file() -> None:
    """A model that is not there is a usage error that says how to make one."""
    with pytest.raises(UsageError, match=re.escape("There is no model file 'nowhere.onnx'.")) as caught:
        read_artifact(Path("nowhere.onnx"))
    assert caught.value.exit_code == 2
    assert caught.value.hint == "Make one from a fitted model with: mlship export MODEL"


@pytest.mark.parametrize("path", [Path("/"), Path("a\0b"), Path("/dev/null/x")])
def test_what_cannot_be_read_as_a_file(path: Path) -> None:
    """A folder, or a path that can be none, is a usage error."""
    with pytest.raises(UsageError, match="cannot be read: ") as caught:
        read_artifact(path)
    assert caught.value.code == "no_model"


def test_names_that_are_no_text_cannot_be_signed() -> None:
    """A name with a lone surrogate, as a file's name may have, stops the export with what to do."""
    with pytest.raises(NotConvertible, match="not valid Unicode text") as caught:
        sign(linear_graph(), replace(linear_card(), name="caf\udce9"))
    assert caught.value.exit_code == 5
    assert caught.value.hint == "Give the model a name with --name."


def test_what_json_cannot_say_is_not_signed() -> None:
    """A number that is no JSON is never written, as other readers would refuse the whole file."""
    with pytest.raises(ValueError, match="JSON"):
        sign(linear_graph(), replace(linear_card(), baseline={"a": float("nan")}))


def test_stored_artifact_of_format_1_stays_readable() -> None:
    """A file that an old mlship wrote is read by every later one, and still answers as it did."""
    artifact = read_artifact(STORED)
    assert artifact.digest == "1a3aa551d485ba876f623dd7ec859f8477111c1a296ff6954d9b126092442bda"
    assert artifact.card is not None
    assert replace(artifact.card, golden=None) == replace(mixed_card(), golden=None)
    session = open_session(SessionSpec(STORED))
    assert (session.replay.rows, session.replay.agrees, session.proven) == (2, True, True)
    assert session.card.rows == RowPlan(multiple=2)
