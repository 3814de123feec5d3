"""What a file may say to the few names that it may call: for each, the arguments that fitted models use, and no other.

Many of these names run, or make without a word, whatever they are given: a class, a constructor, a length in the
billions. What they are given is looked at by exact type and by identity, as an object of the file's may say of itself
what it likes.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import OrderedDict
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

_DTYPE = re.compile(r"[<>|=]?[?a-zA-Z][0-9]{0,9}")
_BIT_GENERATORS = {
    kind.__name__: kind
    for kind in (
        np.random.MT19937,
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.Philox,
        np.random.SFC64,
    )
}
_FACTORIES = (None, OrderedDict, bool, dict, float, int, list, set, str, tuple)
_NUMBERS = (bool, int, float, type(None))
_LOSSES = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast")
_TREES = ("BinaryTree", "BinaryTree64", "BinaryTree32", "DistanceMetric", "DistanceMetric64", "DistanceMetric32")
_CYTHON = "__pyx_unpickle_"


def is_sound_call(module: str, name: str, arguments: Any) -> bool:
    """Tell whether a call that may be made is made with the arguments that it is meant for.

    Args:
        module: Where the name is.
        name: What is called; a name of `allowed.txt` that is marked `call`.
        arguments: What the file calls it with.
    """
    if type(arguments) is not tuple:  # anything else that can be unpacked has an iterator of its own
        return False
    if name.startswith(_CYTHON):
        return _is_cython(module, name.removeprefix(_CYTHON), arguments)
    if module in _LOSSES:
        return all(type(value) in _NUMBERS or isinstance(value, np.number) for value in arguments)
    if name == "newObj":
        kinds = tuple(kind for base in _TREES if isinstance(kind := getattr(sys.modules[module], base, None), type))
        return len(arguments) == 1 and isinstance(arguments[0], type) and issubclass(arguments[0], kinds)
    try:
        bound = inspect.signature(_RULES[name]).bind(*arguments)
    except (KeyError, TypeError):  # no rule, or too few or too many
        return False
    return bool(_RULES[name](*bound.args))


def is_check(function: Any) -> bool:
    """Tell whether a function is check_array, the only one that scikit-learn keeps arguments for."""
    return function is check_array


def is_plain_dtype(dtype: Any) -> bool:
    """Tell whether a thing is a dtype without objects."""
    return isinstance(dtype, np.dtype) and not dtype.hasobject


def _is_bit_generator(kind: Any) -> bool:
    if type(kind) is str:
        return kind in _BIT_GENERATORS
    return any(kind is known or type(kind) is known for known in _BIT_GENERATORS.values())


def _is_constructor(function: Any) -> bool:
    from numpy.random import _pickle

    return function is _pickle.__bit_generator_ctor


def _is_cython(module: str, kind: str, arguments: tuple[Any, ...]) -> bool:
    """Cython's own: (class, checksum, state), where the class is the one that the function is named after."""
    named = getattr(sys.modules[module], kind, None)
    if len(arguments) != 3 or not isinstance(named, type) or type(arguments[1]) is not int:
        return False
    fits = issubclass(arguments[0], named) if isinstance(arguments[0], type) else False
    return fits and (arguments[2] is None or type(arguments[2]) is tuple)


def _is_empty_array(kind: Any, shape: Any, typecode: Any) -> bool:
    """An array is made empty; its state, which is as long as its bytes, comes after."""
    named = type(typecode) in (bytes, str) and typecode in (b"b", "b")
    return kind is np.ndarray and type(shape) is tuple and len(shape) == 1 and shape[0] == 0 and named


def _is_masked(kind: Any, base: Any, shape: Any, typecode: Any) -> bool:
    return kind is np.ma.MaskedArray and _is_empty_array(base, shape, typecode)


def _is_buffer(buffer: Any, dtype: Any, shape: Any, order: Any = "C") -> bool:
    """Of an array, which is a buffer too, the memory goes when its state is set."""
    return _is_bytes(buffer) and is_plain_dtype(dtype) and type(shape) is tuple and type(order) is str


def _is_bytes(*given: Any) -> bool:
    return len(given) == 1 and type(given[0]) in (bytes, bytearray)


def _is_scalar(dtype: Any, data: Any = b"") -> bool:
    return is_plain_dtype(dtype) and type(data) in (bytes, str)


def _is_dtype(text: Any, align: Any, copy: Any) -> bool:
    """A dtype is always a copy: numpy's own, which all arrays share, could be changed else."""
    flags = type(align) in (int, bool) and type(copy) in (int, bool)
    return type(text) is str and _DTYPE.fullmatch(text) is not None and flags and not align and bool(copy)


def _is_encoded(text: Any, codec: Any) -> bool:
    return type(text) is str and type(codec) is str and codec in ("latin1", "latin-1")


