"""What a server does when it is not told, and the names that it serves by."""

from __future__ import annotations

import pytest

from mlship.errors import UsageError
from mlship.serve.naming import named
from mlship.serve.settings import default_queue


@pytest.mark.parametrize(
    ("call", "parallel", "queue"), [(1e-5, 1, 128), (0.02, 1, 50), (0.02, 2, 100), (0.5, 1, 16), (0.0, 1, 128)]
)
def test_line_holds_a_seconds_work(call: float, parallel: int, queue: int) -> None:
    """A worker takes as many requests as it answers in about a second, and from 16 to 128."""
    assert default_queue(call, parallel) == queue


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["a/b.onnx"], {"b": "a/b.onnx"}),
        (["churn=a/b.onnx", "b.onnx"], {"churn": "a/b.onnx", "b": "b.onnx"}),
        (["s3://bucket/x=1/m.v2.onnx"], {"m.v2": "s3://bucket/x=1/m.v2.onnx"}),
        (["new=s3://bucket/m.onnx"], {"new": "s3://bucket/m.onnx"}),
        (["./x=1/m.onnx"], {"m": "./x=1/m.onnx"}),
        (["my model.onnx"], {"my_model": "my model.onnx"}),
    ],
)
def test_names(arguments: list[str], names: dict[str, str]) -> None:
    """A model is called as it was told, or as its file is."""
    assert named(arguments) == names


@pytest.mark.parametrize("arguments", [["a.onnx", "x/a.onnx"], ["a b=c.onnx"], ["a b.onnx", "c.onnx"]])
def test_names_that_cannot_be(arguments: list[str]) -> None:
    """Two models of one name, and a name that cannot stand in a path, are refused."""
    with pytest.raises(UsageError):
        named(arguments)
