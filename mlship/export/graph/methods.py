"""What is known of a class of estimators: how each of its methods is written as a graph, and what it says of columns.

A family of estimators is one module of `mlship.export.converters` with a mapping `CONVERTERS` of classes to `Methods`.
A class is looked up by itself and never through the classes that it derives from, which it may differ from in anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlship.export.graph.expr import Expr
from mlship.export.graph.table import Table

if TYPE_CHECKING:
    from mlship.export.graph.context import Context
    from mlship.export.infer import Draft

Transform = Callable[["Context", Any, Table], Table]
"""Writes `transform` of a fitted estimator: takes the context, the estimator, and the table that it is given."""
Answer = Callable[["Context", Any, Table], Expr]
"""Writes another method; what it gives always has two axes, [rows, k]:

* `predict` of a classifier: int64 places in `classes_`, k = 1 or the number of targets;
* `predict` of a regressor: float64, k = number of targets; of a clusterer or outlier detector: int64 labels, k = 1;
* `predict_proba`: float64, k = number of classes, those of several targets one after the other;
* `decision_function`: float64, k = 1 for two classes and for outlier detectors, else as the original;
* `score_samples`: float64, k = 1.
"""
Method = Literal["predict", "predict_proba", "decision_function", "score_samples"]
Saying = Callable[["Draft"], "Draft"]
"""Adds to the draft of an input column what a step knows of it."""


@dataclass(frozen=True)
class Methods:
    """How a class of estimators is converted.

    Attributes:
        transform: Writes `transform`.
        predict: Writes `predict`.
        predict_proba: Writes `predict_proba`.
        decision_function: Writes `decision_function`.
        score_samples: Writes `score_samples`.
        tells: Gives for each column that a fitted estimator takes what it says of it, or None for nothing; may be
            shorter than there are columns.
        inner: Gives the fitted estimators within that are given the same table as the estimator itself.
        passes: Gives for each column that comes out of `transform` the place of the column taken that it is the
            same as, or None; when not given, no column is known to pass.
        width: How many columns it takes, for a class whose estimators do not say.
        names: Gives the names of the columns that the estimator was fitted on, or None for none, where it keeps them
            elsewhere than in `feature_names_in_`.
        numbers: Whether `predict` gives numbers although scikit-learn knows the class for no regressor.
    """

    transform: Transform | None = None
    predict: Answer | None = None
    predict_proba: Answer | None = None
    decision_function: Answer | None = None
    score_samples: Answer | None = None
    tells: Callable[[Any], Sequence[Saying | None]] | None = None
    inner: Callable[[Any], Sequence[Any]] | None = None
    passes: Callable[[Any], Sequence[int | None]] | None = None
    width: int | None = None
    names: Callable[[Any], Sequence[str] | None] | None = None
    numbers: bool = False


Family = Mapping[type, Methods]
