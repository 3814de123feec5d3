"""Hostile .skops files: what skops would call, reach for or unpack is refused before anything of it is made."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
import skops.io
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import RandomizedSearchCV

from mlship.cli.main import run
from mlship.export import allowed
from tests.export.files import fitted, load_model
from tests.export.marking import MARKER
from tests.export.test_malice_sound import _distribution

Edit = Callable[[dict[str, Any]], None]
MARKING = "tests.export.marking"
LINEAR = "sklearn.linear_model._base.LinearRegression"


def saved(thing: Any, edit: Edit | None = None, more: dict[str, bytes] | None = None) -> bytes:
    """Return a file of skops' whose schema was edited, with members that take the place of its own, or come besides."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(thing))) as whole, zipfile.ZipFile(stream, "w", 8) as out:
        for member in whole.namelist():
            data = whole.read(member)
            if member == "schema.json" and edit is not None:
                schema = json.loads(data)
                edit(schema)
                data = json.dumps(schema).encode()
            if member not in (more or {}):
                out.writestr(member, data)
        for member, data in (more or {}).items():
            out.writestr(member, data)
    return stream.getvalue()


def node(loader: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return a node of a schema."""
    module, _, own = name.rpartition(".")
    return {"__module__": module, "__class__": own, "__loader__": loader, **fields}


def value(thing: Any) -> dict[str, Any]:
    """Return the node of a plain value."""
    return node("JsonNode", "builtins.str", content=json.dumps(thing), is_json=True)


def items(*nodes: dict[str, Any], kind: str = "tuple") -> dict[str, Any]:
    """Return the node of a tuple or a list."""
    return node(f"{kind.title()}Node", f"builtins.{kind}", content=list(nodes))


def attributes(**nodes: dict[str, Any]) -> dict[str, Any]:
    """Return the node of a dictionary."""
    keys = items(*(node("TypeNode", "builtins.str") for _ in nodes), kind="list")
    return node("DictNode", "builtins.dict", content=nodes, key_types=keys)


def adding(**nodes: dict[str, Any]) -> Edit:
    """Return an edit that gives the model further attributes."""

    def edit(schema: dict[str, Any]) -> None:
        state = schema["content"]
        state["content"].update(nodes)
        state["key_types"]["content"] += [node("TypeNode", "builtins.str") for _ in nodes]
        for part in (schema, state, state["key_types"]):
            part.pop("__id__", None)

    return edit


def with_state() -> Any:
    """Return a model that holds a distribution whose text scipy runs."""
    model = fitted()
    model.extra = _distribution()
    return model


def bomb() -> bytes:
    """Return a sparse matrix that unpacks to much more than it is."""
    stream = io.BytesIO()
    scipy.sparse.save_npz(stream, scipy.sparse.csr_matrix((40_000_000, 1), dtype=float))
    return stream.getvalue()


def long_array() -> bytes:
    """Return an array that says to be much longer than it is."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    return stream.getvalue()


def hostile() -> dict[str, tuple[Callable[[], bytes], str]]:
    """Return how hostile files are made, and what is told of each."""
    touch = node("FunctionNode", f"{MARKING}.touch")
    born, call = f"{MARKING}.Born", "ConstructorFromReduceNode"
    mean = node("FunctionNode", "numpy.mean")
    keys = {"key_types": items(node("TypeNode", f"{MARKING}.Touching"), kind="list"), "content": {"a": value(1)}}
    kept = {"func": touch, "args": items(), "kwds": attributes(), "namespace": value(None)}
    text = {"obj": node("ObjectNode", LINEAR, content=value(None)), "func": "predict"}
    bound = {"obj": node("ObjectNode", born), "func": "mro"}
    default = {"main": attributes(), "default_factory": node("TypeNode", born)}
    cached = {"x": items() | {"__id__": 7}, "y": node("CachedNode", LINEAR, __id__=7)}
    array = node("NdArrayNode", born, type="json", content=[], shape=items())
    twice = {"a": items(value(1)) | {"__id__": 7}, "b": items(value(2)) | {"__id__": 7}}
    tree = {"args": items(value(1), value(2))}
    bits = {"bit_generator": attributes(bit_generator=value("seed")), "seed_seq": attributes()}
    state = adding(x=node("ObjectNode", "functools.partial", content=items(mean, items(), attributes(), value(None))))
    made: dict[str, tuple[Any, str]] = {
        "reduce": (adding(x=node(call, "numpy.ndarray", content=items(items(value(1)), value("O")))), "call 'numpy."),
        "reduce of a held class": (adding(x=node(call, born, content=items())), f"call '{born}'"),
        "partial": (adding(x=node("PartialNode", "functools.partial", content=kept)), "call 'functools.partial'"),
        "partial by its state": (state, "change 'functools.partial'"),
        "dotted": (adding(x=node("FunctionNode", "os.path.os.system")), "import 'os.path.os.system'"),
        "attribute of a class": (adding(x=dict(touch, __class__="Born.mro")), f"import '{born}.mro'"),
        "method": (adding(x=node("MethodNode", LINEAR, content=text)), f"import '{LINEAR}.predict'"),
        "method of a held class": (adding(x=node("MethodNode", born, content=bound)), f"import '{born}.mro'"),
        "operator": (adding(x=node("OperatorFuncNode", "operator.methodcaller", attrs=items())), "import 'operator."),
        "method of its own": (adding(__setstate__=touch), f"change '{LINEAR}'"),
        "method in the place of another": (adding(predict=touch), f"change '{LINEAR}'"),
        "keys that are called": (adding(x=node("DictNode", "builtins.dict", **keys)), f"call '{MARKING}.Touching'"),
        "item of a bunch": (
            adding(x=dict(attributes(astype=touch), __module__="sklearn.utils._bunch", __class__="Bunch")),
            "change 'sklearn.utils._bunch.Bunch'",
        ),
        "list of a held class": (adding(x=node("ListNode", born, content=[])), f"change '{born}'"),
        "tuple of a held class": (adding(x=node("TupleNode", born, content=[])), f"call '{born}'"),
        "array of a held class": (adding(x=array), f"call '{born}'"),
        "default made by another": (
            adding(x=node("DefaultDictNode", "collections.defaultdict", content=default)),
            f"call '{born}'",
        ),
        "two things of one number": (adding(**twice), "change 'builtins.tuple'"),
        "loss of a held class": (
            adding(x=node("LossNode", born, __reduce__={"args": items()}, content=attributes())),
            f"call '{born}'",
        ),
        "tree without arrays": (
            adding(x=node("TreeNode", "sklearn.tree._tree.Tree", __reduce__=tree, content=attributes())),
            "call 'sklearn.tree._tree.Tree'",
        ),
        "random state of a held class": (
            adding(x=node("RandomStateNode", born, content=attributes())),
            f"call '{born}'",
        ),
        "bit generator of another name": (
            adding(x=node("RandomGeneratorNode", "numpy.random._generator.Generator", content=bits)),
            "import 'numpy.random.seed'",
        ),
        "what skops does not write": (adding(**cached), "use 'CachedNode"),
    }  # fmt: skip
    files: dict[str, tuple[Callable[[], bytes], str]] = {
        name: (partial(saved, fitted(), edit), f"would {said}") for name, (edit, said) in made.items()
    }
    files["state"] = (lambda: saved(with_state()), "would change 'scipy.stats._continuous_distns.uniform_gen'")
    matrix = node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="x")
    files["bomb"] = (lambda: saved(fitted(), adding(x=matrix), {"x": bomb()}), "a sparse matrix unpacks to more")
    huge = node("NdArrayNode", "numpy.ndarray", file="x", type="numpy")
    files["array longer than its bytes"] = (
        lambda: saved(fitted(), adding(x=huge), {"x": long_array()}),
        "an array is not as long as it says",
    )
    files["pickle as an array"] = (
        lambda: saved(fitted(), adding(x=huge), {"x": b"\x80\x04N."}),
        "cannot be read by skops: ValueError",
    )
    files["of an older protocol"] = (
        lambda: saved(fitted(), lambda schema: schema.update(protocol=0)),
        "its protocol is not one of 1 and 2",
    )
    files["larger than it seems"] = (
        lambda: saved(fitted(), None, {"x": bytes(2**26)}),
        "unpacks to more than",
    )
    return files


