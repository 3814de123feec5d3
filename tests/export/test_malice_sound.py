"""Names that sound models need and that would run anything else: each is let in only in its one sound way."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.utils.validation import check_array

from mlship.cli.main import run
from mlship.errors import ModelRefused
from tests.export.files import Call, load_model

TOUCH = "open('marker', 'w').close()"


class _Partial:
    """Is pickled as a partial of check_array whose state then puts another function in its place."""

    def __reduce__(self) -> Any:
        return functools.partial, (check_array,), (np.mean, ("x",), {}, None)


def _distribution() -> Any:
    """Return a distribution whose text, which scipy runs when it is read, makes a file."""
    frozen = scipy.stats.uniform(0, 1)
    frozen.dist._parse_arg_template = f"{TOUCH}\n{frozen.dist._parse_arg_template}"
    return frozen


def _misshaped() -> Any:
    """Return a distribution whose text is scipy's own, made of shapes that are no names."""
    frozen = scipy.stats.uniform(0, 1)
    shapes = f"a={TOUCH}"
    texts = {"shape_arg_str": f"{shapes}, ", "locscale_in": "loc=0, scale=1", "locscale_out": "loc, scale"}
    frozen.dist.shapes = shapes
    frozen.dist._parse_arg_template = scipy.stats._distn_infrastructure.parse_arg_template % texts
    return frozen


SHAPES: dict[str, tuple[Callable[[], Any], str]] = {
    "text of a distribution": (_distribution, "change 'scipy.stats._continuous_distns.uniform_gen'"),
    "shapes of a distribution": (_misshaped, "change 'scipy.stats._continuous_distns.uniform_gen'"),
    "partial of another": (lambda: Call(functools.partial, pd.DataFrame), "call 'functools.partial'"),
    "partial changed": (_Partial, "change 'functools.partial'"),
    "index of another class": (
        lambda: Call(pd.core.indexes.base._new_Index, LogisticRegression, {}),
        "call 'pandas.core.indexes.base._new_Index'",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_let_in_in_one_way_has_no_other(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that uses such a name otherwise ends with exit 4, says the name, and has run nothing."""
    monkeypatch.chdir(tmp_path)
    make, said = SHAPES[shape]
    Path("model.pkl").write_bytes(pickle.dumps(make()))

    assert run(["export", "model.pkl"]) == 4
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


def test_the_text_of_a_distribution_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened by Python's own unpickler, such a distribution does what its text says."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(_distribution()))

    assert [path.name for path in tmp_path.iterdir()] == ["marker"]


def test_a_search_over_distributions_loads(tmp_path: Path) -> None:
    """A sound search that draws from scipy's distributions is read as it is."""
    choices = {"C": scipy.stats.loguniform(1e-3, 1), "tol": scipy.stats.uniform(1e-4, 1e-3)}
    rows, kinds = [[float(number)] for number in range(20)], [0, 1] * 10
    search = RandomizedSearchCV(LogisticRegression(), choices, n_iter=2, cv=2, random_state=1).fit(rows, kinds)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(search))

    assert load_model(tmp_path / "model.pkl").estimator.best_params_ == search.best_params_


def test_a_discrete_distribution_is_refused(tmp_path: Path) -> None:
    """A distribution of whole numbers is pickled through getattr, which is not let in."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps([scipy.stats.randint(1, 9)], protocol=4))

    with pytest.raises(ModelRefused, match=r"builtins\.getattr"):
        load_model(tmp_path / "model.pkl")
