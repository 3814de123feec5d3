"""Reading model files: what is none is named for what it is, and a hostile one runs nothing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from mlship.cli.main import run
from mlship.errors import MlshipError
from tests.export.files import Call, fitted, load_model, packed

LOOKS = {
    "an empty file": b"",
    "a text file": b"remember the milk\n",
    "an HTML page": b"<!DOCTYPE html><html></html>",
    "a zip archive": b"PK\x03\x04 and more",
    "a Parquet table": b"PAR1 and more",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
    "a JSON document": b'{"a": 1}',
}


@pytest.mark.parametrize(("look", "content"), LOOKS.items(), ids=LOOKS)
def test_what_is_no_model_is_named(tmp_path: Path, look: str, content: bytes) -> None:
    """A file that is surely no model is refused with exit 4 and the name of what it looks like."""
    (tmp_path / "model.pkl").write_bytes(content)

    with pytest.raises(MlshipError, match=f"looks like {look}") as refused:
        load_model(tmp_path / "model.pkl")
    assert refused.value.exit_code == 4


COMPRESSIONS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress, zlib.compress]


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=["gzip", "bz2", "xz", "zlib"])
def test_compressed_models_are_read(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """A pickle that was compressed in a way of joblib's is read as it is."""
    (tmp_path / "model.pkl").write_bytes(compress(pickle.dumps(fitted())))

    assert load_model(tmp_path / "model.pkl").estimator.coef_.tolist() == fitted().coef_.tolist()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    """A model that was pickled by any protocol is read."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted(), protocol=protocol))

    assert load_model(tmp_path / "model.pkl").estimator.intercept_ == fitted().intercept_


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_cut_file_is_damaged(tmp_path: Path, cut: float) -> None:
    """A file that ends too early is refused with exit 4."""
    whole = pickle.dumps(fitted())
    (tmp_path / "model.pkl").write_bytes(whole[: int(len(whole) * cut)])

    with pytest.raises(MlshipError) as refused:
        load_model(tmp_path / "model.pkl")
    assert refused.value.exit_code == 4


def _stack_global(module: str, name: str, argument: str) -> bytes:
    """Return a pickle that imports a name, which may have dots, and calls it with a text."""
    parts = [
        pickle.PROTO + b"\x04",
        *(pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode() for text in (module, name)),
        pickle.STACK_GLOBAL,
        pickle.SHORT_BINUNICODE + bytes([len(argument)]) + argument.encode(),
        pickle.TUPLE1 + pickle.REDUCE + pickle.STOP,
    ]
    return b"".join(parts)


def _boxed(thing: Any) -> Any:
    box = np.empty(1, dtype=object)
    box[0] = thing
    return box


def attacks(marker: str) -> dict[str, tuple[bytes, str]]:
    """Return hostile files, each of which would make a file named `marker`, and what has to be named of it."""
    touch = f"open({marker!r}, 'w')"
    system = f"touch {marker}"
    hostile, named = Call(os.system, system), f"{os.system.__module__}.system"
    return {
        **{f"protocol {number}": (pickle.dumps(hostile, number), named) for number in range(6)},
        "eval": (pickle.dumps(Call(eval, touch)), "builtins.eval"),
        "exec": (pickle.dumps(Call(exec, touch)), "builtins.exec"),
        "open": (pickle.dumps(Call(open, marker, "w")), "open"),
        "getattr": (pickle.dumps(Call(getattr, Call(__import__, "os"), "system")), "builtins.getattr"),
        "import": (pickle.dumps(Call(__import__, "os")), "builtins.__import__"),
        "dotted": (_stack_global("joblib.numpy_pickle", "os.system", system), "joblib.numpy_pickle.os.system"),
        "dotted sklearn": (_stack_global("sklearn.base", "os.system", system), "sklearn.base.os.system"),
        "runstring": (_stack_global("numpy.testing._private.utils", "runstring", touch), "utils.runstring"),
        "locate": (_stack_global("pydoc", "locate", "os.system"), "pydoc.locate"),
        "joblib load": (_stack_global("joblib", "load", "elsewhere.pkl"), "joblib.load"),
        "numpy load": (_stack_global("numpy", "load", "elsewhere.npy"), "numpy.load"),
        "pandas": (_stack_global("pandas", "read_pickle", "elsewhere.pkl"), "pandas.read_pickle"),
        "runpy": (_stack_global("runpy", "run_path", "elsewhere.py"), "runpy.run_path"),
        "subprocess": (_stack_global("subprocess", "getoutput", system), "subprocess.getoutput"),
        "compressed": (packed(hostile, compress=3), named),
        "after an array": (packed([np.zeros(10_000), hostile]), named),
        "in an array of objects": (packed(_boxed(hostile)), named),
        "in an array of objects in a pickle": (pickle.dumps(_boxed(hostile)), named),
        "in a model": (pickle.dumps([fitted(), hostile]), named),
        "extension": (pickle.PROTO + b"\x02" + pickle.EXT1 + b"\x01" + pickle.STOP, "copyreg.extension 1"),
        "instance": (b"(S'" + system.encode() + b"'\nios\nsystem\n.", "os.system"),
    }


@pytest.mark.parametrize("shape", attacks("x"))
def test_a_hostile_file_runs_nothing(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that would call what no model needs ends with exit 4 and its name, and nothing of it has been done."""
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "marker"
    content, named = attacks(str(marker))[shape]
    (tmp_path / "model.pkl").write_bytes(content)

    assert run(["export", "model.pkl"]) == 4
    error = capsys.readouterr().err.splitlines()[0]
    assert error.startswith("error: 'model.pkl' would import ")
    assert f"{named}'" in error
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


def test_the_attacks_are_real(tmp_path: Path) -> None:
    """Opened by Python's own unpickler, a hostile file of these does what it says."""
    marker = tmp_path / "marker"
    pickle.loads(attacks(str(marker))["protocol 2"][0])  # to see that it works

    assert marker.exists()


@pytest.mark.parametrize(("thing", "text"), [(LinearRegression(), "has not been fitted"), ([1, 2], "of type list")])
def test_what_is_no_fitted_estimator_is_refused(tmp_path: Path, thing: Any, text: str) -> None:
    """An unfitted estimator, and what is no estimator, is refused with exit 4."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(thing))

    with pytest.raises(MlshipError, match=text) as refused:
        load_model(tmp_path / "model.pkl")
    assert refused.value.exit_code == 4
