"""What a model accepts and returns, by the names its user knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from mlship.errors import ModelRefused
from mlship.model.plain import from_plain, to_plain

Dtype = Literal["bool", "int64", "float32", "float64", "string", "category", "datetime", "date"]
"""The dtypes of input columns."""
OutputDtype = Literal["bool", "int64", "float64", "string"]
"""The dtypes of output columns; narrower numbers are widened by the session."""
Meaning = Literal["label", "probability", "score", "value", "raw"]
"""What an output column says: the predicted label, a class's probability, a decision value, a
regression or transformed value, or an output of a foreign graph."""
Category = str | bool | int | float

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
OUTPUT_DTYPES: tuple[OutputDtype, ...] = get_args(OutputDtype)
TENSOR_DTYPES = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8",
    "uint64", "uint32", "uint16", "uint8", "bool", "string",
)  # fmt: skip
"""The element types of graph inputs."""

NULL_TOKENS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The texts that mean null: `na_values` of pandas.read_csv, through which most models were trained
(https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html)."""

NULL_TEXT = "\uffff"
"""What a string tensor is fed for null: a Unicode noncharacter, which no text may hold (Unicode 15, 23.7)."""


@dataclass(frozen=True)
class Column:
    """One input column.

    Attributes:
        name: The name as the user knows it; any text.
        dtype: How its values are read.
        tensor: Name of the graph input that it feeds.
        nullable: Whether the model accepts null here.
        finite: Whether infinities are refused.
        limit: The largest magnitude accepted, or None.
        low: The smallest number accepted, or None.
        exact: Whether the original saw numbers exactly, so that a number which the graph's tensor
            cannot hold must be refused.
        categories: The values seen in training, in the model's order, or None.
        unknown: Whether a value outside `categories` is accepted.
    """

    name: str
    dtype: Dtype
    tensor: str
    nullable: bool = True
    finite: bool = False
    limit: float | None = None
    low: float | None = None
    exact: bool = False
    categories: tuple[Category, ...] | None = None
    unknown: bool = True

    @cached_property
    def known(self) -> frozenset[Category]:
        """The categories as a set; empty when there are none."""
        return frozenset(self.categories or ())


@dataclass(frozen=True)
class Tensor:
    """One graph input.

    Attributes:
        name: Its name in the graph.
        dtype: numpy name of its element type, or `string`; one of `TENSOR_DTYPES`.
        flat: True for shape [rows], False for [rows, columns that feed it, in signature order].
    """

    name: str
    dtype: str
    flat: bool = False


@dataclass(frozen=True)
class Output:
    """One output column.

    Attributes:
        name: Its name, the same on every path.
        dtype: Type of its values.
        meaning: What it says.
        tensor: The graph output that it is taken from.
        index: Column in that tensor of shape [rows, k], or None for shape [rows] or [rows, 1].
    """

    name: str
    dtype: OutputDtype
    meaning: Meaning
    tensor: str
    index: int | None = None


