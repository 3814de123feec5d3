"""Tensors of a graph as expressions: `(x - mean) / scale` adds the nodes that compute it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mlship.export.graph.builder import ELEMENTS, Graph

Kind = Literal["float64", "float32", "int64", "int32", "bool", "string"]
Operand = Any
"""An `Expr`, a number or an array; what is no expression becomes a constant of the other side's type."""


class Expr:
    """A tensor of a graph.

    Args:
        graph: The graph.
        name: The tensor's name in it.
        kind: Its element type.
    """

    __hash__ = None  # type: ignore[assignment]  # an expression is compared in the graph, never here
    __array_ufunc__ = None  # so that an array on the left leaves the operation to the expression on the right

    def __init__(self, graph: Graph, name: str, kind: Kind = "float64") -> None:
        self.graph = graph
        self.name = name
        self.kind: Kind = kind

    def op(self, op: str, *others: Operand, kind: Kind | None = None, domain: str = "", **attributes: Any) -> Expr:
        """Add an operator whose first input is this tensor.

        Args:
            op: Its type.
            others: Its further inputs, of this tensor's element type where they are no expressions.
            kind: Element type of what comes out; this tensor's own when not given.
            domain: The operator's domain.
            attributes: Its attributes.
        """
        names = [self.name, *(self.like(other).name for other in others)]
        return Expr(self.graph, self.graph.node(op, names, domain=domain, **attributes), kind or self.kind)

    def like(self, value: Operand) -> Expr:
        """Return a value as an expression; numbers and arrays become constants of this tensor's element type."""
        return value if isinstance(value, Expr) else constant(self.graph, value, self.kind)

    def __add__(self, other: Operand) -> Expr:
        return self.op("Add", other)

    def __radd__(self, other: Operand) -> Expr:
        return self.like(other).op("Add", self)

    def __sub__(self, other: Operand) -> Expr:
        return self.op("Sub", other)

    def __rsub__(self, other: Operand) -> Expr:
        return self.like(other).op("Sub", self)

    def __mul__(self, other: Operand) -> Expr:
        return self.op("Mul", other)

    def __rmul__(self, other: Operand) -> Expr:
        return self.like(other).op("Mul", self)

    def __truediv__(self, other: Operand) -> Expr:
        return self.op("Div", other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return self.like(other).op("Div", self)

    def __matmul__(self, other: Operand) -> Expr:
        return self.op("MatMul", other)

    def __pow__(self, other: Operand) -> Expr:
        return self.op("Pow", other)

    def __neg__(self) -> Expr:
        return self.op("Neg")

    def __lt__(self, other: Operand) -> Expr:
        return self.op("Less", other, kind="bool")

    def __le__(self, other: Operand) -> Expr:
        return self.op("LessOrEqual", other, kind="bool")

    def __gt__(self, other: Operand) -> Expr:
        return self.op("Greater", other, kind="bool")

    def __ge__(self, other: Operand) -> Expr:
        return self.op("GreaterOrEqual", other, kind="bool")

    def __and__(self, other: Operand) -> Expr:
        return self.op("And", other)

    def __or__(self, other: Operand) -> Expr:
        return self.op("Or", other)

    def __invert__(self) -> Expr:
        return self.op("Not")

    def equals(self, other: Operand) -> Expr:
        """Where the elements are equal, as bool."""
        return self.op("Equal", other, kind="bool")

    def isnan(self) -> Expr:
        """Where the elements are NaN, as bool."""
        return self.op("IsNaN", kind="bool")

    def cast(self, kind: Kind) -> Expr:
        """The elements as another type."""
        return self if kind == self.kind else self.op("Cast", kind=kind, to=ELEMENTS[kind])

    def exp(self) -> Expr:
        """The exponential."""
        return self.op("Exp")

    def log(self) -> Expr:
        """The natural logarithm."""
        return self.op("Log")

    def sqrt(self) -> Expr:
        """The square root."""
        return self.op("Sqrt")

    def abs(self) -> Expr:
        """The magnitude."""
        return self.op("Abs")

    def sigmoid(self) -> Expr:
        """The logistic function, 1 / (1 + exp(-x)), as it is written here."""
        return 1.0 / (1.0 + (-self).exp())

    def softmax(self) -> Expr:
        """The softmax of each row."""
        return self.op("Softmax", axis=1)

    def maximum(self, other: Operand) -> Expr:
        """The larger element, NaN where this one is NaN."""
        return where(self < other, self.like(other), self)

    def minimum(self, other: Operand) -> Expr:
        """The smaller element, NaN where this one is NaN."""
        return where(self > other, self.like(other), self)

    def sum(self, axis: int = 1, *, keepdims: bool = True) -> Expr:
        """The sum along an axis, which stays unless told otherwise."""
        return self._reduce("ReduceSum", axis, keepdims=keepdims)

    def mean(self, axis: int = 1, *, keepdims: bool = True) -> Expr:
        """The mean along an axis."""
        return self._reduce("ReduceMean", axis, keepdims=keepdims)

    def max(self, axis: int = 1, *, keepdims: bool = True) -> Expr:
        """The largest element along an axis."""
        return self._reduce("ReduceMax", axis, keepdims=keepdims)

    def min(self, axis: int = 1, *, keepdims: bool = True) -> Expr:
        """The smallest element along an axis."""
        return self._reduce("ReduceMin", axis, keepdims=keepdims)

    def _reduce(self, op: str, axis: int, *, keepdims: bool) -> Expr:
        axes = constant(self.graph, [axis], "int64")
        if op in ("ReduceMax", "ReduceMin") or axis == 0 or self.kind != "float64":
            return self.op(op, axes, keepdims=int(keepdims))
        # Of rows of an odd width onnxruntime 1.32 adds the numbers in an order that depends on where they lie in
        # memory, unless another axis comes after.
        last = constant(self.graph, [-1], "int64")
        return self.op("Unsqueeze", last).op(op, axes, keepdims=int(keepdims)).op("Squeeze", last)

    def argmax(self) -> Expr:
        """The place of each row's first largest element, int64 [rows, 1]."""
        return self.op("ArgMax", kind="int64", axis=1, keepdims=1)

    def argmin(self) -> Expr:
        """The place of each row's first smallest element, int64 [rows, 1]."""
        return self.op("ArgMin", kind="int64", axis=1, keepdims=1)

    def columns(self, places: Sequence[int]) -> Expr:
        """The columns at the places, in their order: [rows, places]."""
        return self.op("Gather", constant(self.graph, np.array(places, dtype=np.int64), "int64"), axis=1)

    def rows_of(self, places: Expr) -> Expr:
        """The elements of this tensor's first axis at int64 places."""
        return self.op("Gather", places, axis=0)

    def reshape(self, *shape: int) -> Expr:
        """Another shape; 0 keeps an axis, -1 is what remains."""
        return self.op("Reshape", constant(self.graph, np.array(shape, dtype=np.int64), "int64"))

    def unsqueeze(self, axis: int) -> Expr:
        """One more axis of length 1."""
        return self.op("Unsqueeze", constant(self.graph, np.array([axis]), "int64"))

    def squeeze(self, axis: int) -> Expr:
        """Without an axis of length 1."""
        return self.op("Squeeze", constant(self.graph, np.array([axis]), "int64"))

    def transpose(self, *axes: int) -> Expr:
        """The axes in another order."""
        return self.op("Transpose", perm=list(axes))


def constant(graph: Graph, values: Any, kind: Kind = "float64") -> Expr:
    """Return a constant tensor.

    Args:
        graph: The graph.
        values: A number, a text, or an array of them.
        kind: Its element type.
    """
    array = np.asarray(values, dtype=object if kind == "string" else kind)
    return Expr(graph, graph.constant(array), kind)


def where(mask: Expr, yes: Operand, no: Operand) -> Expr:
    """Elements of `yes` where the mask is true, else of `no`; one of the two has to be an expression."""
    if isinstance(yes, Expr):
        no = yes.like(no)
    else:
        yes = no.like(yes)
    return Expr(mask.graph, mask.graph.node("Where", [mask.name, yes.name, no.name]), yes.kind)


def concat(parts: Sequence[Expr], axis: int = 1) -> Expr:
    """The tensors one after the other along an axis."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return Expr(first.graph, first.graph.node("Concat", [part.name for part in parts], axis=axis), first.kind)
