"""What a model file may import and call: classes of known packages, and a few functions that are named here."""

from __future__ import annotations

import importlib
import io
import pickle
from importlib.resources import files
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlship.export.allowed import allowed_names, is_allowed, is_callable
from mlship.export.converters.functions import FUNCTIONS
from mlship.export.unpickler import ModelUnpickler
from tests.export.tables import kinds_of, table

PACKAGES = {
    "builtins", "catboost", "category_encoders", "collections", "datetime", "functools", "imblearn", "joblib",
    "lightgbm", "numpy", "pandas", "scipy", "sklearn", "xgboost",
}  # fmt: skip
PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
OLD_NAMES = {"long": "int", "unicode": "str", "xrange": "range"}
HELD_FUNCTIONS = {
    *(f"numpy {name}" for name in ("add", "arccos", "arcsin", "arctan", "array", "asarray", "clip", "copy", "invert")),
    *(f"numpy {name}" for name in ("max", "maximum", "mean", "median", "min", "minimum", "multiply", "power", "ravel")),
    *(f"numpy {name}" for name in ("reshape", "std", "sum")),
    "pandas NA",
    "scipy._lib.array_api_compat.numpy._aliases asarray",
    "scipy.special._logsumexp logsumexp",
    "scipy.special._logsumexp softmax",
    "scipy.special._special_ufuncs xlogy",
    "scipy.special._ufuncs boxcox1p",
    "scipy.special._ufuncs inv_boxcox",
    "sklearn.cluster._kmeans _kmeans_single_lloyd",
    "sklearn.utils.validation check_array",
}
SCORES = (
    "sklearn.feature_selection.",
    "sklearn.metrics._classification",
    "sklearn.metrics._ranking",
    "sklearn.metrics._regression",
    "sklearn.metrics._scorer",
    "sklearn.metrics.cluster._supervised",
)
"""Modules whose functions only score: searches and selectors hold them, and nothing calls them at prediction."""
CALLED_FUNCTIONS = {
    "_codecs encode",
    "copy_reg _reconstructor",
    "copyreg _reconstructor",
    "numpy._core.multiarray _reconstruct",
    "numpy._core.multiarray scalar",
    "numpy._core.numeric _frombuffer",
    "numpy.core.multiarray _reconstruct",
    "numpy.core.multiarray scalar",
    "numpy.core.numeric _frombuffer",
    "numpy.ma.core _mareconstruct",
    "numpy.random._pickle __bit_generator_ctor",
    "numpy.random._pickle __generator_ctor",
    "numpy.random._pickle __randomstate_ctor",
    "numpy.random.bit_generator __pyx_unpickle_SeedSequence",
    "pandas._libs.arrays __pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals _unpickle_block",
    "pandas.core.indexes.base _new_Index",
    "pyarrow.lib _restore_array",
    "pyarrow.lib py_buffer",
    "pyarrow.lib type_for_alias",
    "sklearn._loss._loss __pyx_unpickle_CyHalfMultinomialLoss",
    "sklearn.metrics._dist_metrics newObj",
    "sklearn.neighbors._ball_tree newObj",
    "sklearn.neighbors._kd_tree newObj",
}
_LOSSES = (
    "AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfPoissonLoss", "HalfSquaredError",
    "HalfTweedieLossIdentity", "HuberLoss", "PinballLoss",
)  # fmt: skip
ELSEWHERE = {
    "sklearn.compose._column_transformer _RemainderColsList",
    *(f"sklearn._loss._loss __pyx_unpickle_Cy{loss}" for loss in _LOSSES),
    *(f"sklearn.linear_model._sgd_fast {loss}" for loss in ("Huber", "Log", "SquaredLoss")),
}
"""Of other versions of scikit-learn than the one that the samples need: losses, which are compiled, and a list."""
CALLED_CLASSES = {
    "builtins": {"bytearray", "bytes", "complex", "frozenset", "range", "set", "slice"},
    "collections": {"OrderedDict", "defaultdict"},
    "datetime": {"date", "datetime", "timedelta"},
    "functools": {"partial"},  # of check_array alone, see mlship.export.sound
    "numpy": {"dtype"},
    "pandas": {"CategoricalDtype", "StringDtype"},
    "pandas.core.internals.managers": {"BlockManager"},
    "sklearn.tree._tree": {"Tree"},
}
"""Classes that may be called, besides the losses, which are compiled."""
NAMES = sorted(allowed_names())


