"""Reading pickles as data: what a file may import is listed, and of that, what it may call.

pickle is a stack machine whose file chooses what is imported, called and changed. Here an import passes the
list of `allowed.txt`; only names marked `call` there are called, the others can be held and made without
arguments; and nothing that was imported can be changed. So a function in the list is no way to run anything.

Three shapes forge Python objects out of the file's bytes, with which any code can be run: numpy.ndarray called
with a buffer, and a dtype whose state denies that it holds objects, alone or as a field. All three are refused.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from sklearn.utils import Bunch

from mlship.export.allowed import is_allowed, is_callable, true_module
from mlship.export.calls import is_bunch, is_sound_call
from mlship.export.sound import checked, is_sound_dtype, is_sound_state

_DICTS = (dict, OrderedDict, defaultdict, Bunch)
_WRAPPER_STATE = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}


class Forbidden(pickle.UnpicklingError):
    """A file asks for what it may not have.

    Args:
        verb: What it would do: import, call, change, forge.
        what: The name that it would do it to, as the file spells it.
    """

    def __init__(self, verb: str, what: str) -> None:
        super().__init__(f"{verb} {what}")
        self.verb = verb
        self.what = what


class ModelUnpickler(NumpyUnpickler):  # type: ignore[misc]
    """Reads what pickle and joblib write, within the limits that the module's docstring tells.

    Args:
        stream: The file's bytes, decompressed.
        trust: Names that the file may import, call and change besides, each `module.name` in full.
    """

    dispatch: dict[int, Callable[[Any], None]] = NumpyUnpickler.dispatch.copy()

    def __init__(self, stream: io.BytesIO, trust: Sequence[str] = ()) -> None:
        super().__init__("", stream, ensure_native_byte_order=True)
        self._trust = trust
        self._imported: dict[int, tuple[Any, str, str]] = {}  # by id; holding the object keeps its id its own
        self._built: dict[int, Any] = {}  # what has its state, by id

    def find_class(self, module: str, name: str) -> Any:
        """Import a name that is in the list."""
        module = true_module(module)
        if not is_allowed(module, name, self._trust):
            raise Forbidden("import", f"{module}.{name}")
        found = super().find_class(module, name)
        self._imported[id(found)] = (found, module, name)
        return found

    def _name_of(self, thing: Any) -> tuple[str, str] | None:
        known = self._imported.get(id(thing))
        return None if known is None else known[1:]

    def _is_trusted(self, thing: Any) -> bool:
        """Tell whether a thing, which the file imported, is one that the user named."""
        name = self._name_of(thing)
        return name is not None and ".".join(name) in self._trust

    def _refuse(self, verb: str, thing: Any) -> NoReturn:
        name = self._name_of(thing) or (type(thing).__module__, type(thing).__qualname__)
        raise Forbidden(verb, ".".join(name))

    def load_reduce(self) -> None:
        """Call a function or a class that may be called."""
        function, arguments = self.stack[-2:]
        name = self._name_of(function)
        known = name is not None and is_callable(*name) and is_sound_call(*name, arguments)
        if not known and not self._is_trusted(function):
            self._refuse("call", function)
        NumpyUnpickler.dispatch[pickle.REDUCE[0]](self)
        if name is not None:
            checked(name[1], self.stack[-1])

    def load_newobj(self) -> None:
        """Make an object of a class, without arguments; a named tuple has its items as arguments."""
        kind, arguments = self.stack[-2:]
        known = self._name_of(kind) is not None and isinstance(kind, type) and type(arguments) is tuple
        if not known or (arguments and not issubclass(kind, tuple) and not self._is_trusted(kind)):
            self._refuse("call", kind)
        NumpyUnpickler.dispatch[pickle.NEWOBJ[0]](self)

    def load_newobj_ex(self) -> None:
        """Make an object of a class that the user trusts, with arguments that have names; no other needs them."""
        if not self._is_trusted(self.stack[-3]):
            self._refuse("call", self.stack[-3])
        NumpyUnpickler.dispatch[pickle.NEWOBJ_EX[0]](self)

    def load_build(self) -> None:
        """Give an object its state, once; an array's bytes follow it in the file.

        What has a state may be in use: the memory of an array goes when it gets another.
        """
        thing, state = self.stack[-2:]
        if self._name_of(thing) is not None or id(thing) in self._built:
            self._refuse("change", thing)
        self._built[id(thing)] = thing
        if not is_sound_state(thing, state) and not self._is_trusted(type(thing)):
            self._refuse("change", thing)
        if isinstance(thing, NumpyArrayWrapper):
            self._load_array(state)
            return
        pickle._Unpickler.load_build(self)  # type: ignore[attr-defined]  # the one in Python, which joblib extends
        if isinstance(thing, np.dtype) and not is_sound_dtype(thing):
            self._refuse("forge", thing)

    def _load_array(self, state: Any) -> None:
        """Put an array of joblib's in the place of its description; one of objects is a pickle of its own."""
        wrapper = self.stack[-2]
        if not isinstance(state, dict) or not state.keys() <= _WRAPPER_STATE or type(wrapper) is not NumpyArrayWrapper:
            self._refuse("change", wrapper)
        if not isinstance(state.get("dtype"), np.dtype) or not is_sound_dtype(state["dtype"]):
            self._refuse("forge", wrapper)
        pickle._Unpickler.load_build(self)  # type: ignore[attr-defined]
        if state["dtype"].hasobject:
            self.stack[-1] = ModelUnpickler(self.file_handle, self._trust).load()
        else:
            self.stack[-1] = wrapper.read_array(self, self.ensure_native_byte_order)

    def load_inst(self) -> NoReturn:
        """Refuse the way of Python 1 to import and call, telling the name."""
        module, name = (self.readline()[:-1].decode("ascii", "replace") for _ in range(2))
        raise Forbidden("import", f"{module}.{name}")

    def persistent_load(self, _pid: Any) -> NoReturn:
        """Refuse a thing that is to be found outside of the file."""
        raise Forbidden("use", "persistent_load")

    def _forbid(self, opcode: str) -> NoReturn:
        """Refuse an opcode that no fitted model needs and that calls, or changes, more than is looked at here."""
        raise Forbidden("use", opcode)

    def _load_into(self, kind: type, opcode: bytes, at: int) -> None:
        """Put items into a container of Python's own; of anything else it would call a method."""
        thing = (self.metastack[-1] if at == 0 else self.stack)[-1 if at == 0 else at]
        exact = type(thing) in _DICTS if kind is dict else type(thing) is kind
        if not exact and not self._is_trusted(type(thing)):
            self._refuse("change", thing)
        if type(thing) is Bunch:  # whose items are its attributes
            items = self.stack if at == 0 else self.stack[-2:]
            if not is_bunch(dict(zip(items[::2], items[1::2], strict=False))):
                self._refuse("change", thing)
        NumpyUnpickler.dispatch[opcode[0]](self)

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INST[0]] = load_inst
    dispatch[pickle.OBJ[0]] = lambda self: self._forbid("OBJ")
    dispatch[pickle.EXT1[0]] = lambda self: self._forbid("EXT1")
    dispatch[pickle.EXT2[0]] = lambda self: self._forbid("EXT2")
    dispatch[pickle.EXT4[0]] = lambda self: self._forbid("EXT4")
    dispatch[pickle.APPEND[0]] = lambda self: self._load_into(list, pickle.APPEND, -2)
    dispatch[pickle.APPENDS[0]] = lambda self: self._load_into(list, pickle.APPENDS, 0)
    dispatch[pickle.ADDITEMS[0]] = lambda self: self._load_into(set, pickle.ADDITEMS, 0)
    dispatch[pickle.SETITEM[0]] = lambda self: self._load_into(dict, pickle.SETITEM, -3)
    dispatch[pickle.SETITEMS[0]] = lambda self: self._load_into(dict, pickle.SETITEMS, 0)
