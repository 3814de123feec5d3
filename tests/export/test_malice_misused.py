"""Files that are made to run code by way of names that are allowed: nothing runs, and what they want is named."""

from __future__ import annotations

import contextlib
import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from mlship.cli.main import run
from mlship.export import allowed
from tests.export.marking import MARKER
from tests.export.misused import BROKEN, MARKING, MISUSED, REAL, forged_dtype
from tests.export.program import Program


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own; let model files hold, but not call, what leaves a mark."""
    names = {**allowed.allowed_names(), **{(MARKING, own): False for own in ("touch", "Touching", "Born")}}
    monkeypatch.setattr(allowed, "allowed_names", lambda: names)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("shape", MISUSED)
def test_what_is_allowed_cannot_be_misused(folder: Path, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that calls, changes or forges what it may only hold ends with exit 4, and is told what it wanted."""
    content, said = MISUSED[shape]
    (folder / "model.pkl").write_bytes(content)

    assert run(["export", "model.pkl", "--json"]) == 4
    printed = capsys.readouterr()
    line = printed.err.splitlines()[0]
    assert line.startswith(f"error: 'model.pkl' would {said}")
    assert "It was not run." in line
    assert '"code": "untrusted"' in printed.out
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]


@pytest.mark.parametrize("shape", REAL)
def test_the_misuses_are_real(folder: Path, shape: str) -> None:
    """Opened by Python's own unpickler, each of these leaves its mark, whatever comes of it then."""
    with contextlib.suppress(AttributeError, TypeError, ValueError):  # what was called gave nothing of use
        pickle.loads(MISUSED[shape][0])
    assert (folder / MARKER).exists()


def test_the_forgeries_are_real() -> None:
    """Opened by Python's own unpickler these make arrays whose objects are bytes of the file; here they are null."""
    array = pickle.loads(MISUSED["array over bytes"][0])
    assert array.tolist() == [None]
    hidden = pickle.loads(MISUSED["dtype that hides objects"][0])
    assert (hidden.kind, hidden.hasobject) == ("O", False)
    field = pickle.loads(MISUSED["field that hides objects"][0])
    assert (field["a"].kind, field.hasobject) == ("O", False)


@pytest.mark.parametrize("shape", BROKEN)
def test_what_reaches_where_nothing_is(folder: Path, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that takes from an empty stack, or from a memo what is not there, is exit 4 and said to be no model."""
    content, said = BROKEN[shape]
    (folder / "model.pkl").write_bytes(content)

    assert run(["export", "model.pkl"]) == 4
    assert f"'model.pkl' {said}" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["plain", "packed"])
def test_an_import_that_is_thrown_away_is_named(
    folder: Path, pack: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """To import is to run a module: a name that is popped unused is refused like any other."""
    (folder / "model.pkl").write_bytes(pack(Program().name("antigravity", "fly").add(b"0").thing(None).stop()))

    assert run(["export", "model.pkl"]) == 4
    assert "would import 'antigravity.fly'" in capsys.readouterr().err


def test_a_forged_dtype_in_an_array_of_joblibs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An array of joblib's whose dtype hides its objects is refused before its bytes are read."""
    array = Program().name("joblib.numpy_pickle", "NumpyArrayWrapper").add(pickle.EMPTY_TUPLE, pickle.NEWOBJ)
    array = array.add(pickle.EMPTY_DICT, pickle.MARK).thing("dtype").add(forged_dtype()[2:-1])
    array = array.thing("shape").thing((1,)).thing("order").thing("C").add(pickle.SETITEMS, pickle.BUILD)
    (folder / "model.joblib").write_bytes(array.stop() + b"\x00" * 16)

    assert run(["export", "model.joblib"]) == 4
    assert "would forge 'numpy.dtype" in capsys.readouterr().err


@pytest.mark.parametrize("codec", ["zlib_codec", "os.system", "../../x", "no such codec"])
def test_the_encoder_of_bytes_only_encodes(folder: Path, codec: str, capsys: pytest.CaptureFixture[str]) -> None:
    """_codecs.encode, by which old protocols write bytes, is called with their one codec: another could be a module."""
    (folder / "model.pkl").write_bytes(Program().name("_codecs", "encode").call("text", codec).stop())

    assert run(["export", "model.pkl"]) == 4
    assert "would call '_codecs.encode'" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]
