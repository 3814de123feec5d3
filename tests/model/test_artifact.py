"""An artifact says what was signed into it, and a file that was changed in any way is refused."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from mlship.errors import ModelRefused, NotConvertible, UsageError
from mlship.model import wire
from mlship.model.artifact import FORMAT, PREFIX, Card, RowPlan, read_artifact, sign
from mlship.model.session import SessionSpec, open_session
from tests.model.making import (
    linear_artifact,
    linear_card,
    linear_golden,
    linear_graph,
    mixed_card,
    mixed_golden,
    mixed_graph,
    model,
    value,
)

STORED = Path(__file__).with_name("format1.onnx")
"""`sign(mixed_graph(), mixed_card())` as the first version of mlship wrote it; never to be made again."""
KEYS = (
    "format", "name", "version", "labels", "signature", "rows", "golden", "baseline", "parity", "provenance", "digest",
)  # fmt: skip


def refused(source: Path | bytes) -> ModelRefused:
    """Return the error with which a model is refused, after checking what all of them have."""
    with pytest.raises(ModelRefused) as caught:
        read_artifact(source)
    error = caught.value
    assert error.exit_code == 4
    assert "\n" not in error.message
    return error


def resigned(change: Callable[[dict[str, str]], Any]) -> bytes:
    """Return an artifact with changed metadata and a digest that fits, as an attacker would make it."""
    metadata = dict(wire.read_header(linear_artifact()).metadata)
    change(metadata)
    metadata[f"{PREFIX}digest"] = json.dumps("0" * 64)
    return with_digest(linear_graph() + b"".join(wire.metadata_entry(key, text) for key, text in metadata.items()))


def with_digest(data: bytes) -> bytes:
    """Write the digest of a file over the zeros that stand for it."""
    at = wire.read_header(data).value_offsets[f"{PREFIX}digest"] + 1
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + 64 :]


def with_value(key: str, given: Any) -> bytes:
    """Return an artifact signed anew with another value of a key."""
    return resigned(lambda metadata: metadata.update({PREFIX + key: json.dumps(given)}))


def test_every_key_is_there_and_read_back() -> None:
    """The file has every key of the design, each JSON, and the card read is the one signed."""
    card = mixed_card()
    data = sign(mixed_graph(), card)
    metadata = wire.read_header(data).metadata
    assert list(metadata) == [PREFIX + key for key in KEYS]
    assert all(isinstance(json.loads(text), object) for text in metadata.values())
    assert json.loads(metadata["mlship.format"]) == FORMAT == 1
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


@pytest.mark.parametrize("part", range(4))
def test_any_flipped_bit_is_seen(part: int) -> None:
    """Whatever byte of the file is changed, the digest's own among them, the file is refused with exit code 4."""
    data = linear_artifact()
    for at in range(part, len(data), 4):
        for flip in (0x01, 0x80) if at % 3 else (0xFF, 0x20):
            changed = bytearray(data)
            changed[at] ^= flip
            error = refused(bytes(changed))
            assert error.code in ("bad_digest", "not_onnx", "bad_metadata", "external_data", "unknown_domain")


def test_any_truncation_is_seen() -> None:
    """A file cut short anywhere is refused, or has lost all of its metadata and is a foreign one."""
    data = linear_artifact()
    assert len(linear_graph()) < len(data)
    foreign = 0
    for length in range(len(data)):
        try:
            artifact = read_artifact(data[:length])
        except ModelRefused as error:
            assert error.code in ("bad_digest", "not_onnx")  # noqa: PT017 - either way is right
            continue
        assert artifact.card is None
        assert b"mlship" not in artifact.data
        foreign += 1
    assert foreign == 3  # cut after the graph or one of its two opset imports, where nothing shows that more is missing


@pytest.mark.parametrize("tail", [b"\x00", b"\n", b"\x38\x00", b"\x12\x01x", b"\x40\x01", linear_graph()])
def test_appended_bytes_are_seen(tail: bytes) -> None:
    """Bytes after the end are refused, also where they are a message of their own."""
    assert refused(linear_artifact() + tail).code in ("bad_digest", "not_onnx")


def test_digest_that_does_not_match_says_what_to_do() -> None:
    """The error of a changed file says that it was changed and what to do about it."""
    error = refused(linear_artifact().replace(b"linear", b"Linear"))
    assert error.message == "the model has been changed since it was exported: its digest does not match."
    assert error.hint == "Export the model again, or copy the file again."
    assert error.http_status == 503


@pytest.mark.parametrize("key", KEYS)
def test_duplicate_property_is_refused(key: str) -> None:
    """A property that occurs twice would be read in two ways."""
    text = wire.read_header(linear_artifact()).metadata[PREFIX + key]
    error = refused(linear_artifact() + wire.metadata_entry(PREFIX + key, text))
    assert f"the property 'mlship.{key}' occurs twice" in error.message


@pytest.mark.parametrize("key", KEYS)
def test_missing_key_is_refused(key: str) -> None:
    """Every key has to be there."""
    if key == "digest":
        error = refused(linear_graph() + wire.metadata_entry("mlship.name", '"m"'))
        assert error.message == "the model is damaged: it has mlship's metadata but no digest."
    else:
        error = refused(resigned(lambda metadata: metadata.pop(PREFIX + key)))
        assert error.message == f"the model has metadata that cannot be read: '{key}'."
        assert error.code == "bad_metadata"


