"""What a model accepts and returns, by the names its user knows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from mlship.errors import ModelRefused

Dtype = Literal["bool", "int64", "float32", "float64", "string", "category", "datetime", "date"]
"""The dtypes of input columns."""
OutputDtype = Literal["bool", "int64", "float64", "string"]
"""The dtypes of output columns; narrower numbers are widened by the session."""
Meaning = Literal["label", "probability", "score", "value", "raw"]
"""What an output column says: the predicted label, a class's probability, a decision value, a
regression or transformed value, or an output of a foreign graph."""
Category = str | int | float

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
OUTPUT_DTYPES: tuple[OutputDtype, ...] = get_args(OutputDtype)

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
        dtype: numpy name of its element type, or `string`.
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
    def tensor_dtypes(self) -> dict[str, str]:
        """Element type of each graph input by its name."""
        return {tensor.name: tensor.dtype for tensor in self.tensors}

    def null_tokens_of(self, column: Column, extra: tuple[str, ...] = ()) -> frozenset[str]:
        """Return the texts that mean null in a column: a known category is never one of them."""
        return frozenset(self.null_tokens + extra) - {value for value in column.known if isinstance(value, str)}

    def feeding(self, tensor: Tensor) -> tuple[Column, ...]:
        """Return the columns that feed a graph input, in order."""
        return tuple(column for column in self.inputs if column.tensor == tensor.name)

    def to_json(self) -> dict[str, Any]:
        """Return the signature as plain JSON values; `from_json` is its inverse."""
        return {
            "inputs": [_plain(column) for column in self.inputs],
            "tensors": [_plain(tensor) for tensor in self.tensors],
            "outputs": [_plain(output) for output in self.outputs],
            "null_tokens": list(self.null_tokens),
        }

    @classmethod
    def from_json(cls, data: Any) -> Signature:
        """Read a signature from plain JSON values.

        Raises:
            ModelRefused: A field is missing or unknown, a dtype or tensor does not exist, or a name occurs twice.
        """
        try:
            signature = cls(
                inputs=tuple(_column(item) for item in data["inputs"]),
                tensors=tuple(Tensor(**item) for item in data["tensors"]),
                outputs=tuple(Output(**item) for item in data["outputs"]),
                null_tokens=tuple(data["null_tokens"]),
            )
        except (KeyError, TypeError) as error:
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
    return list(dict.fromkeys(name for name in names if names.count(name) > 1))


def _column(item: dict[str, Any]) -> Column:
    categories = item.get("categories")
    return Column(**{**item, "categories": None if categories is None else tuple(categories)})


def _plain(item: Column | Tensor | Output) -> dict[str, Any]:
    """A dataclass as JSON values, leaving out what has its default, so that files stay short."""
    plain = {}
    for entry in dataclasses.fields(item):
        value = getattr(item, entry.name)
        if entry.default is dataclasses.MISSING or value != entry.default:
            plain[entry.name] = list(value) if isinstance(value, tuple) else value
    return plain


def _contradiction(signature: Signature) -> str | None:
    tensors = set(signature.tensor_dtypes)
    for column in signature.inputs:
        if column.dtype not in DTYPES:
            return f"column '{column.name}' has the unknown dtype '{column.dtype}'"
        if column.tensor not in tensors:
            return f"column '{column.name}' feeds '{column.tensor}', which is no input of the graph"
    for output in signature.outputs:
        if output.dtype not in OUTPUT_DTYPES:
            return f"output '{output.name}' has the unknown dtype '{output.dtype}'"
    for kind, names in (("input", signature.names), ("output", tuple(output.name for output in signature.outputs))):
        if len(set(names)) != len(names):
            return f"the {kind} name '{duplicates(names)[0]}' occurs twice"
    return None
