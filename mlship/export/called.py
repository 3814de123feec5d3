"""Whether what a model holds to be called is a function of numbers, and is given nothing but plain values.

A class, or a reconstructor that pickle needs, makes objects of what it is given: `numpy.ndarray` over bytes of the
file's is a pointer that the file chose. The names are on the list of what may be imported because models are made of
them; none of them is what a model calls.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from mlship.export.allowed import allowed_names
from mlship.export.calls import is_check

_CALLED = {"func", "inverse_func"}
_GIVEN = {"kw_args", "inv_kw_args"}
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type(np.clip))
_PLAIN = (str, int, float, bool, type(None))


def wrong_called(key: str, value: Any, trust: Sequence[str]) -> str:
    """Say what is wrong with an attribute that a model calls, or whose items it gives to what it calls; or nothing.

    Args:
        key: The attribute.
        value: What it holds.
        trust: Exact names that the user trusts, `module.Name`.
    """
    if key in _GIVEN:
        return _wrong_given(value)
    if not callable(value) or name_of(value) in trust:
        return ""
    if isinstance(value, type):  # only types of values, and what a masked array is a view of, are there to be held
        return "" if "dtype" in key or key == "_baseclass" else f"is the class {name_of(value)}, which would be called"
    if _makes_objects(value):
        return f"is {name_of(value)}, which makes objects of what it is given"
    if type(value) is functools.partial and is_check(value.func) and not value.args:  # of gradient boosting
        types = [item for item in value.keywords.values() if isinstance(item, list) and all(map(_is_number_type, item))]
        return _wrong_given({name: item for name, item in value.keywords.items() if item not in types})
    if key in _CALLED and not _is_of_numbers(value):
        return f"is {name_of(value)}, which is no function of numbers"
    return ""


def _is_number_type(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, np.number)


def name_of(thing: Any) -> str:
    """Return the full name of a class or function, or of the class of anything else."""
    named = thing if isinstance(thing, (type, np.ufunc)) or _is_function(thing) else type(thing)
    module = getattr(named, "__module__", None) or "numpy"  # ufuncs have none before numpy 2.3
    return f"{module}.{getattr(named, '__qualname__', named.__name__)}"


def _wrong_given(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not dict:
        return f"is an object of type {type(value).__name__} where arguments by name belong"
    odd = next((item for item in value.values() if not _is_plain(item)), None)
    return "" if odd is None else f"holds an object of type {type(odd).__name__}, which would be given to a function"


def _is_plain(value: Any) -> bool:
    """Tell whether a value is a number, a text or such, a type of numbers, or several of them."""
    if type(value) in (list, tuple):
        return all(_is_single(item) for item in value)
    if type(value) is np.ndarray:
        return value.dtype.kind in "biuf"
    return _is_single(value)


def _is_single(value: Any) -> bool:
    if isinstance(value, type):  # as `dtype`
        return issubclass(value, (np.number, np.bool_)) or value in (int, float, bool)
    return type(value) in _PLAIN or isinstance(value, np.number | np.bool_)


def _makes_objects(function: Any) -> bool:
    """Tell whether a function is one that pickle calls; it has the same name wherever a library keeps it."""
    name = getattr(function, "__name__", "")
    calls = {known for (_, known), may_be_called in allowed_names().items() if may_be_called}
    return _is_function(function) and (name in calls or name.startswith("__pyx_"))


def _is_function(thing: Any) -> bool:
    return isinstance(thing, _FUNCTIONS) or "cython_function" in type(thing).__name__  # Cython has its own


def _is_of_numbers(function: Any) -> bool:
    """Tell whether a function is a public one of numpy or scipy.special, which take arrays and give arrays."""
    if isinstance(function, np.ufunc):
        return True
    if not _is_function(function):
        return False
    return any(getattr(module, function.__name__, None) is function for module in (np, special))
