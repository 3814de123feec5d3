"""Which classes of estimators are converted, and by what: our own families, and those that users plug in.

A user's package converts its classes by an entry point of the group `mlship.converters` that names a mapping of
class to `Methods`, or a function without arguments that returns one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mlship.errors import NotConvertible
from mlship.export.graph.methods import Family, Methods

GROUP = "mlship.converters"
_OWN = (
    "compose",
    "trees",
    "gradient_boosting",
    "histgb",
    "isolation",
    "adaboost",
    "bagging",
    "voting",
    "stacking",
    "linear",
    "scalers",
    "imputer",
    "onehot",
    "svm",
    "gaussian_process",
    "kernel_machines",
    "mixture",
    "discriminant",
    "naive_bayes",
    "encoders",
    "bins",
    "rowwise",
    "polynomials",
    "powers",
    "quantiles",
    "splines",
    "function_transformer",
    "iterative",
    "decomposition",
    "neural",
    "multiclass",
    "chains",
    "calibration",
    "delegates",
    "selection",
    "crossed",
    "dummies",
    "targets",
    "approximation",
    "clusters",
    "text",
    "coding",
    "pooling",
    "topics",
    "factorization",
    "neighbors",
)
"""Modules of `mlship.export.converters` for scikit-learn."""
_OTHERS: dict[str, str] = {
    "catboost": "catboost",
    "category_encoders": "category_encoders",
    "imblearn": "imblearn",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
}
"""Modules of `mlship.export.converters` for other libraries, by the library's import name: each is imported only when
a model of that library is there, and so the library is too."""


_ENCODERS = "TargetEncoder and OrdinalEncoder, of scikit-learn and of category_encoders, are supported."
_NEAREST: dict[str, str] = {
    "CatBoostEncoder": _ENCODERS,
    "CountEncoder": _ENCODERS,
    "HashingVectorizer": "CountVectorizer and TfidfVectorizer are supported.",
    "KNNImputer": "SimpleImputer and IterativeImputer are supported.",
    "KNeighborsClassifier": "RadiusNeighborsClassifier and HistGradientBoostingClassifier are supported.",
    "KNeighborsRegressor": "RadiusNeighborsRegressor and HistGradientBoostingRegressor are supported.",
    "KNeighborsTransformer": "RadiusNeighborsTransformer is supported.",
    "LeaveOneOutEncoder": _ENCODERS,
}
"""What comes nearest to some of the classes that are not converted, by their name."""


def methods_of(kind: type) -> Methods | None:
    """Return how a class is converted, or None when it is not; what users plug in comes first.

    Raises:
        NotConvertible: A plugged-in mapping cannot be loaded.
    """
    library = kind.__module__.partition(".")[0]
    others = _module(_OTHERS[library]) if library in _OTHERS else {}
    return _plugged().get(kind) or others.get(kind) or own_family().get(kind)


@cache
def own_family() -> Family:
    """Return every class of scikit-learn that is converted."""
    return {kind: methods for module in _OWN for kind, methods in _module(module).items()}


def _module(name: str) -> Family:
    family: Family = import_module(f"mlship.export.converters.{name}").CONVERTERS
    return family


@cache
def _plugged() -> Family:
    found: dict[type, Methods] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            given: Family | Callable[[], Family] = entry.load()
            found.update(_checked(given() if callable(given) else given))
        except Exception as error:
            raise NotConvertible(
                f"The converters '{entry.name} = {entry.value}' cannot be loaded: {type(error).__name__}: {error}",
                hint="Mend or uninstall the package that registers them.",
                code="bad_converters",
            ) from error
    return found


def _checked(given: Any) -> Family:
    family: dict[Any, Any] = dict(given)
    for kind, methods in family.items():
        if not isinstance(kind, type) or not isinstance(methods, Methods):
            raise TypeError(f"{kind!r}: {methods!r} is no class with its Methods")
    return family


def nearest(kind: type) -> str:
    """Return the hint for a class that is not converted: the nearest thing that is."""
    if kind.__module__.partition(".")[0] in ("sklearn", "category_encoders") and kind.__name__ in _NEAREST:
        return _NEAREST[kind.__name__]
    for base in kind.__mro__[1:]:
        if methods_of(base) is not None:
            return f"{base.__name__}, which it derives from, is supported; or register a converter, see the README."
    from sklearn.base import ClassifierMixin, RegressorMixin

    if issubclass(kind, ClassifierMixin):
        return "HistGradientBoostingClassifier and LogisticRegression are supported."
    if issubclass(kind, RegressorMixin):
        return "HistGradientBoostingRegressor and Ridge are supported."
    if hasattr(kind, "transform"):
        return "FunctionTransformer over a numpy function is supported; or register a converter, see the README."
    return "Write it with scikit-learn's own estimators, or register a converter, see the README."
