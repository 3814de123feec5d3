"""A signature goes through JSON unchanged, and one that contradicts itself is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlship.errors import ModelRefused
from mlship.model.signature import DTYPES, NULL_TOKENS, OUTPUT_DTYPES, Column, Output, Signature, Tensor, duplicates
from tests.model.making import AWKWARD, linear_card, one_column

GOOD = linear_card().signature
FLAT = Signature((Column("a", "int64", "x", nullable=False),), (Tensor("x", "int64", flat=True),), GOOD.outputs)


def through_json(signature: Signature) -> Signature:
    """Write a signature as JSON text and read it again."""
    return Signature.from_json(json.loads(json.dumps(signature.to_json(), allow_nan=False)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_survives(dtype: Any) -> None:
    """A column of every dtype, with all that can be said of it, survives JSON."""
    texts = dtype in ("string", "category")
    known = ("red", "NA", "\u00e9") if texts else (1, 2.5, -3)
    signature = one_column(dtype, finite=True, limit=1e300, exact=True, categories=known, unknown=False)
    assert through_json(signature) == signature
    assert through_json(one_column(dtype)) == one_column(dtype)


def test_awkward_names_survive() -> None:
    """Names are any text, and my age and my_age stay two columns."""
    columns = tuple(Column(name, "float64", "x") for name in AWKWARD)
    outputs = tuple(Output(name, dtype, "raw", f"y{name}") for name in AWKWARD for dtype in OUTPUT_DTYPES[:1])
    signature = Signature(columns, (Tensor("x", "float64"),), outputs, (*NULL_TOKENS, "?"))
    read = through_json(signature)
    assert read == signature
    assert read.names == AWKWARD
    assert read.null_tokens[-1] == "?"


def test_defaults_are_left_out() -> None:
    """What has its default is not written, so that a file of a thousand columns stays short."""
    assert one_column("float64").to_json()["inputs"] == [{"name": "a", "dtype": "float64", "tensor": "x"}]


def test_columns_find_their_tensor() -> None:
    """The columns that feed a tensor are found in the signature's order."""
    first, second, third = (Column(name, "float64", tensor) for name, tensor in (("b", "x"), ("c", "y"), ("a", "x")))
    signature = Signature((first, second, third), (Tensor("x", "float64"), Tensor("y", "float32")), GOOD.outputs)
    assert signature.feeding(signature.tensors[0]) == (first, third)
    assert signature.feeding(Tensor("z", "float64")) == ()
    assert signature.tensor_dtypes == {"x": "float64", "y": "float32"}


def test_duplicates() -> None:
    """Names that occur more than once are told once each, in order."""
    assert duplicates(["b", "a", "b", "c", "a", "b"]) == ["b", "a"]
    assert duplicates(("a", "A", " a")) == []


def with_column(**changes: Any) -> Signature:
    """Return a good signature with one column changed."""
    return replace(GOOD, inputs=(replace(GOOD.inputs[0], **changes), GOOD.inputs[1]))


def with_output(**changes: Any) -> Signature:
    """Return a good signature with one output changed."""
    return replace(GOOD, outputs=(GOOD.outputs[0], replace(GOOD.outputs[1], **changes)))


CONTRADICTIONS = [
    (with_column(dtype="decimal"), "column 'my age' has the unknown dtype 'decimal'"),
    (with_column(tensor="z"), "column 'my age' feeds 'z', which is no input of the graph"),
    (with_column(dtype="string"), "column 'my age' is string and feeds a tensor of float64"),
    (with_column(name="São é"), "the input name 'São é' occurs twice"),
    (with_output(name="prediction"), "the output name 'prediction' occurs twice"),
    (with_output(dtype="float32"), "output 'score' has the unknown dtype 'float32'"),
    (with_output(index=-1), "output 'score' is no column of 'score'"),
    (with_output(tensor="label", index=0), "output 'score' is no column of 'label'"),
    (replace(GOOD, inputs=()), "it has no inputs"),
    (replace(GOOD, tensors=()), "it has no tensors"),
    (replace(GOOD, outputs=()), "it has no outputs"),
    (replace(GOOD, tensors=GOOD.tensors * 2), "the tensor name 'x' occurs twice"),
    (replace(GOOD, tensors=(*GOOD.tensors, Tensor("z", "float64"))), "0 columns feed the tensor 'z'"),
    (replace(GOOD, tensors=(Tensor("x", "float64", flat=True),)), "2 columns feed the tensor 'x'"),
    (replace(GOOD, tensors=(Tensor("x", "complex64"),)), "'my age' feeds a tensor of the unknown dtype 'complex64'"),
    (replace(GOOD, tensors=(Tensor("x", "string"),)), "column 'my age' is float64 and feeds a tensor of string"),
    (replace(GOOD, tensors=(Tensor("x", "int64"),)), "column 'my age' is float64 and feeds a tensor of int64"),
    (replace(GOOD, tensors=(Tensor("x", "bool"),)), "column 'my age' is float64 and feeds a tensor of bool"),
    (one_column("int64", "int64"), "column 'a' may be null, which a tensor of int64 cannot hold"),
    (one_column("datetime", "int64"), "column 'a' may be null, which a tensor of int64 cannot hold"),
    (one_column("bool", "bool"), "column 'a' may be null, which a tensor of bool cannot hold"),
    (one_column("int64", "bool", nullable=False), "column 'a' is int64 and feeds a tensor of bool"),
]


