"""What a model holds is looked through before it is asked: harm is refused by its path, and sound models pass."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pyarrow
import pytest
import xgboost
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_array

from mlship.errors import ModelRefused
from mlship.export.vetting import vet
from tests.export import harm
from tests.export.harm import X, Y, one_line
from tests.export.judging import export


def _grown(**nodes: int) -> HistGradientBoostingRegressor:
    """Histogram gradient boosting with a node that says what is given."""
    model = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=2).fit(X, Y)
    for name, value in nodes.items():
        model._predictors[1][0].nodes[name][0] = value
    return model


def _narrow() -> HistGradientBoostingRegressor:
    """Histogram gradient boosting that asks for a set of categories without any bits."""
    model = _grown(is_categorical=1, bitset_idx=0)
    model._predictors[1][0].raw_left_cat_bitsets = np.zeros((1, 0), dtype=np.uint32)
    return model


def _with_memory(folder: Path) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y).set_params(memory=str(folder))


def _made_when_missing() -> LogisticRegression:
    model = LogisticRegression().fit(X, Y)
    model.odd = defaultdict(lightgbm.Booster)
    return model


def _of_an_array() -> Pipeline:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    model.steps[1] = ("lr", np.zeros(3))
    return model


HARMFUL: dict[str, tuple[Any, str]] = {
    "a file is written": (lambda folder: harm.writes(folder / "mark"), "pipeline.write.estimators_ holds an object"),
    "a pipeline fits": (lambda folder: harm.caches(folder / "mark"), "stack.stack_method_ names 'fit_transform'"),
    "files are opened": (lambda _: harm.opens_files(), "pipeline.countvectorizer.input is 'filename'"),
    "a class is called": (
        lambda folder: harm.calls(lightgbm.Booster, model_file=str(folder / "mark")),
        "pipeline.functiontransformer.func is the class lightgbm.basic.Booster",
    ),
    "a forged pointer": (
        lambda _: harm.calls(np.ndarray, dtype=np.dtype("O"), buffer=b"A" * 8),
        "pipeline.functiontransformer.func is the class numpy.ndarray, which would be called",
    ),
    "a forged array": (
        lambda _: harm.calls(pyarrow.array([1]).__reduce__()[0]),
        "pipeline.functiontransformer.func is pyarrow.lib._restore_array, which makes objects",
    ),
    "arguments that are none": (
        lambda _: harm.calls(np.array, dtype=np.dtype("O")),
        "pipeline.functiontransformer.kw_args holds an object of type ObjectDType",
    ),
    "no function of numbers": (
        lambda _: harm.calls(check_array),
        "pipeline.functiontransformer.func is sklearn.utils.validation.check_array, which is no function of numbers",
    ),
    "a class for a distance": (
        lambda _: KNeighborsClassifier(2).fit(X, Y).set_params(weights=np.ndarray),
        "kneighborsclassifier.weights is the class numpy.ndarray, which would be called",
    ),
    "an array for a step": (lambda _: _of_an_array(), "pipeline.steps holds an object of type ndarray"),
    "a circle": (lambda _: harm.circle(), "decisiontreeclassifier.tree_ is a tree whose nodes lead out of it"),
    "beyond": (lambda _: harm.beyond(), "decisiontreeclassifier.tree_ is a tree whose nodes lead out of it"),
    "before": (lambda _: harm.tree(left_child=-7), "decisiontreeclassifier.tree_ is a tree whose nodes lead out of it"),
    "no such column": (lambda _: harm.tree(feature=2**40), "decisiontreeclassifier.tree_ is a tree that reads columns"),
    "grown in a circle": (lambda _: _grown(left=0), "histgradientboostingregressor._predictors[1][0] is a tree whose"),
    "grown beyond": (lambda _: _grown(right=2**30), "histgradientboostingregressor._predictors[1][0] is a tree whose"),
    "grown columns": (lambda _: _grown(feature_idx=9), "histgradientboostingregressor._predictors[1][0] is a tree"),
    "grown categories": (lambda _: _grown(is_categorical=1, bitset_idx=5), "is a tree that reads sets of categories"),
    "grown sets": (lambda _: _narrow(), "is a tree that reads sets of categories which it does not have"),
    "sparse": (lambda _: harm.sparse(), "logisticregression.coef_ is a sparse array whose indices lead out of it"),
}  # fmt: skip


@pytest.mark.parametrize("case", HARMFUL)
def test_harm_is_refused_by_its_path(tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A model made to do harm is refused with exit 4 in one line that names the place, and leaves no mark."""
    make, said = HARMFUL[case]

    assert export(tmp_path, make(tmp_path)) == 4
    printed = capfd.readouterr()
    assert printed.out == ""
    assert said in one_line(printed.err)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


