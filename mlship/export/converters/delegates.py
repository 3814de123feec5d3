"""Estimators that leave the answer to the one within: searches, thresholds, frozen and self-trained ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes the halving searches known
from sklearn.semi_supervised import SelfTrainingClassifier

from mlship.errors import NotConvertible
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Answer, Family, Method, Methods, Transform
from mlship.export.graph.table import Table

Within = Callable[[Any], Any]
"""Gives the estimator within."""


def _best(model: Any) -> Any:
    if not hasattr(model, "best_estimator_"):
        raise NotConvertible(
            f"{type(model).__name__} with refit=False holds no fitted model.",
            hint="Fit it with refit=True, or fit and export an estimator with its best_params_.",
            code="not_supported",
        )
    return model.best_estimator_


def _fitted(model: Any) -> Any:
    return model.estimator_


def _frozen(model: Any) -> Any:
    return model.estimator


def _fitted_or_given(model: Any) -> Any:
    return getattr(model, "estimator_", model.estimator)


def _delegate(within: Within) -> Methods:
    """How an estimator is converted whose every method is that of the one within; messages name only that one."""

    def transform(ctx: Context, model: Any, table: Table) -> Table:
        return ctx.transform(within(model), table)

    def answer(method: Method) -> Answer:
        return lambda ctx, model, table: ctx.answer(within(model), method, table)

    write: Transform = transform
    return Methods(
        transform=write,
        predict=answer("predict"),
        predict_proba=answer("predict_proba"),
        decision_function=answer("decision_function"),
        score_samples=answer("score_samples"),
        inner=lambda model: [within(model)],
    )


def _over(threshold: Callable[[Any, str], float], positive: Callable[[Any], Any]) -> Answer:
    """What writes `predict` of two classes by a threshold on a score (sklearn.metrics._scorer)."""

    def write(ctx: Context, model: Any, table: Table) -> Expr:
        within, label = _fitted_or_given(model), positive(model)
        classes = np.asarray(within.classes_)
        second = 1 if label is None else int(np.flatnonzero(classes == label)[0])
        wanted: tuple[Method, ...] = ("predict_proba", "decision_function")
        if model.response_method != "auto":
            wanted = (model.response_method,)
        method = next(name for name in wanted if hasattr(within, name))
        score = ctx.answer(within, method, table)
        if method == "predict_proba":
            score = score.columns([second])
        elif second == 0:
            score = -score
        over = (score >= threshold(model, method)).cast("int64")
        return over if second == 1 else 1 - over

    return write


def _fixed_threshold(model: Any, method: str) -> float:
    if model.threshold == "auto":
        return 0.5 if method == "predict_proba" else 0.0
    return float(model.threshold)


def _best_threshold(model: Any, method: str) -> float:
    return float(model.best_threshold_)


def _thresholds() -> Family:
    """Both of scikit-learn 1.5."""
    found: dict[type, Methods] = {}
    ways: dict[str, tuple[Callable[[Any, str], float], Callable[[Any], Any]]] = {
        "FixedThresholdClassifier": (_fixed_threshold, lambda model: model.pos_label),
        "TunedThresholdClassifierCV": (
            _best_threshold,
            lambda model: model._curve_scorer._get_pos_label(),
        ),
    }
    plain = _delegate(_fitted_or_given)
    for name, (threshold, positive) in ways.items():
        kind = getattr(model_selection, name, None)
        if kind is not None:
            found[kind] = Methods(
                predict=_over(threshold, positive),
                predict_proba=plain.predict_proba,
                decision_function=plain.decision_function,
                inner=plain.inner,
            )
    return found


def _frozen_family() -> Family:
    """Of scikit-learn 1.6."""
    try:
        from sklearn.frozen import FrozenEstimator
    except ImportError:
        return {}
    return {FrozenEstimator: _delegate(_frozen)}


_SEARCHES = (
    model_selection.GridSearchCV,
    model_selection.RandomizedSearchCV,
    model_selection.HalvingGridSearchCV,
    model_selection.HalvingRandomSearchCV,
)

CONVERTERS: Family = {
    **dict.fromkeys(_SEARCHES, _delegate(_best)),
    **_thresholds(),
    **_frozen_family(),
    SelfTrainingClassifier: _delegate(_fitted),
}
