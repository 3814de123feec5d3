"""Files that are made to run code by way of names that are allowed, and by shapes that no scanner reads."""

from __future__ import annotations

import gzip
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlship.cli.main import run
from tests.export.files import Call, fitted, packed

HELD = ("sklearn.feature_selection._univariate_selection", "f_classif")


class Program:
    """A pickle put together opcode by opcode, of protocol 4.

    Args:
        prefix: What comes first.
    """

    def __init__(self, prefix: bytes = pickle.PROTO + b"\x04") -> None:
        self.code = prefix

    def add(self, *parts: bytes) -> Program:
        """Append opcodes."""
        return Program(self.code + b"".join(parts))

    def name(self, module: str, name: str) -> Program:
        """Push an import."""
        return self.thing(module).thing(name).add(pickle.STACK_GLOBAL)

    def thing(self, value: Any) -> Program:
        """Push a value of Python's own types."""
        return self.add(_opcodes(value))

    def call(self, *arguments: Any) -> Program:
        """Call what is on the stack."""
        program = self.add(pickle.MARK)
        for argument in arguments:
            program = program.thing(argument)
        return program.add(pickle.TUPLE, pickle.REDUCE)

    def stop(self) -> bytes:
        """Return the whole."""
        return self.code + pickle.STOP


def _opcodes(value: Any) -> bytes:
    """The opcodes that push a value, without a pickle's head and end, and without its memo, which is the program's."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.fast = True
    pickler.dump(value)
    code = stream.getvalue()[2:-1]
    return code[9:] if code.startswith(pickle.FRAME) else code


def _array(*things: Any) -> Any:
    made = np.empty(len(things), dtype=object)
    made[:] = things
    return made


def by_names(marker: str) -> dict[str, tuple[bytes, str]]:
    """Return files that call what is not allowed, in shapes that hide it, each with the name that must be told."""
    touch = f"touch {marker}"
    hostile = Call(os.system, touch)
    system = f"{os.name if os.name == 'nt' else 'posix'}.system"
    return {
        "second pickle": (pickle.dumps(fitted()) + pickle.dumps(hostile), system),
        "second pickle, compressed": (gzip.compress(packed(fitted()) + pickle.dumps(hostile)), system),
        "objects in objects": (packed([_array(_array(hostile))]), system),
        "objects after numbers": (packed({"a": np.zeros((500, 50)), "b": _array(1, hostile)}), system),
        "state of a model": (pickle.dumps({"model": fitted(), "more": [hostile]}), system),
        "spelled os": (Program().name("os", "system").call(touch).stop(), "os.system"),
        "spelled nt": (Program().name("nt", "system").call(touch).stop(), "nt.system"),
        "popen": (Program().name("os", "popen").call(touch).stop(), "os.popen"),
        "spawn": (Program().name("os", "spawnlp").call(0, "touch", "touch", marker).stop(), "os.spawnlp"),
        "pty": (Program().name("pty", "spawn").call(["touch", marker]).stop(), "pty.spawn"),
        "webbrowser": (Program().name("webbrowser", "open").call("file:///").stop(), "webbrowser.open"),
        "importlib": (Program().name("importlib", "import_module").call("os").stop(), "importlib.import_module"),
        "code": (Program().name("code", "interact").call().stop(), "code.interact"),
        "timeit": (Program().name("timeit", "timeit").call("0", f"open({marker!r}, 'w')").stop(), "timeit.timeit"),
        "attrgetter": (Program().name("operator", "attrgetter").call("a").stop(), "operator.attrgetter"),
        "partial": (Program().name("functools", "partial").call(1).stop(), "functools.partial"),
        "memmap": (Program().name("numpy", "memmap").call(marker, "uint8", "w+", 0, 8).stop(), "numpy.memmap"),
        "fromfile": (Program().name("numpy", "fromfile").call(marker).stop(), "numpy.fromfile"),
        "savetxt": (Program().name("numpy", "savetxt").call(marker, [1]).stop(), "numpy.savetxt"),
        "old joblib array": (Program().name("joblib.numpy_pickle", "NDArrayWrapper").stop(), "NDArrayWrapper"),
        "joblib itself": (
            Program().name("joblib.numpy_pickle", "load").call("x.pkl").stop(),
            "joblib.numpy_pickle.load",
        ),
        "memory": (Program().name("joblib.memory", "Memory").call(marker).stop(), "joblib.memory.Memory"),
        "dotted builtin": (Program().name("builtins", "object.__subclasses__").call().stop(), "object.__subclasses__"),
        "of Python 2": (b"c__builtin__\neval\n(S\"open('" + marker.encode() + b"', 'w')\"\ntR.", "__builtin__.eval"),
        "INST": (b"(S'" + touch.encode() + b"'\nios\nsystem\n.", "os.system"),
        "cursor and lines": (Program().name("os\x1b[2J\n", "system").call(touch).stop(), "os?[2J?.system"),
    }


def forged_dtype(**state: Any) -> bytes:
    """Return a pickle of a dtype whose state is not what it is."""
    made = {"kind": "O8", "names": None, "fields": None, "size": -1, "flags": 0, **state}
    fields = (3, "|", None, made["names"], made["fields"], made["size"], -1, made["flags"])
    return Program().name("numpy", "dtype").call(made["kind"], False, True).thing(fields).add(pickle.BUILD).stop()


def _state(state: Any) -> tuple[bytes, ...]:
    return (_opcodes(state), pickle.BUILD)


def by_allowed_names() -> dict[str, bytes]:
    """Return files that misuse what is in the list, or an opcode that no model needs."""
    wrapper = Program().name("joblib.numpy_pickle", "NumpyArrayWrapper").add(pickle.EMPTY_TUPLE, pickle.NEWOBJ)
    model = Program().name("sklearn.linear_model._base", "LinearRegression").add(pickle.EMPTY_TUPLE, pickle.NEWOBJ)
    held = Program(b"").name(*HELD).code
    return {
        "array over bytes": Program().name("numpy", "ndarray").call((1,), "O", b"\x00" * 8).stop(),
        "array over bytes, made new": Program()
        .name("numpy", "ndarray")
        .add(_opcodes(((1,), "O", b"\x00" * 8)), pickle.NEWOBJ)
        .stop(),
        "dtype that hides objects": forged_dtype(),
        "field that hides objects": forged_dtype(
            kind="V8", names=("a",), fields={"a": (np.dtype("O"), 0)}, size=8, flags=0
        ),
        "field outside": forged_dtype(kind="V8", names=("a",), fields={"a": (np.dtype("f8"), 4000)}, size=8),
        "number that owns objects": forged_dtype(kind="V8", size=8, flags=63),
        "held function called": Program().name(*HELD).call([[1.0]], [1]).stop(),
        "held class called": Program().name("sklearn.svm._classes", "SVC").call(1.0).stop(),
        "class of arguments": Program().name("sklearn.svm._classes", "SVC").add(_opcodes((1.0,)), pickle.NEWOBJ).stop(),
        "object called": model.add(pickle.EMPTY_TUPLE, pickle.REDUCE).stop(),
        "constructor called by another": Program()
        .name("numpy.random._pickle", "__randomstate_ctor")
        .add(pickle.MARK, Program(b"").thing("x").code, held, pickle.TUPLE, pickle.REDUCE)
        .stop(),
        "reconstructed from an array": Program()
        .name("copyreg", "_reconstructor")
        .add(pickle.MARK, held, Program(b"").name("numpy", "ndarray").code, b"K\x01", pickle.TUPLE, pickle.REDUCE)
        .stop(),
        "class changed": Program()
        .name("sklearn.linear_model._base", "LinearRegression")
        .add(*_state((None, {"predict": 1})))
        .stop(),
        "method of its own state": model.add(*_state({"__setstate__": 1})).stop(),
        "append of its own": model.add(*_state({"append": 1}), b"K\x01", pickle.APPEND).stop(),
        "extend of its own": model.add(*_state({"extend": 1}), pickle.MARK, b"K\x01", pickle.APPENDS).stop(),
        "add of its own": model.add(*_state({"add": 1}), pickle.MARK, b"K\x01", pickle.ADDITEMS).stop(),
        "item of its own": model.add(b"K\x01K\x02", pickle.SETITEM).stop(),
        "items of its own": model.add(pickle.MARK, b"K\x01K\x02", pickle.SETITEMS).stop(),
        "reader of its own": wrapper.add(*_state({"read": 1, "shape": (1,)})).stop(),
        "array without dtype": wrapper.add(*_state({"dtype": 1, "shape": (1,)})).stop(),
        "OBJ": Program().add(pickle.MARK, held, b"K\x01", pickle.OBJ).stop(),
        "NEWOBJ_EX": Program().name(*HELD).add(pickle.EMPTY_TUPLE, pickle.EMPTY_DICT, pickle.NEWOBJ_EX).stop(),
        "EXT1": Program().add(pickle.EXT1, b"\x01", pickle.EMPTY_TUPLE, pickle.REDUCE).stop(),
        "EXT4": Program().add(pickle.EXT4, b"\x01\x00\x00\x00", pickle.EMPTY_TUPLE, pickle.REDUCE).stop(),
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


NAMED = by_names("marker")
MISUSED = by_allowed_names()


@pytest.mark.parametrize("shape", NAMED)
def test_what_a_file_would_import_is_named_and_not_run(
    folder: Path, shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hostile file ends with exit 4 and one line that has the name in it; nothing has run, nothing is written."""
    content, name = NAMED[shape]
    (folder / "model.pkl").write_bytes(content)

    assert run(["export", "model.pkl"]) == 4
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: 'model.pkl' would ")
    assert name in error
    assert error.endswith("which is no part of a model that mlship knows. It was not run.")
    assert hint.startswith("hint: ")
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]