def test_what_makes_missing_items_is_refused() -> None:
    """A dictionary that calls something for what it lacks is refused, also where the file's gate would let it in."""
    with pytest.raises(ModelRefused, match=r"logisticregression\.odd makes its missing items"):
        vet(_made_when_missing(), "'m'", ())


def test_a_cache_is_not_looked_into(tmp_path: Path) -> None:
    """A pipeline that was fitted with a cache is exported without it: nothing is read from there or written to it."""
    (tmp_path / "cache").mkdir()

    assert export(tmp_path, _with_memory(tmp_path / "cache")) == 0
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_the_user_trusts_may_be_held() -> None:
    """A class that the user names may be held where it would be called."""
    model = harm.calls(lightgbm.Booster)

    vet(model, "'m'", ("lightgbm.basic.Booster",))
    with pytest.raises(ModelRefused, match=r"^'m' is not asked for answers: pipeline.functiontransformer.func"):
        vet(model, "'m'", ("lightgbm.basic",))


class Own:
    """A class of the user's that is no estimator of scikit-learn's, with attributes that mean other things in those."""

    def __init__(self) -> None:
        self.steps, self.memory, self.input, self.estimators_ = 3, 1.5, "rows", {"a": 1}

    def fit(self) -> None:
        """Do nothing."""

    def transform(self, rows: Any) -> Any:
        """Leave the rows as they are."""
        return rows


def test_the_users_own_class_may_be_as_it_is() -> None:
    """A trusted class is a step though it has no parameters, and keeps what it likes; one that is not is none."""
    model = Pipeline([("own", Own()), ("m", LogisticRegression().fit(X, Y))])

    vet(model, "'m'", (f"{Own.__module__}.Own",))
    with pytest.raises(ModelRefused, match=r"pipeline.steps holds an object of type Own where an estimator belongs"):
        vet(model, "'m'")


def test_sound_models_pass_in_one_thread_and_in_silence() -> None:
    """Models as fitting makes them pass, and none starts threads or prints when it is asked."""
    forest = RandomForestClassifier(3, n_jobs=4, verbose=3).fit(X, Y)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore", dtype=np.float32), forest).fit(X, Y)
    vet(model, "'m'")

    assert (model[1].n_jobs, model[1].verbose) == (1, 0)
    assert model.verbose is False


@pytest.mark.parametrize("kind", [lightgbm.LGBMClassifier, xgboost.XGBClassifier])
def test_threads_without_number_are_not_started(tmp_path: Path, kind: Any) -> None:
    """A booster that asks for a million threads, which crashes its library, is exported with one."""
    model = kind(n_estimators=2, n_jobs=1, min_child_weight=0).fit(X, Y)
    model.n_jobs = 10**6

    assert export(tmp_path, model) == 0


def test_a_model_within_itself_is_looked_through_once() -> None:
    """A model that holds itself, which pickle allows, comes to an end."""
    model = LogisticRegression().fit(X, Y)
    model.odd = [model, {"again": model}]
    vet(pickle.loads(pickle.dumps(model)), "'m'")


def test_gradient_boosting_with_categories_passes() -> None:
    """It holds a function with arguments for its columns of numbers, and sets of categories."""
    rows = np.column_stack([np.arange(200) % 5, np.arange(200) % 7])
    vet(HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]).fit(rows, rows[:, 0] == 2), "'m'")
