"""What classifiers share: the place of the predicted class, and probabilities of two classes."""

from __future__ import annotations

from mlship.export.graph.expr import Expr, concat


def positive(score: Expr, *, at_zero: bool = False) -> Expr:
    """Return the place of the class, int64 [rows, 1], from the score of the second of two, float64 [rows, 1].

    Args:
        score: The score.
        at_zero: Whether a score of exactly zero means the second class.
    """
    return (score >= 0.0 if at_zero else score > 0.0).cast("int64")


def two(second: Expr) -> Expr:
    """Return both probabilities [rows, 2] from that of the second class [rows, 1]."""
    return concat([1.0 - second, second])