@pytest.mark.parametrize(
    ("signature", "problem"), CONTRADICTIONS, ids=lambda item: item if isinstance(item, str) else ""
)
def test_contradiction_is_refused(signature: Signature, problem: str) -> None:
    """A signature that cannot be true is refused with what is wrong, checked in memory and read alike."""
    with pytest.raises(ModelRefused) as checked:
        signature.check()
    assert problem in checked.value.message
    assert checked.value.message.startswith("The model's signature contradicts itself: ")
    assert (checked.value.exit_code, checked.value.code) == (4, "bad_signature")
    with pytest.raises(ModelRefused, match="signature") as read:
        through_json(signature)
    assert read.value.code == "bad_signature"


@pytest.mark.parametrize("dtype", ["int64", "datetime", "date", "bool"])
def test_integer_tensors_take_what_cannot_be_null(dtype: Any) -> None:
    """A column that may not be null can feed an integer tensor."""
    assert through_json(one_column(dtype, "int64", nullable=False)).inputs[0].nullable is False
    assert through_json(FLAT) == FLAT


MALFORMED: list[tuple[Any, str]] = [
    (None, "cannot be read"),
    ([], "cannot be read"),
    ({}, "cannot be read: 'inputs'"),
    ({"inputs": "abc"}, "a column is no object"),
    ({"inputs": [1]}, "a column is no object"),
    ({"inputs": [{"name": "a", "dtype": "float64"}]}, "missing 1 required positional argument: 'tensor'"),
    ({"inputs": [{"name": 5, "dtype": "float64", "tensor": "x"}]}, "the field 'name' has an unexpected value"),
    ({"inputs": [{"name": "\ud800", "dtype": "float64", "tensor": "x"}]}, "the field 'name' has an unexpected value"),
    ({"inputs": [{"name": ["a"], "dtype": "float64", "tensor": "x"}]}, "the field 'name'"),
    ({"inputs": [{"name": "a", "dtype": "text", "tensor": "x"}]}, "the field 'dtype' has an unexpected value"),
    ({"inputs": [{"name": "a", "dtype": "float64", "tensor": "x", "nullable": "no"}]}, "the field 'nullable'"),
    ({"inputs": [{"name": "a", "dtype": "float64", "tensor": "x", "limit": "1"}]}, "the field 'limit'"),
    ({"inputs": [{"name": "a", "dtype": "float64", "tensor": "x", "limit": True}]}, "the field 'limit'"),
    ({"inputs": [{"name": "a", "dtype": "string", "tensor": "x", "categories": "ab"}]}, "the field 'categories'"),
    ({"inputs": [{"name": "a", "dtype": "string", "tensor": "x", "categories": [["b"]]}]}, "the field 'categories'"),
    ({"inputs": [{"name": "a", "dtype": "float64", "tensor": "x", "color": 1}]}, "has the unknown field 'color'"),
    ({**GOOD.to_json(), "tensors": [{"name": "x", "dtype": "float64", "flat": 1}]}, "the field 'flat'"),
    ({**GOOD.to_json(), "outputs": [{"name": "x"}]}, "missing 3 required"),
    ({**GOOD.to_json(), "null_tokens": "NA"}, "the field 'null_tokens'"),
    ({**GOOD.to_json(), "null_tokens": [1]}, "the field 'null_tokens'"),
]


@pytest.mark.parametrize(("data", "problem"), MALFORMED)
def test_malformed_json_is_refused(data: Any, problem: str) -> None:
    """JSON that is no signature is refused with the field that is wrong."""
    with pytest.raises(ModelRefused) as refused:
        Signature.from_json(data)
    assert problem in refused.value.message
    assert refused.value.exit_code == 4


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_change_is_read_or_refused(data: st.DataObject) -> None:
    """A signature with anything put in the place of anything is either read and consistent, or refused."""
    plain = one_column("category", categories=("red",), limit=1.0).to_json()
    part = data.draw(st.sampled_from(sorted(plain)))
    if part == "null_tokens" or data.draw(st.booleans()):
        plain[part] = data.draw(ANY_JSON)
    else:
        field = data.draw(st.sampled_from([*sorted(plain[part][0]), "other", "index", "flat"]))
        plain[part][0][field] = data.draw(ANY_JSON)
    try:
        read = Signature.from_json(plain)
    except ModelRefused:
        return
    assert through_json(read) == read
