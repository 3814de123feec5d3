"""Which names a model file may import: an exact list, never a prefix.

`allowed.txt` holds one `module name` a line: estimator classes of scikit-learn and the classes and
reconstructors that fitted ones are made of. A prefix such as `sklearn.` would also let in functions that
run what they are given.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def allowed_names() -> frozenset[tuple[str, str]]:
    """Return the (module, name) pairs that may be imported."""
    text = files("mlship.export").joinpath("allowed.txt").read_text(encoding="utf-8")
    return frozenset(_pair(line) for line in text.splitlines() if line and not line.startswith("#"))


def _pair(line: str) -> tuple[str, str]:
    module, name = line.split(" ")
    return module, name


def is_allowed(module: str, name: str) -> bool:
    """Tell whether a model file may import a name; one with a dot, which walks attributes, never."""
    return "." not in name and (module, name) in allowed_names()
