"""How each estimator of scikit-learn is fitted: on real data of the kind that it is for, half of it held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from tests.export.held import (
    Data,
    codes,
    counted,
    flowers,
    gaps,
    kernel,
    kinds,
    labels,
    marks,
    pair,
    partly,
    patients,
    positive,
    scaled,
    several,
    single,
    texts,
    wines,
)


@dataclass(frozen=True)
class Recipe:
    """One way to fit an estimator.

    Attributes:
        make: Makes it, not yet fitted.
        data: What it is fitted on.
    """

    make: Callable[[], Any]
    data: Callable[[], Data]


def _logistic() -> Any:
    return LogisticRegression(max_iter=2000)


def _of(name: str, data: Callable[[], Data], **options: Any) -> Recipe:
    return Recipe(lambda: _class(name)(**{key: _made(value) for key, value in options.items()}), data)


def _made(value: Any) -> Any:
    return value() if callable(value) else value


@cache
def _classes() -> dict[str, type[BaseEstimator]]:
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401

    return dict(all_estimators())


def _class(name: str) -> Any:
    return _classes()[name]


def scored_estimators() -> list[str]:
    """Return the names of scikit-learn's estimators that answer new rows."""
    return [
        name
        for name, kind in _classes().items()
        if name == "FrozenEstimator" or any(hasattr(kind, method) for method in ("predict", "transform"))
    ]


_TWO: dict[str, Any] = {"estimators": lambda: [("a", _logistic()), ("b", DecisionTreeClassifier(max_depth=3))]}
_BOTH: dict[str, Any] = {"estimators": lambda: [("a", LinearRegression()), ("b", Ridge())]}