@pytest.mark.parametrize("shape", MISUSED)
def test_what_is_allowed_cannot_be_misused(folder: Path, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that calls, changes or forges what it may only hold ends with exit 4 in one line."""
    (folder / "model.pkl").write_bytes(MISUSED[shape])

    assert run(["export", "model.pkl", "--json"]) == 4
    printed = capsys.readouterr()
    assert "It was not run." in printed.err.splitlines()[0]
    assert '"code": "untrusted"' in printed.out
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]


def test_the_forgeries_are_real() -> None:
    """Opened by Python's own unpickler these make arrays whose objects are bytes of the file; here they are null."""
    array = pickle.loads(MISUSED["array over bytes"])
    assert array.tolist() == [None]
    hidden = pickle.loads(MISUSED["dtype that hides objects"])
    assert (hidden.kind, hidden.hasobject) == ("O", False)
    field = pickle.loads(MISUSED["field that hides objects"])
    assert (field["a"].kind, field.hasobject) == ("O", False)


def test_a_forged_dtype_inpacked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An array of joblib's whose dtype hides its objects is refused before its bytes are read."""
    array = Program().name("joblib.numpy_pickle", "NumpyArrayWrapper").add(pickle.EMPTY_TUPLE, pickle.NEWOBJ)
    array = array.add(pickle.EMPTY_DICT, pickle.MARK).thing("dtype").add(forged_dtype()[2:-1])
    array = array.thing("shape").thing((1,)).thing("order").thing("C").add(pickle.SETITEMS, pickle.BUILD)
    (folder / "model.joblib").write_bytes(array.stop() + b"\x00" * 16)

    assert run(["export", "model.joblib"]) == 4
    assert "would forge" in capsys.readouterr().err


@pytest.mark.parametrize("codec", ["latin1", "zlib_codec", "os.system", "../../x", "no such codec"])
def test_the_encoder_of_bytes_only_encodes(folder: Path, codec: str, capsys: pytest.CaptureFixture[str]) -> None:
    """_codecs.encode, by which old protocols write bytes, gives bytes or fails: there is no model in the file."""
    (folder / "model.pkl").write_bytes(Program().name("_codecs", "encode").call("text", codec).stop())

    assert run(["export", "model.pkl"]) == 4
    assert "Traceback" not in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]


PACKINGS: dict[str, Callable[[Any], bytes]] = {
    "gzip": lambda thing: packed(thing, ("gzip", 3)),
    "bz2": lambda thing: packed(thing, ("bz2", 3)),
    "xz": lambda thing: packed(thing, ("xz", 3)),
    "lzma": lambda thing: packed(thing, ("lzma", 3)),
    "zlib": lambda thing: packed(thing, ("zlib", 3)),
}


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_packed_bypacked(folder: Path, pack: Callable[[Any], bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """However joblib packs it, a sound model is exported, a hostile one named, and a cut one said to be damaged."""
    (folder / "model.joblib").write_bytes(pack(fitted()))
    assert run(["export", "model.joblib", "-q"]) == 0

    (folder / "hostile.joblib").write_bytes(pack([np.zeros(999), _array(Call(os.system, "touch marker"))]))
    assert run(["export", "hostile.joblib"]) == 4
    assert "system'" in capsys.readouterr().err
    assert not (folder / "marker").exists()

    (folder / "cut.joblib").write_bytes(pack(fitted())[:-9])
    assert run(["export", "cut.joblib"]) == 4
    assert "damaged" in capsys.readouterr().err