def resolved(module: str, name: str) -> Any:
    """Import a name of the list as Python does when it reads a file of any age."""
    place = importlib.import_module(PYTHON_2.get(module, module))
    return getattr(place, OLD_NAMES.get(name, name) if module in PYTHON_2 else name)


def test_the_file_is_sorted_and_has_nothing_twice() -> None:
    """A line of the list is easily found, and a name is in it once."""
    text = files("mlship.export").joinpath("allowed.txt").read_text(encoding="utf-8")
    lines = [line.removesuffix(" call") for line in text.splitlines() if not line.startswith("#")]

    assert lines == sorted(set(lines))
    assert len(lines) == len(NAMES) > 400
    assert all(len(line.split(" ")) == 2 and "." not in line.split(" ")[1] for line in lines)


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
@pytest.mark.parametrize(("module", "name"), NAMES, ids=[".".join(pair) for pair in NAMES])
def test_every_name_is_a_class_of_a_known_package_or_a_function_listed_here(module: str, name: str) -> None:
    """A name resolves to a class that is defined in a known package; functions are few, and only some are called."""
    line = f"{module} {name}"
    if line in ELSEWHERE:
        return
    found = resolved(module, name)
    if not is_callable(module, name) and (module.startswith(SCORES) or any(found is known for known in FUNCTIONS)):
        return
    if not isinstance(found, type):
        assert line in (CALLED_FUNCTIONS if is_callable(module, name) else HELD_FUNCTIONS)
        return
    assert found.__module__.split(".")[0] in PACKAGES
    assert not issubclass(found, np.memmap)
    if is_callable(module, name) and module not in ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast"):
        assert found.__name__ in CALLED_CLASSES[PYTHON_2.get(module, module)]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sklearn.base", "BaseEstimator.fit"),
        ("joblib.numpy_pickle", "os.system"),
        ("os", "system"),
        ("builtins", "eval"),
    ],
)
def test_what_is_not_in_the_list_is_not_allowed(module: str, name: str) -> None:
    """A name with a dot, which walks attributes, and a name that is not in the list, may not be imported."""
    assert not is_allowed(module, name)
    assert not is_callable(module, name)


def models() -> dict[str, Any]:
    """Fit models whose files hold every kind of thing: trees, losses, sparse tables, selectors, random states."""
    rows = table(80, 1)
    numbers, kinds = rows[["a", "b", "c"]].to_numpy(), kinds_of(rows, 3)
    columns = ColumnTransformer(
        [("n", StandardScaler(), make_column_selector(dtype_include=float)), ("t", OneHotEncoder(), ["city", "flag"])],
        remainder="passthrough",
    )
    unfitted = {
        "forest": RandomForestClassifier(2, random_state=np.random.RandomState(1)),
        "boosting": GradientBoostingClassifier(n_estimators=2),
        "histograms": HistGradientBoostingClassifier(max_iter=2),
        "gradient descent": SGDClassifier(loss="modified_huber"),
        "neighbours": KNeighborsClassifier(algorithm="kd_tree"),
        "best columns": make_pipeline(SelectKBest(k=2), LogisticRegression(C=np.float64(3), max_iter=3000)),
    }
    return {
        **{name: model.fit(numbers, kinds) for name, model in unfitted.items()},
        "columns": make_pipeline(columns, LogisticRegression(max_iter=9000)).fit(rows.drop(columns=["word"]), kinds),
    }


MODELS = models()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_fitted_models_are_read(model: Any, dump: Any, protocol: int) -> None:
    """What fitted models are made of passes, saved by any protocol and either library, and answers as before."""
    stream = io.BytesIO()
    dump(model, stream, protocol=protocol)
    stream.seek(0)
    read = ModelUnpickler(stream).load()

    assert stream.read() == b""
    rows = table(50, 2).drop(columns=["word"])
    given = rows if hasattr(model, "feature_names_in_") else rows[["a", "b", "c"]].to_numpy()
    assert read.predict(given).tolist() == model.predict(given).tolist()
