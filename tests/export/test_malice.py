"""Files that are made to run code by way of names that are allowed, and by shapes that no scanner reads."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlship.cli.main import run
from tests.export.files import Call, fitted, packed
from tests.export.program import Program


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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


NAMED = by_names("marker")


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
