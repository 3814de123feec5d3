"""Reading the model files that XGBoost, LightGBM and CatBoost write themselves, into their own estimators.

These are parsed by the libraries' C++ code, and nothing in them is unpickled or imported. What a file predicts is told
by its objective: a model of `binary:logistic` or `multi:softprob` is a classifier with the classes 0, 1 and so on,
CatBoost keeps the names of its classes, and all else answers numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from mlship import extras
from mlship.errors import MlshipError, ModelRefused
from mlship.export.loading import Loaded, Loading, Source

_HINT = "pip install 'mlship[boosters]'"
_XGBOOST_CLASSES = ("binary:logistic", "binary:hinge", "multi:softprob", "multi:softmax")
_LIGHTGBM_CLASSES = ("binary", "multiclass", "multiclassova")
_CATBOOST_CLASSES = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")


def is_native(source: Source) -> bool:
    """Tell whether a file is one of these, by its first bytes."""
    return _reader(source.data) is not None


def read_native(source: Source, loading: Loading) -> Loaded:  # noqa: ARG001  every kind of file is read so
    """Read such a file.

    Raises:
        ModelRefused: It is damaged.
        DependencyMissing: Its library is not installed.
    """
    found = _reader(source.data)
    assert found is not None
    library, read = found
    module = extras.load(library, needed_for=f"{source.name}, a file of {library},", hint=_HINT)
    try:
        estimator = read(module, source.data)
    except MlshipError:
        raise
    except Exception as error:  # the parsers raise errors of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelRefused(
            f"{source.name} cannot be read as a model of {library}: {reason}",
            hint="Copy or save the file again.",
            code="damaged",
        ) from error
    return Loaded(estimator, hashlib.sha256(source.data).hexdigest(), library)


def _reader(data: bytes) -> tuple[str, Callable[[Any, bytes], Any]] | None:
    head = data[:4096]
    if head.startswith(b"CBM1"):
        return "catboost", _catboost
    if head.startswith(b"tree\n") and b"\nversion=" in head:
        return "lightgbm", _lightgbm
    if head.lstrip().startswith(b"{") and b"learner" in head:  # JSON, or UBJSON, in which the first name follows too
        return "xgboost", _xgboost
    return None


def _xgboost(xgboost: Any, data: bytes) -> Any:
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(data))
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    said = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
    if said == "classifier" or (said is None and objective in _XGBOOST_CLASSES):
        model = xgboost.XGBClassifier(n_jobs=1)
    elif said == "ranker" or (said is None and objective.startswith("rank:")):
        model = xgboost.XGBRanker(n_jobs=1, objective=objective)
    else:
        model = xgboost.XGBRegressor(n_jobs=1)
    model.load_model(bytearray(data))
    return model


def _lightgbm(lightgbm: Any, data: bytes) -> Any:
    text = data.decode("utf-8")
    if not _is_whole(data):  # the parser ends the process where a tree is cut off
        raise ValueError("its trees are not of the lengths that its head says")
    booster = lightgbm.Booster(model_str=text)
    head = dict(line.split("=", 1) for line in text.partition("\nTree=")[0].splitlines() if "=" in line)
    objective = head.get("objective", "none").split()[0]
    is_classifier = objective in _LIGHTGBM_CLASSES
    kind = lightgbm.LGBMClassifier if is_classifier else lightgbm.LGBMRegressor
    model = kind(objective=objective, n_jobs=1)
    width = booster.num_feature()
    names = booster.feature_name()
    # what fit would set: LightGBM's estimators have no way of their own to be made of a file
    model._Booster, model.fitted_, model._objective = booster, True, objective
    model._n_features = model._n_features_in = width
    model._fitted_with_feature_names = names != [f"Column_{place}" for place in range(width)]
    model._best_iteration = 0
    if is_classifier:
        from sklearn.preprocessing import LabelEncoder

        model._n_classes = max(2, int(head["num_class"]))
        model._classes = np.arange(model._n_classes)
        model._le = LabelEncoder().fit(model._classes)
        model._class_map = {place: place for place in range(model._n_classes)}
    return model


def _is_whole(data: bytes) -> bool:
    """Tell whether the trees end where the lengths in the head of a LightGBM file say."""
    head, _, _ = data.partition(b"\nTree=")
    sizes = dict(line.split(b"=", 1) for line in head.splitlines() if b"=" in line).get(b"tree_sizes", b"")
    return data[len(head) + 1 + sum(map(int, sizes.split())) :].startswith(b"end of trees")


def _catboost(catboost: Any, data: bytes) -> Any:
    model = catboost.CatBoost()
    model.load_model(blob=data)
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    kind = catboost.CatBoostClassifier if loss in _CATBOOST_CLASSES else catboost.CatBoostRegressor
    model = kind(thread_count=1)
    model.load_model(blob=data)
    return model