HOSTILE = hostile()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own; let model files hold, but not call, what leaves a mark."""
    names = {**allowed.allowed_names(), **{(MARKING, own): False for own in ("touch", "Touching", "Born")}}
    monkeypatch.setattr(allowed, "allowed_names", lambda: names)
    monkeypatch.setattr("mlship.export.loading.Bounds.unpacked_for", lambda _self, _size: 2**25)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_file_of_skops(folder: Path, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A .skops file that wants more than to hold data ends with exit 4, what it wanted is named, and nothing ran."""
    make, said = HOSTILE[shape]
    content = make()
    (folder / "model.skops").write_bytes(content)

    assert run(["export", "model.skops"]) == 4
    assert said in capsys.readouterr().err.splitlines()[0]
    assert [path.name for path in folder.iterdir()] == ["model.skops"]


@pytest.mark.parametrize("shape", ["state", "reduce of a held class", "keys that are called"])
def test_the_hostile_files_are_real(folder: Path, shape: str) -> None:
    """Read by skops, which is told to trust the names in it, each of these leaves its mark."""
    content = HOSTILE[shape][0]()
    skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))

    assert (folder / MARKER).exists()


def test_a_name_with_dots_is_never_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    """--trust lets in a class or a function, in a .skops file too, and not what can be reached from one."""
    Path("model.skops").write_bytes(HOSTILE["attribute of a class"][0]())

    assert run(["export", "model.skops", "--trust", f"{MARKING}.Born.mro"]) == 4
    assert f"would import '{MARKING}.Born.mro'" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["model.skops"]


def sound() -> dict[str, Any]:
    """Return fitted models that hold what hostile files misuse: functions, distributions, sparse coefficients."""
    rows = np.arange(40.0).reshape(20, 2) % 7
    kinds = np.arange(20) % 2
    choices = {"C": scipy.stats.loguniform(1e-3, 1)}
    return {
        "distribution": RandomizedSearchCV(LogisticRegression(), choices, n_iter=2, cv=2).fit(rows, kinds),
        "function": SelectKBest(f_regression, k=1).fit(rows, kinds),
        "sparse": LogisticRegression().fit(rows, kinds).sparsify(),
        "plain": LinearRegression().fit(rows, kinds),
    }


SOUND = sound()


@pytest.mark.parametrize("model", SOUND.values(), ids=SOUND)
def test_sound_files_are_read(folder: Path, model: Any) -> None:
    """What fitted models hold is let in: a function as a parameter, a distribution as scipy writes it, sparse data."""
    skops.io.dump(model, "model.skops")

    assert type(load_model(folder / "model.skops").estimator) is type(model)