def _is_raw(*given: Any) -> bool:
    """Bytes of bytes, or of a text; a number would be a length."""
    if len(given) == 2:
        return _is_encoded(*given)
    return not given or _is_bytes(*given) or (type(given[0]) is list and len(given) == 1)


def _is_items(*given: Any) -> bool:
    return not given or (len(given) == 1 and type(given[0]) is list)


def _is_default(*given: Any) -> bool:
    """A factory runs when a key is looked up that is not there."""
    return len(given) < 2 and all(any(factory is known for known in _FACTORIES) for factory in given)


def _are_numbers(*given: Any) -> bool:
    return all(type(value) in _NUMBERS for value in given)


def _is_moment(*given: Any) -> bool:
    return _are_numbers(*given) or _is_bytes(*given)


def _is_object_of(kind: Any, base: Any, state: Any) -> bool:
    """(class, what it derives from, state), as protocols 0 and 1 say it."""
    known = (base is object and state is None) or (base is tuple and type(state) is tuple)
    return isinstance(kind, type) and (known or (base is dict and type(state) is dict and is_bunch(state)))


def is_bunch(items: dict[Any, Any]) -> bool:
    """Tell whether items may be in a Bunch, of which they are attributes too: a function there is a method."""
    return all(is_attribute(key) and not callable(value) for key, value in items.items())


def is_attribute(key: Any) -> bool:
    """Tell whether a key may name an attribute: `__setstate__` and the like are asked for by Python itself."""
    return type(key) is str and not key.startswith("__")


def _is_partial(*given: Any) -> bool:
    return len(given) == 1 and is_check(given[0])


def _is_index(kind: Any, state: Any) -> bool:
    """It makes an object of the class that it is given, of what the state says."""
    import pandas as pd

    fits = isinstance(kind, type) and issubclass(kind, pd.Index) and type(state) is dict
    return fits and all(type(key) is str and not callable(value) for key, value in state.items())


def _is_category(categories: Any, ordered: Any = False) -> bool:
    import pandas as pd

    return (categories is None or isinstance(categories, pd.Index)) and type(ordered) in (bool, type(None))


def _is_text_dtype(storage: Any, missing: Any = None) -> bool:
    import pandas as pd

    return type(storage) in (str, type(None)) and (type(missing) in (float, type(None)) or missing is pd.NA)


def _is_block(values: Any, placement: Any, dimensions: Any) -> bool:
    from pandas.api.extensions import ExtensionArray

    sound = isinstance(values, np.ndarray | ExtensionArray) and isinstance(placement, slice | np.ndarray)
    return sound and type(dimensions) is int


def _is_manager(blocks: Any, axes: Any) -> bool:
    import pandas as pd

    return type(blocks) in (tuple, list) and type(axes) in (tuple, list) and all(isinstance(x, pd.Index) for x in axes)


def _is_alias(alias: Any) -> bool:
    return type(alias) is str


def _is_arrow(data: Any) -> bool:
    return type(data) is tuple


def _is_tree(features: Any, kinds: Any, outputs: Any) -> bool:
    sound = type(features) is int and type(kinds) is np.ndarray and type(outputs) is int
    return sound and kinds.dtype.kind in "iu" and kinds.shape == (outputs,)


_RULES: dict[str, Any] = {
    "BlockManager": _is_manager,
    "CategoricalDtype": _is_category,
    "OrderedDict": _is_items,
    "StringDtype": _is_text_dtype,
    "Tree": _is_tree,
    "__bit_generator_ctor": lambda kind="MT19937": _is_bit_generator(kind),
    "__generator_ctor": lambda kind="MT19937", made=None: (
        _is_bit_generator(kind) and (made is None or _is_constructor(made))
    ),
    "__randomstate_ctor": lambda kind="MT19937", made=None: (
        _is_bit_generator(kind) and (made is None or _is_constructor(made))
    ),
    "_frombuffer": _is_buffer,
    "_mareconstruct": _is_masked,
    "_new_Index": _is_index,
    "_reconstruct": _is_empty_array,
    "_reconstructor": _is_object_of,
    "_restore_array": _is_arrow,
    "_unpickle_block": _is_block,
    "bytearray": _is_raw,
    "bytes": _is_raw,
    "complex": _are_numbers,
    "date": _is_moment,
    "datetime": _is_moment,
    "defaultdict": _is_default,
    "dtype": _is_dtype,
    "encode": _is_encoded,
    "frozenset": _is_items,
    "partial": _is_partial,
    "py_buffer": _is_bytes,
    "range": _are_numbers,
    "scalar": _is_scalar,
    "set": _is_items,
    "slice": lambda *given: all(type(value) in (int, str, type(None)) for value in given),
    "timedelta": _are_numbers,
    "type_for_alias": _is_alias,
    "xrange": _are_numbers,
}
