"""Which names a model file may import, and which of them it may call: an exact list, never a prefix.

`allowed.txt` holds one `module name` a line: estimator classes of scikit-learn and what fitted ones are made
of. A prefix such as `sklearn.` would also let in functions that run what they are given. A third word, `call`,
marks the few reconstructors that a file may call with arguments of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_MISNAMED = {"_loss": "sklearn._loss._loss"}  # what scikit-learn up to 1.8 writes for its compiled losses


@cache
def allowed_names() -> dict[tuple[str, str], bool]:
    """Return the (module, name) pairs that may be imported, each with whether it may be called too."""
    text = files("mlship.export").joinpath("allowed.txt").read_text(encoding="utf-8")
    return dict(_entry(line) for line in text.splitlines() if line and not line.startswith("#"))


def _entry(line: str) -> tuple[tuple[str, str], bool]:
    module, name, *call = line.split(" ")
    return (module, name), call == ["call"]


def true_module(module: str) -> str:
    """Return where a module is that a file names wrongly."""
    return _MISNAMED.get(module, module)


def is_allowed(module: str, name: str, trust: Sequence[str] = ()) -> bool:
    """Tell whether a model file may import a name; one with a dot, which walks attributes, never.

    Args:
        module: Where it is.
        name: What it is called there.
        trust: What the user allows besides, each `module.name` in full.
    """
    return "." not in name and ((true_module(module), name) in allowed_names() or f"{module}.{name}" in trust)


def is_callable(module: str, name: str) -> bool:
    """Tell whether a model file may call a name of the list with arguments of its own."""
    return allowed_names().get((module, name), False)
