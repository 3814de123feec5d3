"""Model files that are none, and models that cannot be exported: the exit code, one line, and no file."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlship.cli.main import run
from mlship.export.graph.expr import Expr
from mlship.export.registry import own_family
from mlship.model.artifact import read_artifact
from tests.export.judging import export, save
from tests.export.tables import NUMBERS, kinds_of, table

ROWS = table(150, 1)
KINDS = kinds_of(ROWS)


def tree() -> DecisionTreeClassifier:
    """Fit a small tree."""
    return DecisionTreeClassifier(max_depth=4, random_state=0).fit(ROWS[NUMBERS], KINDS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(model: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Export what must be refused; return the exit code and the error's one line."""
    code = run(["export", model, "-o", "out.onnx"])
    error, *hints = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert all(hint.startswith("hint: ") for hint in hints)
    assert len(hints) <= 1
    assert not Path("out.onnx").exists()
    return code, error.removeprefix("error: ")


def _numpy_file() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


LOOKS: dict[str, Callable[[], bytes]] = {
    "a numpy array": _numpy_file,
    "a program": lambda: b"\x7fELF\x02\x01\x01" + bytes(99),
    "a PDF document": lambda: b"%PDF-1.7\n",
    "an HDF5 file": lambda: b"\x89HDF\r\n\x1a\n",
    "an lz4 archive": lambda: b"\x04\x22\x4d\x18" + bytes(9),
    "a zstd archive": lambda: b"\x28\xb5\x2f\xfd" + bytes(9),
    "a JSON document": lambda: b'{"model": {"attributes": {}}}',
    "a text file": lambda: b"BZh is how some text begins, as x^2 does\n",
}