RECIPES: dict[str, Recipe] = {
    "AdditiveChi2Sampler": _of("AdditiveChi2Sampler", positive),
    "BaggingClassifier": _of("BaggingClassifier", wines, random_state=0),
    "BernoulliRBM": _of("BernoulliRBM", wines, n_components=16, random_state=0),
    "CalibratedClassifierCV": Recipe(lambda: CalibratedClassifierCV(_logistic(), cv=3), scaled),
    "CategoricalNB": _of("CategoricalNB", codes, min_categories=4),
    "CCA": _of("CCA", several),
    "ClassifierChain": _of("ClassifierChain", marks, estimator=_logistic),
    "ColumnTransformer": _of(
        "ColumnTransformer", wines, transformers=lambda: [("s", StandardScaler(), [0, 3]), ("p", PCA(2), [1, 4, 5])]
    ),
    "ComplementNB": _of("ComplementNB", positive),
    "CountVectorizer": _of("CountVectorizer", texts),
    "DictVectorizer": _of("DictVectorizer", lambda: Data([{"a": 1}, {"b": 2}], None, [{"a": 3}])),
    "FeatureHasher": _of("FeatureHasher", lambda: Data([{"a": 1}, {"b": 2}], None, [{"a": 3}])),
    "FeatureUnion": _of("FeatureUnion", wines, transformer_list=lambda: [("s", StandardScaler()), ("p", PCA(2))]),
    "FixedThresholdClassifier": _of("FixedThresholdClassifier", pair, estimator=_logistic, threshold=0.3),
    "FrozenEstimator": Recipe(lambda: _class("FrozenEstimator")(_logistic().fit(*_fit(scaled()))), scaled),
    "GammaRegressor": _of("GammaRegressor", counted),
    "GaussianProcessClassifier": _of("GaussianProcessClassifier", scaled),
    "GaussianProcessRegressor": _of("GaussianProcessRegressor", patients, alpha=0.1),
    "GaussianRandomProjection": _of("GaussianRandomProjection", wines, n_components=3, random_state=0),
    "GridSearchCV": _of("GridSearchCV", scaled, estimator=_logistic, param_grid={"C": [0.1, 1.0]}, cv=2),
    "HalvingGridSearchCV": _of("HalvingGridSearchCV", scaled, estimator=_logistic, param_grid={"C": [0.1, 1.0]}, cv=2),
    "HalvingRandomSearchCV": _of(
        "HalvingRandomSearchCV", scaled, estimator=_logistic, param_distributions={"C": [0.1, 1.0]}, cv=2
    ),
    "HashingVectorizer": _of("HashingVectorizer", texts, n_features=64),
    "IsotonicRegression": _of("IsotonicRegression", single, out_of_bounds="clip"),
    "IterativeImputer": _of("IterativeImputer", gaps),
    "KBinsDiscretizer": _of("KBinsDiscretizer", wines),
    "KernelCenterer": _of("KernelCenterer", kernel),
    "KNNImputer": _of("KNNImputer", gaps),
    "DictionaryLearning": _of("DictionaryLearning", wines, n_components=3, max_iter=20, random_state=0),
    "LabelBinarizer": _of("LabelBinarizer", labels),
    "LabelEncoder": _of("LabelEncoder", labels),
    "LabelPropagation": _of("LabelPropagation", partly, gamma=1.0),
    "LabelSpreading": _of("LabelSpreading", partly, gamma=1.0),
    "LatentDirichletAllocation": _of("LatentDirichletAllocation", codes, n_components=3, random_state=0),
    "LocalOutlierFactor": _of("LocalOutlierFactor", wines, novelty=True),
    "MiniBatchNMF": _of("MiniBatchNMF", positive, n_components=2, random_state=0),
    "MissingIndicator": _of("MissingIndicator", gaps, features="all"),
    "MultiLabelBinarizer": _of("MultiLabelBinarizer", lambda: Data([["a"], ["a", "b"]], None, [["b"]])),
    "MultiOutputClassifier": _of("MultiOutputClassifier", marks, estimator=_logistic),
    "MultiOutputRegressor": _of("MultiOutputRegressor", several, estimator=Ridge),
    "MultiTaskElasticNet": _of("MultiTaskElasticNet", several),
    "MultiTaskElasticNetCV": _of("MultiTaskElasticNetCV", several, cv=2),
    "MultiTaskLasso": _of("MultiTaskLasso", several),
    "MultiTaskLassoCV": _of("MultiTaskLassoCV", several, cv=2),
    "MultinomialNB": _of("MultinomialNB", positive),
    "NMF": _of("NMF", positive, n_components=2, random_state=0),
    "OneHotEncoder": _of("OneHotEncoder", kinds, handle_unknown="ignore"),
    "OneVsOneClassifier": _of("OneVsOneClassifier", scaled, estimator=_logistic),
    "OneVsRestClassifier": _of("OneVsRestClassifier", scaled, estimator=_logistic),
    "OrdinalEncoder": _of("OrdinalEncoder", kinds),
    "OutputCodeClassifier": _of("OutputCodeClassifier", scaled, estimator=_logistic, random_state=0),
    "PatchExtractor": _of("PatchExtractor", lambda: Data(np.zeros((2, 8, 8)), None, np.zeros((2, 8, 8)))),
    "Pipeline": _of("Pipeline", wines, steps=lambda: [("s", StandardScaler()), ("l", _logistic())]),
    "PLSCanonical": _of("PLSCanonical", several),
    "PLSRegression": _of("PLSRegression", several),
    "PLSSVD": _of("PLSSVD", several),
    "PoissonRegressor": _of("PoissonRegressor", counted),
    "RadiusNeighborsClassifier": _of("RadiusNeighborsClassifier", flowers, radius=0.8, outlier_label="most_frequent"),
    "RadiusNeighborsRegressor": _of("RadiusNeighborsRegressor", patients, radius=10.0),
    "RandomizedSearchCV": _of(
        "RandomizedSearchCV", scaled, estimator=_logistic, param_distributions={"C": [0.1, 1.0]}, cv=2, n_iter=2
    ),
    "RandomTreesEmbedding": _of("RandomTreesEmbedding", wines, n_estimators=8, random_state=0),
    "RegressorChain": _of("RegressorChain", several, estimator=Ridge),
    "RFE": _of("RFE", scaled, estimator=_logistic),
    "RFECV": _of("RFECV", scaled, estimator=_logistic, cv=2),
    "SelectFdr": _of("SelectFdr", wines),
    "SelectFromModel": _of("SelectFromModel", scaled, estimator=_logistic),
    "SelfTrainingClassifier": _of("SelfTrainingClassifier", partly, estimator=_logistic),
    "SequentialFeatureSelector": _of(
        "SequentialFeatureSelector", scaled, estimator=_logistic, cv=2, n_features_to_select=2
    ),
    "SkewedChi2Sampler": _of("SkewedChi2Sampler", positive, random_state=0),
    "SparseCoder": Recipe(lambda: _class("SparseCoder")(np.eye(4)[:3]), flowers),
    "SparseRandomProjection": _of("SparseRandomProjection", wines, n_components=3, random_state=0),
    "StackingClassifier": _of("StackingClassifier", scaled, **_TWO, cv=2),
    "StackingRegressor": _of("StackingRegressor", patients, **_BOTH, cv=2),
    "TargetEncoder": _of("TargetEncoder", kinds),
    "TfidfTransformer": _of("TfidfTransformer", codes),
    "TfidfVectorizer": _of("TfidfVectorizer", texts),
    "TransformedTargetRegressor": _of(
        "TransformedTargetRegressor", patients, regressor=Ridge, transformer=StandardScaler
    ),
    "TunedThresholdClassifierCV": _of("TunedThresholdClassifierCV", pair, estimator=_logistic, cv=2),
    "TweedieRegressor": _of("TweedieRegressor", counted, power=1.5),
    "VotingClassifier": _of("VotingClassifier", scaled, **_TWO, voting="soft"),
    "VotingRegressor": _of("VotingRegressor", patients, **_BOTH),
}
"""Estimators that cannot be made without arguments, that want data of their own, or are large by default."""


def _fit(data: Data) -> tuple[Any, Any]:
    return data.train, data.target


def recipe_of(name: str) -> Recipe:
    """Return how an estimator is fitted; one that nothing is said of is made without arguments."""
    if name in RECIPES:
        return RECIPES[name]
    kind = _class(name)
    seeded = "random_state" in kind().get_params()
    data = scaled if is_classifier(kind()) else patients if hasattr(kind, "predict") else wines
    return Recipe(lambda: kind(random_state=0) if seeded else kind(), data)


def fitted(recipe: Recipe) -> Any:
    """Return the fitted estimator."""
    data = recipe.data()
    model = recipe.make()
    return model.fit(data.train) if data.target is None else model.fit(data.train, data.target)
