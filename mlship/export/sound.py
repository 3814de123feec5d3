"""What a file may make the state of a thing: what the thing's own class would have written, in the one shape it has.

A state is how a file puts functions where code of a library calls them by name: `__setstate__`, which pickle asks for
itself, `keys` or `astype`. So keys are attributes and no methods, and a function, or what can be called like one, is
let in only where fitted models have one.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mlship.export.calls import is_attribute, is_check

_SHAPES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(, [A-Za-z_][A-Za-z0-9_]*)*")
_FUNCTIONS = {
    "_asarray", "_base_loss", "_curve_scorer", "_kmeans_single", "_loss", "_score_func", "_scorer", "kernel_",
    "loss_", "loss_function_", "owner", "scorer_",
}  # fmt: skip
"""Attributes of fitted models that hold a function, besides the parameters of their classes."""


def is_sound_state(thing: Any, state: Any) -> bool:
    """Tell whether a state is one that the thing's own class wrote, where another could run code.

    Args:
        thing: What the file gives a state.
        state: The state.
    """
    if isinstance(thing, functools.partial):  # its state holds the function once more
        return _is_partial_state(state)
    if isinstance(thing, np.ndarray):
        return _is_array_state(thing, state)
    if type(state) is dict:
        return is_sound_dict(type(thing), state) and (not _is_distribution(type(thing)) or is_own_parser(state))
    if _is_distribution(type(thing)):
        return False
    if type(state) is tuple:
        return _is_sound_tuple(type(thing), state)
    return _is_known(state)


def is_sound_dict(kind: type, state: dict[Any, Any]) -> bool:
    """Tell whether a dictionary may become the attributes of an object of a class."""
    model = "__model" if kind.__module__ == "catboost.core" else ""  # the model's bytes
    for key, value in state.items():
        text = type(value) is str and type(key) is str and key == "__doc__"  # of a distribution
        if not is_attribute(key) and key != model and not text:
            return False
        if callable(value) and not may_hold_function(kind, key):
            return False
        if kind.__name__ == "TreePredictor" and key == "nodes" and type(value) is not np.ndarray:
            return False  # of which its own class calls methods
    return True


def may_hold_function(kind: type, key: str) -> bool:
    """Tell whether an attribute of a class is one in which fitted models hold a function; a method is none."""
    if callable(getattr(kind, key, None)):
        return False
    if key in _FUNCTIONS:
        return True
    try:
        return key in inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    except (TypeError, ValueError):  # a compiled class
        return False


def is_sound_dtype(dtype: np.dtype[Any]) -> bool:
    """Tell whether a dtype says of itself what it is: objects where there are objects, fields inside of it."""
    if dtype.kind == "O":
        return dtype.flags == np.dtype("O").flags
    if dtype.hasobject:
        return False
    inner = [(dtype.subdtype[0], 0)] if dtype.subdtype else []
    inner += [(field[0], field[1]) for field in (dtype.fields or {}).values()]
    return all(
        part.kind != "O" and is_sound_dtype(part) and offset >= 0 and offset + part.itemsize <= dtype.itemsize
        for part, offset in inner
    )


def checked(name: str, made: Any) -> None:
    """Have a thing that was made of raw bytes look at itself, where it can.

    Raises:
        ValueError: It reaches outside its bytes.
    """
    if name == "_restore_array":  # pyarrow believes the lengths that it is told
        made.validate(full=True)


def _is_partial_state(state: Any) -> bool:
    if type(state) is not tuple or len(state) != 4 or not is_check(state[0]):
        return False
    _, arguments, keywords, own = state
    return type(arguments) is tuple and type(keywords) is dict and own is None


def _is_array_state(array: Any, state: Any) -> bool:
    """(version, shape, dtype, order, items); a masked array's has two more: an array is no longer than its bytes."""
    if type(state) is not tuple or len(state) != (7 if type(array) is np.ma.MaskedArray else 5):
        return False
    _, shape, dtype, _, items = state[:5]
    if type(shape) is not tuple or not all(type(size) is int and 0 <= size < 2**48 for size in shape):
        return False
    if not isinstance(dtype, np.dtype) or not is_sound_dtype(dtype):
        return False
    count = 1
    for size in shape:
        count *= size
    if dtype.hasobject:
        return type(items) is list and len(items) == count
    return type(items) in (bytes, str) and len(items) == count * dtype.itemsize


def _is_sound_tuple(kind: type, state: tuple[Any, ...]) -> bool:
    """Tell whether a tuple may be a state: what a compiled class keeps, or attributes and slots.

    pickle itself makes attributes of a pair's first half and sets those of its second one by one.
    """
    parts = [part for part in state if isinstance(part, dict)]
    if not all(type(part) is dict and all(is_attribute(key) for key in part) for part in parts):
        return False
    if _has_own_way(kind):
        return not any(callable(part) for part in state)
    if len(state) != 2 or not all(part is None or type(part) is dict for part in state):
        return False
    slots = state[1] or {}
    return is_sound_dict(kind, state[0] or {}) and all(
        isinstance(getattr(kind, key, None), types.MemberDescriptorType) and not callable(value)
        for key, value in slots.items()
    )


def _has_own_way(kind: type) -> bool:
    """Tell whether a class reads its state itself, in another way than scikit-learn's estimators do."""
    own = getattr(kind, "__setstate__", None)
    return own is not None and own is not BaseEstimator.__setstate__


def _is_known(state: Any) -> bool:
    """The few things that are a state by themselves: a frame's table, and a generator's source of numbers."""
    managers = sys.modules.get("pandas.core.internals.managers")
    kinds = (np.random.BitGenerator, *((managers.BlockManager, managers.SingleBlockManager) if managers else ()))
    return isinstance(state, kinds)


def _is_distribution(kind: type) -> bool:
    """Tell whether a class is of scipy's distributions; their module is imported once one of them is."""
    own = sys.modules.get("scipy.stats._distn_infrastructure")
    return own is not None and issubclass(kind, own.rv_generic)


def is_own_parser(state: dict[str, Any]) -> bool:
    """Tell whether the Python text that scipy runs when it reads a distribution is the one that scipy itself writes."""
    from scipy.stats import _distn_infrastructure as scipy_own

    template = getattr(scipy_own, "parse_arg_template", None)
    shapes = state.get("shapes")
    named = isinstance(shapes, str) and _SHAPES.fullmatch(shapes)
    if template is None or not (shapes is None or named):
        return False
    texts = {
        "shape_arg_str": f"{shapes}, " if shapes else "",
        "locscale_in": "loc=0, scale=1",
        "locscale_out": "loc, scale",
    }
    text = state.get("_parse_arg_template")
    return type(text) is str and text == template % texts
