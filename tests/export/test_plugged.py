"""Classes of the user's own are converted by what their package registers, and refused by name when it does not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlship.errors import NotConvertible
from mlship.export import registry
from mlship.export.graph.builder import Graph
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.table import Table
from tests.export.judging import assert_equal, export
from tests.export.tables import NUMBERS, kinds_of, table

PACKAGE = '''
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from mlship.export.graph.methods import Methods
from mlship.export.graph.table import Table


class Shift(TransformerMixin, BaseEstimator):
    """Takes the median off and cuts at a limit."""

    def __init__(self, limit=1.0):
        self.limit = limit

    def fit(self, X, y=None):
        X = np.asarray(X, dtype=float)
        self.medians_ = np.median(X, axis=0)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.minimum(np.asarray(X, dtype=float) - self.medians_, self.limit)


class Sign(ClassifierMixin, BaseEstimator):
    """The sign of the sum of a row."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        return self.classes_[(np.asarray(X).sum(axis=1) > 0).astype(int)]


class Loud(Shift):
    """Is registered without any method."""


def shift(ctx, model, table):
    for column, median in enumerate(model.medians_.tolist()):
        ctx.jumps(table, column, [median + model.limit])
    value = (table.numbers() - model.medians_).minimum(float(model.limit) + OFF)
    return Table.of(value, table.width)


def sign(ctx, model, table):
    return (table.numbers().sum() > 0.0).cast("int64")


OFF = 0.0
CONVERTERS = {Shift: Methods(transform=shift), Sign: Methods(predict=sign), Loud: Methods()}


def made():
    return CONVERTERS


def broken():
    raise RuntimeError("no such thing")


WRONG = {Shift: shift}
'''
TRAINED, FRESH = table(200, 1), table(1000, 2)
X, KINDS = TRAINED[NUMBERS], kinds_of(TRAINED, 2)


class Installed:
    """A package in a folder on the path.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plugged_package.py").write_text(PACKAGE)

    def register(self, value: str) -> Any:
        """Install the package with an entry point and import it."""
        told = self.folder / "plugged_package-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged-package\nVersion: 1.0\n")
        (told / "entry_points.txt").write_text(f"[{registry.GROUP}]\nmine = {value}\n")
        importlib.invalidate_caches()
        return importlib.import_module("plugged_package")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """A folder for a package of the user's, which is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    registry.methods_of(int)  # what is known without the package
    registry._plugged.cache_clear()
    yield Installed(folder)
    sys.modules.pop("plugged_package", None)
    registry._plugged.cache_clear()


def trusted(*names: str) -> list[str]:
    """The options that let a file hold the package's classes."""
    return [word for name in names for word in ("--trust", f"plugged_package.{name}")]


@pytest.mark.parametrize("value", ["plugged_package:CONVERTERS", "plugged_package:made"])
def test_a_registered_class_is_converted(installed: Installed, tmp_path: Path, value: str) -> None:
    """A transformer of the user's is exported by the converter that its package registers, inside of wrappers too."""
    package = installed.register(value)
    pipeline = make_pipeline(package.Shift(0.5), LogisticRegression())
    model = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 2.0]}, cv=2).fit(X, KINDS)

    assert export(tmp_path, model, *trusted("Shift")) == 0
    assert_equal(tmp_path, model, FRESH[NUMBERS])


def test_a_registered_classifier_answers_places_in_its_classes(installed: Installed, tmp_path: Path) -> None:
    """A classifier of the user's gives its labels, which the export looks up by place."""
    package = installed.register("plugged_package:CONVERTERS")
    model = make_pipeline(StandardScaler(), package.Sign()).fit(X.to_numpy(), np.where(KINDS == 1, "yes", "no"))

    assert export(tmp_path, model, *trusted("Sign")) == 0
    assert_equal(tmp_path, model, FRESH[NUMBERS].to_numpy())


def test_a_registered_converter_that_is_wrong_is_found_out(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a user registers is proven like anything else: a wrong one writes nothing."""
    package = installed.register("plugged_package:CONVERTERS")
    monkeypatch.setattr(package, "OFF", 0.25)
    model = make_pipeline(package.Shift(0.5), LinearRegression()).fit(X, KINDS)

    assert export(tmp_path, model, *trusted("Shift")) == 5
    assert not (tmp_path / "model.onnx").exists()
    assert "does not equal the model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("plugged_package:broken", "RuntimeError: no such thing"),
        ("plugged_package:absent", "AttributeError"),
        ("no_such_package:CONVERTERS", "ModuleNotFoundError"),
        ("plugged_package:WRONG", "is no class with its Methods"),
        ("plugged_package:OFF", "TypeError"),
    ],
)
def test_converters_that_cannot_be_loaded_are_named(
    installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str, reason: str
) -> None:
    """A package whose converters cannot be loaded is named with the reason, on one line."""
    installed.register(value)

    assert export(tmp_path, LinearRegression().fit(X, KINDS)) == 5
    said = capsys.readouterr().err
    assert f"The converters 'mine = {value}' cannot be loaded" in said
    assert reason in said
    assert "Mend or uninstall the package" in said


def test_a_method_that_is_not_registered_is_named_with_the_path_of_its_step(
    installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step that cannot be converted is named by its path from the outside in."""
    package = installed.register("plugged_package:CONVERTERS")
    numbers = make_pipeline(StandardScaler(), StandardScaler(), package.Loud())
    columns = ColumnTransformer([("num", numbers, NUMBERS)])
    model = make_pipeline(columns, LinearRegression()).fit(X, KINDS)

    assert export(tmp_path, model, *trusted("Loud")) == 5
    assert "pipeline.columntransformer.num[2]: transform of Loud is not supported." in capsys.readouterr().err


class Derived(StandardScaler):  # type: ignore[misc]
    """A class that could do anything else than the one that it derives from."""


def test_a_derived_class_is_not_taken_for_its_base() -> None:
    """A class that derives from a supported one is refused, and the supported one is named."""
    prep = ColumnTransformer([("num", make_pipeline(StandardScaler(), "passthrough", Derived()), [0, 1, 2])])
    model = make_pipeline(prep, LinearRegression()).fit(X.to_numpy(), KINDS)
    graph = Graph()
    given = Table.of(Expr(graph, graph.input("numbers", "float64", 3)), 3)

    with pytest.raises(NotConvertible) as caught:
        Context(graph).answer(model, "predict", given)
    assert caught.value.message == "pipeline.columntransformer.num[2]: Derived is not supported."
    assert caught.value.hint == (
        "StandardScaler, which it derives from, is supported; or register a converter, see the README."
    )
