"""From logarithms of likelihoods to probabilities, rounded as scikit-learn rounds them."""

from __future__ import annotations

import numpy as np

from mlship.export.converters.functions import log1p
from mlship.export.graph.expr import Expr, where


def log_sum_exp(logs: Expr) -> Expr:
    """Write scipy.special.logsumexp over each row, [rows, 1]: all but the largest are added, then the largest.

    scikit-learn 1.8's own sklearn.utils._array_api._logsumexp is the same. Older ones add in another order, which
    differs in the last bit.
    """
    largest = logs.max()
    is_largest = logs.equals(largest)
    shift = where(largest.abs() < np.inf, largest, 0.0)
    count = is_largest.cast("float64").sum()
    rest = where(is_largest, 0.0, (logs - shift).exp()).sum() / count
    return (log1p(rest) + count.log()) + largest


def shares_of_logs(logs: Expr) -> Expr:
    """Write exp(logs - logsumexp(logs)) of each row."""
    return (logs - log_sum_exp(logs)).exp()