@dataclass(frozen=True)
class Signature:
    """The columns a model takes and gives.

    Attributes:
        inputs: Input columns in the model's order.
        tensors: Graph inputs that the columns feed.
        outputs: Output columns in the order in which they are written.
        null_tokens: Texts that mean null in files of text, unless a column knows one as a category.
    """

    inputs: tuple[Column, ...]
    tensors: tuple[Tensor, ...]
    outputs: tuple[Output, ...]
    null_tokens: tuple[str, ...] = field(default=NULL_TOKENS)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the input columns in order."""
        return tuple(column.name for column in self.inputs)

    @cached_property
    def _columns_of(self) -> dict[str, tuple[Column, ...]]:
        groups: dict[str, list[Column]] = {}
        for column in self.inputs:
            groups.setdefault(column.tensor, []).append(column)
        return {name: tuple(columns) for name, columns in groups.items()}

    @cached_property
    def tensor_dtypes(self) -> dict[str, str]:
        """Element type of each graph input by its name."""
        return {tensor.name: tensor.dtype for tensor in self.tensors}

    def null_tokens_of(self, column: Column, extra: tuple[str, ...] = ()) -> frozenset[str]:
        """Return the texts that mean null in a column: a known category is never one of them."""
        return frozenset(self.null_tokens + extra) - {value for value in column.known if isinstance(value, str)}

    def feeding(self, tensor: Tensor) -> tuple[Column, ...]:
        """Return the columns that feed a graph input, in order."""
        return self._columns_of.get(tensor.name, ())

    def to_json(self) -> dict[str, Any]:
        """Return the signature as plain JSON values; `from_json` is its inverse."""
        return {
            "inputs": [to_plain(column) for column in self.inputs],
            "tensors": [to_plain(tensor) for tensor in self.tensors],
            "outputs": [to_plain(output) for output in self.outputs],
            "null_tokens": list(self.null_tokens),
        }

    @classmethod
    def from_json(cls, data: Any) -> Signature:
        """Read a signature from plain JSON values.

        Raises:
            ModelRefused: A field is missing or unknown, or contradicts another.
        """
        try:
            signature = from_plain(
                cls,
                {
                    "inputs": tuple(from_plain(Column, item) for item in data["inputs"]),
                    "tensors": tuple(from_plain(Tensor, item) for item in data["tensors"]),
                    "outputs": tuple(from_plain(Output, item) for item in data["outputs"]),
                    "null_tokens": data["null_tokens"],
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelRefused(f"The model's signature cannot be read: {error}.", code="bad_signature") from error
        signature.check()
        return signature

    def check(self) -> None:
        """Refuse a signature that contradicts itself.

        Raises:
            ModelRefused: As `from_json` says.
        """
        problem = _contradiction(self)
        if problem is not None:
            raise ModelRefused(f"The model's signature contradicts itself: {problem}.", code="bad_signature")


def duplicates(names: list[str] | tuple[str, ...]) -> list[str]:
    """Return the names that occur more than once, each once, in order."""
    return [name for name, count in Counter(names).items() if count > 1]


def _contradiction(signature: Signature) -> str | None:
    return _problem_of_names(signature) or _problem_of_inputs(signature) or _problem_of_outputs(signature)


def _problem_of_names(signature: Signature) -> str | None:
    groups = {
        "input": signature.names,
        "tensor": tuple(tensor.name for tensor in signature.tensors),
        "output": tuple(output.name for output in signature.outputs),
    }
    for kind, names in groups.items():
        if not names:
            return f"it has no {kind}s"
        if twice := duplicates(names):
            return f"the {kind} name {twice[0]!r} occurs twice"
    return None


def _problem_of_inputs(signature: Signature) -> str | None:
    dtypes = signature.tensor_dtypes
    for column in signature.inputs:
        if problem := _problem_of_column(column, dtypes.get(column.tensor)):
            return f"column {column.name!r} {problem}"
    for tensor in signature.tensors:
        width = len(signature.feeding(tensor))
        if width == 0 or (tensor.flat and width > 1):
            return f"{width} columns feed the tensor {tensor.name!r}"
    return None


def _problem_of_outputs(signature: Signature) -> str | None:
    whole = {output.tensor for output in signature.outputs if output.index is None}
    for output in signature.outputs:
        if output.dtype not in OUTPUT_DTYPES:
            return f"output {output.name!r} has the unknown dtype {output.dtype!r}"
        if output.index is not None and (output.index < 0 or output.tensor in whole):
            return f"output {output.name!r} is no column of {output.tensor!r}"
    return None


def _problem_of_column(column: Column, tensor_dtype: str | None) -> str | None:
    if column.dtype not in DTYPES:
        return f"has the unknown dtype {column.dtype!r}"
    if tensor_dtype is None:
        return f"feeds {column.tensor!r}, which is no input of the graph"
    if tensor_dtype not in TENSOR_DTYPES:
        return f"feeds a tensor of the unknown dtype {tensor_dtype!r}"
    text = column.dtype in ("string", "category")
    if text != (tensor_dtype == "string"):
        return f"is {column.dtype} and feeds a tensor of {tensor_dtype}"
    if text or tensor_dtype.startswith("float"):
        return None
    if column.nullable:
        return f"may be null, which a tensor of {tensor_dtype} cannot hold"
    if column.dtype.startswith("float") or (tensor_dtype == "bool") > (column.dtype == "bool"):
        return f"is {column.dtype} and feeds a tensor of {tensor_dtype}"
    return None