@pytest.mark.parametrize("look", LOOKS)
def test_what_it_looks_like(folder: Path, look: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no pickle is said to be what it looks like."""
    (folder / "model.pkl").write_bytes(LOOKS[look]())

    code, error = refused("model.pkl", capsys)
    assert (code, f"'model.pkl' is not a model file: it looks like {look}" in error) == (4, True)


def test_an_artifact_is_no_model_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ONNX file given for a pickle ends with exit 4, is called by its name, and the hint says what it is for."""
    assert export(folder, tree()) == 0

    capsys.readouterr()
    assert run(["export", "model.onnx", "-o", "out.onnx"]) == 4
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: 'model.onnx' is not a model file: it looks like an ONNX model")
    assert hint == "hint: Score with it: mlship batch FILE -m model.onnx"


@pytest.mark.parametrize(("name", "code"), [("none.pkl", 2), (".", 2), ("pipe", 4), ("/dev/zero", 4), ("/dev/null", 4)])
def test_what_is_no_regular_file(folder: Path, name: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file and a folder are exit 2; a pipe and devices, from which reading may never end, exit 4."""
    os.mkfifo(folder / "pipe")

    assert refused(name, capsys)[0] == code


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
def test_cut_anywhere(folder: Path, dump: Any, capsys: pytest.CaptureFixture[str], whole: bool) -> None:
    """A file that was cut short, wherever, is never a bug of ours: exit 4."""
    stream = io.BytesIO()
    dump(tree(), stream)
    sound = stream.getvalue()
    for size in range(1, len(sound), len(sound) // (40 if whole else 12)):
        (folder / "model.pkl").write_bytes(sound[:size])
        assert refused("model.pkl", capsys)[0] == 4


def test_more_than_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second object behind the model would be passed over in silence: exit 4."""
    (folder / "model.pkl").write_bytes(pickle.dumps(tree()) + pickle.dumps([1]))

    code, error = refused("model.pkl", capsys)
    assert (code, error.startswith("'model.pkl' holds more than one object")) == (4, True)


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (DecisionTreeClassifier, "holds an object of type ABCMeta, not a fitted estimator."),
        (np.zeros(3), "holds an object of type ndarray, not a fitted estimator."),
        ({"model": tree()}, "holds an object of type dict, not a fitted estimator."),
        (make_pipeline(StandardScaler(), DecisionTreeClassifier()), "holds a Pipeline that has not been fitted."),
    ],
    ids=["class", "array", "dict", "unfitted pipeline"],
)
def test_what_is_no_fitted_estimator(folder: Path, thing: Any, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A class, an array, a model in a dict and an unfitted pipeline are told apart from a model: exit 4."""
    save(folder, thing)

    assert refused("model.pkl", capsys) == (4, f"'model.pkl' {text}")


@pytest.mark.parametrize(
    ("name", "library"),
    [("m.json", "XGBoost"), ("m.ubj", "XGBoost"), ("m.cbm", "CatBoost"), ("m.txt", "LightGBM"), ("m.pkl", "pickle")],
)
def test_what_a_suffix_should_hold(folder: Path, name: str, library: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is none of what its suffix says is told what it should hold: exit 4."""
    (folder / name).write_text("nothing of the kind", encoding="utf-8")

    code, error = refused(name, capsys)
    assert code == 4
    assert library in error.partition("expected a")[2]


def test_a_booster_in_a_pickle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A booster alone says nothing of its classes: the hint is what its library writes, or its estimator."""
    xgboost = pytest.importorskip("xgboost")
    save(folder, xgboost.XGBRegressor(n_estimators=2).fit(ROWS[NUMBERS], KINDS).get_booster())

    assert run(["export", "model.pkl"]) == 4
    told = capsys.readouterr().err
    assert "holds an object of type Booster, not a fitted estimator." in told
    assert "save_model" in told


def test_a_step_of_another_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model of which one step was saved by another minor version is refused, with both and what to type."""
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(ROWS[NUMBERS], KINDS)
    with monkeypatch.context() as patch:
        older = {**vars(model[0]), "_sklearn_version": "1.7.2"}
        patch.setattr(StandardScaler, "__getstate__", lambda _: older, raising=False)
        save(folder, model)

    assert run(["export", "model.pkl"]) == 4
    error, hint = capsys.readouterr().err.splitlines()
    assert error == (
        f"error: 'model.pkl' was saved by scikit-learn 1.7.2, and {sklearn.__version__} is installed; "
        "its answers could differ."
    )
    assert hint == "hint: uvx --with 'scikit-learn==1.7.2' mlship export model.pkl"


UNSUPPORTED: dict[str, tuple[Any, str]] = {
    "alone": (Binarizer(), "Binarizer is not supported."),
    "step": (
        make_pipeline(Binarizer(threshold=0.1), DecisionTreeClassifier()),
        "pipeline.binarizer: Binarizer is not supported.",
    ),
    "inner step": (
        make_pipeline(make_pipeline(StandardScaler(), Binarizer()), DecisionTreeClassifier()),
        "pipeline.pipeline[1]: Binarizer is not supported.",
    ),
    "part": (
        make_pipeline(
            make_column_transformer((make_pipeline(StandardScaler(), Binarizer()), [0, 1])), DecisionTreeClassifier()
        ),
        "pipeline.columntransformer.pipeline[1]: Binarizer is not supported.",
    ),
}


@pytest.mark.parametrize("model", [model for model, _ in UNSUPPORTED.values()], ids=UNSUPPORTED)
def test_what_is_not_supported(
    folder: Path, model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What there is no converter for is refused by its path and name, with exit 5 and no file."""
    monkeypatch.delitem(own_family(), Binarizer, raising=False)
    message = next(text for known, text in UNSUPPORTED.values() if known is model)
    save(folder, model.fit(ROWS[NUMBERS], KINDS))

    assert refused("model.pkl", capsys) == (5, message)


def own_function(values: Any) -> Any:
    """Stand for code of the user's."""
    return np.log1p(values)


def test_functions_of_the_user_are_not_loaded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A function of the user's in a step is an import that no model of ours has."""
    save(folder, make_pipeline(FunctionTransformer(own_function), DecisionTreeClassifier()).fit(ROWS[["b"]], KINDS))

    code, error = refused("model.pkl", capsys)
    assert code == 4
    assert "test_files.own_function" in error


def test_a_search_without_a_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A grid search that kept no best model has none to export."""
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}, refit=False, cv=2)
    save(folder, search.fit(ROWS[NUMBERS], KINDS))

    assert refused("model.pkl", capsys)[0] in (4, 5)


def change(monkeypatch: pytest.MonkeyPatch, method: str, by: Callable[[Expr], Expr]) -> None:
    """Change what the converter of decision trees writes for a method."""
    methods = own_family()[DecisionTreeClassifier]
    write = getattr(methods, method)
    written: Any = {method: lambda ctx, model, table: by(write(ctx, model, table))}
    changed = replace(methods, **written)
    monkeypatch.setitem(own_family(), DecisionTreeClassifier, changed)


def test_swapped_labels_are_caught(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a converter gives each class the other's label, the proof fails: exit 5 and no file."""
    change(monkeypatch, "predict", lambda places: (places.like(1) - places).abs())
    save(folder, tree())

    code, error = refused("model.pkl", capsys)
    assert code == 5
    assert "rows of the kind 'typical' get another label. Nothing was written." in error


@pytest.mark.parametrize(
    ("tolerance", "code", "rung"), [("1e-6", 0, "tolerance"), ("1e-12", 5, None)], ids=["within", "beyond"]
)
def test_a_billionth_is_not_exact(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tolerance: str, code: int, rung: str | None
) -> None:
    """Answers that are off by one in a billion are within the default tolerance, and the proof does not say exact."""
    change(monkeypatch, "predict_proba", lambda shares: shares * (1 + 1e-9))

    assert export(folder, tree(), "--tolerance", tolerance) == code
    assert (folder / "model.onnx").exists() == (code == 0)
    if code == 0:
        card = read_artifact(folder / "model.onnx").card
        assert card is not None
        assert card.parity is not None
        assert card.parity.rung == rung


def test_a_converter_that_makes_no_sound_graph(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A graph that does not run is our fault and not the file's: exit 5, in one line."""
    change(monkeypatch, "predict", lambda places: Expr(places.graph, "nowhere", "int64"))
    save(folder, tree())

    code, error = refused("model.pkl", capsys)
    assert code == 5
    assert "does not run" in error


def test_a_converter_that_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A converter that raises whatever it likes is exit 5, in one line with its step."""

    def fails(value: Expr) -> Expr:
        raise KeyError(value.name)

    change(monkeypatch, "predict", fails)
    save(folder, make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(ROWS[NUMBERS], KINDS))

    code, error = refused("model.pkl", capsys)
    assert code == 5
    assert error.startswith("pipeline.decisiontreeclassifier: converting it failed: KeyError")