def test_unknown_key_is_passed_over() -> None:
    """A key of a later version that old readers may ignore does not stop them."""
    assert read_artifact(with_value("advice", {"rows": 5})).card is not None


@pytest.mark.parametrize("number", [2, 99, 10**30])
def test_newer_format_is_refused_with_the_way_out(number: int) -> None:
    """A file of a newer format says which one, and how to get a newer mlship."""
    error = refused(with_value("format", number))
    assert error.message == f"the model has the artifact format {number}; this mlship reads up to 1."
    assert (error.hint, error.code) == ("pip install --upgrade mlship", "newer_format")


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1", None, [1]])
def test_other_formats_are_refused(number: Any) -> None:
    """What is no format that ever was is refused."""
    assert refused(with_value("format", number)).code == "bad_metadata"


WRONG_VALUES: list[tuple[str, Any]] = [
    ("name", 5),
    ("name", "\ud800"),
    ("version", None),
    ("labels", ["a"]),
    ("labels", {"a": 1}),
    ("signature", None),
    ("signature", {"inputs": []}),
    ("rows", None),
    ("rows", {"multiple": 0}),
    ("rows", {"multiple": -2}),
    ("rows", {"multiple": 1.5}),
    ("rows", {"multiple": 1, "fixed": 0}),
    ("rows", {"multiple": 1, "fixed": "2"}),
    ("rows", {"multiple": 1, "other": 2}),
    ("golden", "not base64"),
    ("golden", 5),
    ("golden", mixed_golden().encode()),
    ("golden", replace(linear_golden(), outputs={"prediction": np.zeros(3, dtype=np.int64)}).encode()),
    ("golden", replace(linear_golden(), inputs={**linear_golden().inputs, "São é": np.array(["a"] * 3)}).encode()),
    ("baseline", []),
    ("parity", {}),
    ("parity", {"rows": {"typical": "many"}}),
    ("provenance", None),
    ("provenance", "pickle"),
]


@pytest.mark.parametrize(("key", "given_value"), WRONG_VALUES)
def test_metadata_of_a_wrong_type_is_refused(key: str, given_value: Any) -> None:
    """A signed file whose metadata is not of the right form is refused, not crashed upon."""
    error = refused(with_value(key, given_value))
    assert error.code in ("bad_metadata", "bad_signature")
    assert "signature" in error.message or "metadata that cannot be read" in error.message


@pytest.mark.parametrize("text", ["{", "", "NaN5", "[" * 100_000, '"\\ud8', "1" * 5000, '{"a":' * 5000])
def test_broken_json_is_refused(text: str) -> None:
    """JSON that is broken, or nested past all measure, is refused."""
    assert refused(resigned(lambda metadata: metadata.update({"mlship.baseline": text}))).code == "bad_metadata"


def test_golden_rows_are_checked_against_the_signature() -> None:
    """Golden rows of another model are refused with what does not fit."""
    other = replace(linear_golden(), inputs={"a": np.zeros(3)})
    assert "not of the signature's input columns" in refused(with_value("golden", other.encode())).message
    other = replace(linear_golden(), outputs={"score": np.zeros(3)})
    assert "not of the signature's output columns" in refused(with_value("golden", other.encode())).message


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


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes_never_crash(data: bytes) -> None:
    """Random bytes are refused as a model, and as the tail and the head of one."""
    for source in (data, data + linear_artifact(), linear_artifact() + data, b"\x3a\x00" + data):
        try:
            artifact = read_artifact(source)
        except (ModelRefused, UsageError):
            continue
        assert artifact.card is None or source == linear_artifact()


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([key for key in KEYS if key != "digest"]), st.text(max_size=20))
def test_random_metadata_never_crashes(key: str, text: str) -> None:
    """A signed file with any text for a key's JSON is read or refused."""
    try:
        artifact = read_artifact(resigned(lambda metadata: metadata.update({PREFIX + key: text})))
    except ModelRefused:
        return
    assert artifact.card is not None


def test_names_that_are_no_text_cannot_be_signed() -> None:
    """A name with a lone surrogate, as a file's name may have, stops the export with what to do."""
    with pytest.raises(NotConvertible, match="not valid Unicode text") as caught:
        sign(linear_graph(), replace(linear_card(), name="caf\udce9"))
    assert caught.value.exit_code == 5
    assert caught.value.hint == "Give the model a name with --name."


def test_stored_artifact_of_format_1_stays_readable() -> None:
    """A file that an old mlship wrote is read by every later one, and still answers as it did."""
    artifact = read_artifact(STORED)
    assert artifact.digest == "1a3aa551d485ba876f623dd7ec859f8477111c1a296ff6954d9b126092442bda"
    assert artifact.card is not None
    assert replace(artifact.card, golden=None) == replace(mixed_card(), golden=None)
    session = open_session(SessionSpec(STORED))
    assert (session.replay.rows, session.replay.agrees, session.proven) == (2, True, True)
    assert session.card.rows == RowPlan(multiple=2)
