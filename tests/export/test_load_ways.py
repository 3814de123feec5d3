"""Ways to load a model: code of the user's own, other versions, .skops files, MLflow's folders, and 100 sound files."""

from __future__ import annotations

import importlib
import io
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mlship.cli.main import run
from tests.export.files import load_model
from tests.export.judging import opened
from tests.export.recipes import fitted as fitted_by
from tests.export.recipes import recipe_of, scored_estimators
from tests.export.tables import NUMBERS, kinds_of, table

ROWS = table(80, 1)
KINDS = kinds_of(ROWS)
SLOW = {"DictionaryLearning", "GaussianProcessClassifier", "MiniBatchDictionaryLearning"}
OWN = '''"""Code of a user's own."""

import numpy


def doubled(values):
    return numpy.asarray(values) * 2
'''


def pipeline() -> Any:
    """Fit a small pipeline."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS[NUMBERS], KINDS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_code_of_the_users_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function of the user's is refused by its name, found with --trust and --python-path, and then not converted."""
    (folder / "own").mkdir()
    (folder / "own" / "ownmodule.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(folder / "own"))
    own = importlib.import_module("ownmodule")
    model = make_pipeline(FunctionTransformer(own.doubled), LogisticRegression()).fit(ROWS[NUMBERS], KINDS)
    Path("model.pkl").write_bytes(pickle.dumps(model))

    assert run(["export", "model.pkl"]) == 4
    assert "'ownmodule.doubled'" in capsys.readouterr().err
    assert run(["export", "model.pkl", "--trust", "ownmodule"]) == 4
    assert run(["export", "model.pkl", "--trust", "ownmodule.double"]) == 4
    capsys.readouterr()
    assert run(["export", "model.pkl", "--trust", "ownmodule.doubled", "--python-path", "own"]) == 5
    assert "pipeline.functiontransformer" in capsys.readouterr().err


def test_a_folder_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A --python-path that is no folder is exit 2."""
    Path("model.pkl").write_bytes(pickle.dumps(pipeline()))

    assert run(["export", "model.pkl", "--python-path", "nowhere"]) == 2
    assert "There is no folder 'nowhere'" in capsys.readouterr().err


def test_another_version_that_is_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of another version is refused before it is loaded; allowed, the artifact tells both versions."""
    model = pipeline()
    with monkeypatch.context() as patch:
        older = {**vars(model[0]), "_sklearn_version": "1.7.2"}
        patch.setattr(StandardScaler, "__getstate__", lambda _: older, raising=False)
        Path("model.pkl").write_bytes(pickle.dumps(model))

    assert run(["export", "model.pkl", "-q"]) == 4
    assert not Path("model.onnx").exists()
    assert run(["export", "model.pkl", "-q", "--allow-version-mismatch"]) == 0
    told = opened(folder).card.provenance["version_mismatch"]
    assert told == {"then": "1.7.2", "now": sklearn.__version__}


def test_skops(capsys: pytest.CaptureFixture[str]) -> None:
    """A .skops file is exported, a damaged one is exit 4, and so is one with a type that is not trusted."""
    from skops import io as skops_io  # which is not there beside the lowest versions

    skops_io.dump(pipeline(), "model.skops")
    assert run(["export", "model.skops", "-q"]) == 0

    Path("cut.skops").write_bytes(Path("model.skops").read_bytes()[:-40])
    assert run(["export", "cut.skops"]) == 4
    capsys.readouterr()
    skops_io.dump(make_pipeline(FunctionTransformer(print), LogisticRegression()), "own.skops")
    assert run(["export", "own.skops"]) == 4
    assert "print" in capsys.readouterr().err


MLMODEL = """artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
  sklearn:
    code: null
    pickled_model: {file}
    serialization_format: cloudpickle
    sklearn_version: {version}
model_uuid: 0
"""


@pytest.mark.parametrize(
    ("file", "version", "code"),
    [("model.pkl", sklearn.__version__, 0), ("../model.pkl", sklearn.__version__, 4), ("model.pkl", "1.6.1", 4)],
    ids=["sound", "outside", "of another version"],
)
def test_a_folder_of_mlflow(folder: Path, file: str, version: str, code: int) -> None:
    """A folder of MLflow's is a model file; one that leads outside, or is of another version, is refused."""
    (folder / "saved").mkdir()
    for place in (folder / "saved" / "model.pkl", folder / "model.pkl"):
        place.write_bytes(pickle.dumps(pipeline()))
    (folder / "saved" / "MLmodel").write_text(MLMODEL.format(file=file, version=version))

    assert run(["export", "saved", "-o", "model.onnx", "-q"]) == code
    assert Path("model.onnx").exists() == (code == 0)


def test_another_flavour(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of another flavour is exit 4 and says which."""
    (folder / "saved").mkdir()
    (folder / "saved" / "MLmodel").write_text("flavors:\n  pytorch:\n    data: x\n")

    assert run(["export", "saved"]) == 4
    assert "pytorch" in capsys.readouterr().err


def test_a_hundred_sound_files_load(tmp_path: Path, whole: bool) -> None:
    """Fitted estimators of every family load without --trust, by pickle or joblib, packed or not."""
    names = [name for name in scored_estimators() if name not in SLOW][:: 1 if whole else 4]
    loaded = 0
    for index, name in enumerate(names):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            model = fitted_by(recipe_of(name))
        path = tmp_path / f"{name}.joblib"
        if index % 3 == 0:
            path.write_bytes(pickle.dumps(model))
        else:
            stream = io.BytesIO()
            joblib.dump(model, stream, compress=3 if index % 3 == 1 else 0)
            path.write_bytes(stream.getvalue())
        assert type(load_model(path).estimator) is type(model), name
        loaded += 1
    assert loaded >= (100 if whole else 25)


def test_json_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the refusal of a file has its code and one thing to type."""
    Path("model.pkl").write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")

    assert run(["export", "model.pkl", "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "system" in error["message"], bool(error["hint"])) == ("untrusted", True, True)
    assert not Path("marker").exists()
