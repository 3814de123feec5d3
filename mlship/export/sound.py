"""What a file may say to the few names that it may call, or whose state is more than plain attributes.

Some names are needed by sound models and would run anything in the hands of another file. Each is let in only in the
one way in which fitted models use it.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

_BASES = (object, tuple, dict)  # what classes of scikit-learn derive from, as protocols 0 and 1 say it
_SHAPES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(, [A-Za-z_][A-Za-z0-9_]*)*")
_CHECKS = ("sklearn.utils.validation", "check_array")


def is_sound_call(name: str, arguments: Any) -> bool:
    """Tell whether a call that may be made is made with the arguments that it is meant for."""
    if name == "dtype":
        return isinstance(arguments[0], str)
    if name == "_reconstructor":  # (class, what it derives from, state)
        return len(arguments) == 3 and arguments[1] in _BASES
    if name in ("__generator_ctor", "__randomstate_ctor"):
        return len(arguments) < 2 or getattr(arguments[1], "__name__", "") == "__bit_generator_ctor"
    if name == "partial":
        return len(arguments) == 1 and _is_check(arguments[0])
    if name == "_new_Index":  # it makes an object of the class that it is given
        return len(arguments) == 2 and _is_index(arguments[0])
    return True


def is_sound_state(thing: Any, state: Any) -> bool:
    """Tell whether a state is one that the thing's own class wrote, where another could run code."""
    own = state[1] if isinstance(state, tuple) and len(state) == 2 else state
    if isinstance(thing, functools.partial):  # its state holds the function once more
        return isinstance(state, tuple) and len(state) == 4 and _is_check(state[0])
    if _is_distribution(thing):
        return isinstance(state, dict) and _is_own_parser(state)
    if isinstance(own, dict):
        model = {"__model"} if type(thing).__module__ == "catboost.core" else set()  # the model's bytes
        return not any(isinstance(key, str) and key.startswith("__") for key in own.keys() - model)
    return True


def checked(name: str, made: Any) -> None:
    """Have a thing that was made of raw bytes look at itself, where it can.

    Raises:
        ValueError: It reaches outside its bytes.
    """
    if name == "_restore_array":  # pyarrow believes the lengths that it is told
        made.validate(full=True)


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


def _is_check(function: Any) -> bool:
    """Tell whether a function is check_array, the only one that scikit-learn keeps arguments for."""
    return (getattr(function, "__module__", ""), getattr(function, "__name__", "")) == _CHECKS


def _is_index(kind: Any) -> bool:
    import pandas as pd

    return isinstance(kind, type) and issubclass(kind, pd.Index)


def _is_distribution(thing: Any) -> bool:
    """Tell whether a thing is a distribution of scipy's; it is, once its module has been imported by its name."""
    return type(thing).__module__ == "scipy.stats._continuous_distns"


def _is_own_parser(state: dict[str, Any]) -> bool:
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
    return bool(state.get("_parse_arg_template") == template % texts)
