"""Which estimators are converted: those whose graph was shown exact in double precision, by name and no others.

A proof on rows finds what is wrong in ordinary rows. It does not find what is wrong only where nobody looked,
such as a bin's edge rounded to float32 or a word in Portuguese, and skl2onnx has converters with such faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import (
    RFE,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
)
from sklearn.linear_model import (
    GammaRegressor,
    Perceptron,
    PoissonRegressor,
    RANSACRegressor,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer

from mlship.errors import NotConvertible
from mlship.export.converters import CONVERTERS
from mlship.export.parts import column_parts, is_column_transformer, steps_of

STOCK = frozenset(
    (
        AdaBoostRegressor,
        BaggingClassifier,
        BaggingRegressor,
        FunctionTransformer,
        GammaRegressor,
        GaussianNB,
        GenericUnivariateSelect,
        IncrementalPCA,
        LinearDiscriminantAnalysis,
        MLPClassifier,
        MLPRegressor,
        NeighborhoodComponentsAnalysis,
        Normalizer,
        PCA,
        PLSRegression,
        Perceptron,
        PoissonRegressor,
        RANSACRegressor,
        RFE,
        SGDClassifier,
        SelectFdr,
        SelectFpr,
        SelectFwe,
        SelectKBest,
        SelectPercentile,
        StackingClassifier,
        StackingRegressor,
        TruncatedSVD,
        TweedieRegressor,
        VarianceThreshold,
        VotingRegressor,
    )
)
"""Estimators for which skl2onnx's own converter is exact: smooth functions of numbers, and choices of columns."""

_HINT = "Use one that is, such as a scaler, SimpleImputer, OneHotEncoder, a linear model, a tree or a forest."
_INNER = {
    AdaBoostRegressor: ("estimators_",),
    BaggingClassifier: ("estimators_",),
    BaggingRegressor: ("estimators_",),
    RANSACRegressor: ("estimator_",),
    StackingClassifier: ("estimators_", "final_estimator_"),
    StackingRegressor: ("estimators_", "final_estimator_"),
    VotingRegressor: ("estimators_",),
}
"""Where estimators keep those that they ask."""


def check_supported(estimator: Any) -> None:
    """Refuse an estimator of which some step has no converter that is known to be exact.

    Raises:
        NotConvertible: Naming the step by its path.
    """
    for path, step in _steps(estimator, ""):
        kind = type(step)
        known = kind in CONVERTERS or kind in STOCK
        if not known or (kind is FunctionTransformer and step.func is not None):
            what = f"The step '{path}' of the model, a {kind.__name__}," if path else kind.__name__
            raise NotConvertible(f"{what} is not supported.", hint=_HINT, code="not_supported")


def _steps(step: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every estimator that does work, with its path of names."""
    if isinstance(step, str) or step is None:  # 'passthrough' and 'drop'
        return
    if type(step) is Pipeline:
        inner = steps_of(step)
    elif is_column_transformer(step):
        inner = [(part.name, part.step) for part in column_parts(step)]
    elif type(step) is FeatureUnion:
        inner = list(step.transformer_list)
    else:
        yield path, step
        inner = [(name, item) for name in _INNER.get(type(step), ()) for item in _listed(getattr(step, name))]
    for name, item in inner:
        yield from _steps(item, f"{path}.{name}" if path else name)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
