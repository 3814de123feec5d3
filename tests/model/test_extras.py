"""A library that is absent is told from one that is broken or of another version."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlship import extras
from mlship.errors import DependencyMissing

FILES = {
    "broken_library/__init__.py": "import no_such_library_either",
    "half_library/__init__.py": "import half_library.no_such_part",
    "raising_library/__init__.py": "raise ImportError('libfoo.so: cannot open shared object file')",
    "old_library/__init__.py": "",
    "old_library/part.py": "",
    "shared_space/first/__init__.py": "",
}


@pytest.fixture(autouse=True)
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a few small libraries, each ill in its own way."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0].endswith(("_library", "_space"))]:
        del sys.modules[name]


def load(module: str) -> object:
    """Load a module for some purpose."""
    return extras.load(module, needed_for="Serving", hint="pip install it")


def test_library_that_is_there() -> None:
    """A library that is installed is returned."""
    assert load("math") is math
    assert load("old_library.part") is sys.modules["old_library.part"]


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("no_such_library", "no_such_library"),
        ("no_such_library.part.other", "no_such_library"),
        ("shared_space.second", "shared_space.second"),
        ("shared_space.second.part", "shared_space.second"),
    ],
)
def test_absent_library(module: str, library: str) -> None:
    """A library that is not installed is named, with what it is needed for and what to type."""
    with pytest.raises(DependencyMissing) as caught:
        load(module)
    assert caught.value.message == f"Serving needs the library '{library}', which is not installed."
    assert caught.value.hint == "pip install it"
    assert (caught.value.exit_code, caught.value.code) == (8, "dependency_missing")


def test_blocked_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that was blocked, as tests do, counts as absent."""
    monkeypatch.setitem(sys.modules, "old_library", None)
    with pytest.raises(DependencyMissing, match="needs the library 'old_library'"):
        load("old_library.part")


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("broken_library", "no_such_library_either"),
        ("half_library", "half_library.no_such_part"),
        ("old_library.newer_part", "old_library.newer_part"),
    ],
)
def test_broken_library(module: str, missing: str) -> None:
    """An installed library that lacks a part or another library is broken, and its own error is the news."""
    with pytest.raises(ModuleNotFoundError) as caught:
        load(module)
    assert caught.value.name == missing


def test_library_that_does_not_load() -> None:
    """An installed library that fails to load is broken, and its own error is the news."""
    with pytest.raises(ImportError, match=r"libfoo\.so"):
        load("raising_library")
