"""What a pickle would import, and what wrote it, found by running it with stand-ins that do nothing.

A scanner of opcodes stops at the first array that joblib wrote raw, and sees nothing behind it. So this is the
unpickler's own machine: it reads on through arrays, arrays of objects and pickles that follow each other, but what it
imports are names, and what it calls or changes are notes of what they were given.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_ARRAY = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_SIMPLE_DTYPE = re.compile(r"[<>|=]?[?a-zA-Z][0-9]{0,9}")


@dataclass
class Listing:
    """What a pickle would do.

    Attributes:
        names: The (module, name) pairs that it would import, in order, each once.
        sklearn: The versions of scikit-learn that its estimators were saved by, each once.
        objects: How many pickles follow each other in the file.
        broken: The name of the error that it ends in, or None.
    """

    names: dict[tuple[str, str], None] = field(default_factory=dict)
    sklearn: dict[str, None] = field(default_factory=dict)
    objects: int = 0
    broken: str | None = None


def list_pickle(raw: bytes) -> Listing:
    """List what a pickle would import, without importing anything; of a damaged one, what comes before the damage."""
    listing = Listing()
    stream = io.BytesIO(raw)
    try:
        while stream.tell() < len(raw):
            _Lister(stream, listing).load()
            listing.objects += 1
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # a damaged pickle can fail in any way that Python code can
        listing.broken = type(error).__name__
    return listing


class _Name:
    """Stands for what would be imported."""

    def __init__(self, module: str, name: str) -> None:
        self.pair = (module, name)


class _Made:
    """Stands for what would be made by a call."""

    def __init__(self, by: Any, arguments: Any) -> None:
        self.by = by
        self.arguments = arguments
        self.state: Any = None

    @property
    def kind(self) -> tuple[str, str]:
        """The name that was called."""
        return self.by.pair if isinstance(self.by, _Name) else ("", "")


_Machine: Any = pickle._Unpickler  # the one in Python, whose opcodes are methods


class _Lister(_Machine):  # type: ignore[misc]
    dispatch: dict[int, Callable[[Any], None]] = _Machine.dispatch.copy()

    def __init__(self, stream: io.BytesIO, listing: Listing) -> None:
        super().__init__(stream)
        self._stream = stream
        self._listing = listing

    def find_class(self, module: str, name: str) -> Any:
        self._listing.names[module, name] = None
        return _Name(module, name)

    def persistent_load(self, _pid: Any) -> Any:
        return _Made(None, ())

    def load_extension(self, size: int) -> None:
        """Note an import by number, which a registry of the reader's turns into a name."""
        code = int.from_bytes(self.read(size), "little")
        self.append(self.find_class("copyreg", f"extension {code}"))

    def load_inst(self) -> None:
        module, name = (self.readline()[:-1].decode("utf-8", "replace") for _ in range(2))
        self.append(_Made(self.find_class(module, name), self.pop_mark()))

    def load_obj(self) -> None:
        kind, *arguments = self.pop_mark() or [None]
        self.append(_Made(kind, arguments))

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = _Made(self.stack[-1], arguments)

    def load_newobj_ex(self) -> None:
        keywords = self.stack.pop()
        arguments = self.stack.pop()
        self.stack[-1] = _Made(self.stack[-1], (arguments, keywords))

    def load_build(self) -> None:
        state = self.stack.pop()
        thing = self.stack[-1]
        for part in state if isinstance(state, tuple) else (state,):
            version = part.get("_sklearn_version") if isinstance(part, dict) else None
            if isinstance(version, str):
                self._listing.sklearn[version] = None
        if isinstance(thing, _Made):
            thing.state = state
            if thing.kind == _ARRAY and isinstance(state, dict):
                self._skip_array(state)

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Step over an array's bytes as joblib would read them; one of objects is a pickle of its own."""
        if _has_objects(state["dtype"]):
            self.stack[-1] = _Lister(self._stream, self._listing).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.seek(self._stream.read(1)[0], io.SEEK_CUR)
        count = math.prod(int(length) for length in state["shape"])
        self._stream.seek(count * _size_of(state["dtype"]), io.SEEK_CUR)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > len(self._stream.getbuffer()):  # Python's own takes the memory before it looks for the bytes
            raise EOFError
        self.append(bytearray(self.read(size)))

    def _fill(self, count_of: int | None) -> None:
        """Take items off the stack into a list, set or dict of Python's own; stand-ins forget theirs."""
        items = self.pop_mark() if count_of is None else self.stack[-count_of:]
        if count_of is not None:
            del self.stack[-count_of:]
        thing = self.stack[-1]
        if isinstance(thing, list):
            thing.extend(items)
        elif isinstance(thing, set):
            thing.update(items)
        elif isinstance(thing, dict):
            thing.update(zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_reduce
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INST[0]] = load_inst
    dispatch[pickle.OBJ[0]] = load_obj
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.EXT1[0]] = lambda self: self.load_extension(1)
    dispatch[pickle.EXT2[0]] = lambda self: self.load_extension(2)
    dispatch[pickle.EXT4[0]] = lambda self: self.load_extension(4)
    dispatch[pickle.APPEND[0]] = lambda self: self._fill(1)
    dispatch[pickle.SETITEM[0]] = lambda self: self._fill(2)
    for _opcode in (pickle.APPENDS, pickle.ADDITEMS, pickle.SETITEMS):
        dispatch[_opcode[0]] = lambda self: self._fill(None)


def _size_of(dtype: Any) -> int:
    """The bytes of one item; of a dtype with fields its own text tells the sum."""
    text = dtype.arguments[0]
    if not isinstance(text, str) or not _SIMPLE_DTYPE.fullmatch(text):
        raise pickle.UnpicklingError
    size = np.dtype(text).itemsize
    if size < 1:
        raise pickle.UnpicklingError
    return size


def _has_objects(dtype: Any) -> bool:
    """Tell whether a dtype, or a field of it, holds objects."""
    if not isinstance(dtype, _Made) or dtype.kind != ("numpy", "dtype"):
        raise pickle.UnpicklingError
    state = dtype.state if isinstance(dtype.state, tuple) else ()
    fields = state[4] if len(state) > 4 and isinstance(state[4], dict) else {}
    return "O" in str(dtype.arguments[0]) or any(_has_objects(part[0]) for part in fields.values())
