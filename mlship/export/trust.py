"""Refusing a file for the names that it asks for: all of them named, with what to do about each kind."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence

from mlship.errors import ModelRefused
from mlship.export.allowed import is_allowed
from mlship.export.loading import Source

_MOST_NAMES = 5
_LONGEST_NAME = 200
_KNOWN = {
    "catboost",
    "category_encoders",
    "cloudpickle",
    "copy_reg",
    "imblearn",
    "joblib",
    "lightgbm",
    "mlship",
    "nt",
    "numpy",
    "pandas",
    "pip",
    "posix",
    "scipy",
    "setuptools",
    "sklearn",
    "skops",
    "torch",
    "xgboost",
}
"""Packages whose names are no code of the user's, besides those of Python itself."""


def refuse_untrusted(names: Iterable[tuple[str, str]], trust: Sequence[str], source: Source) -> None:
    """Let pass a file that asks only for known and trusted names.

    Raises:
        ModelRefused: It asks for others; the first few are named, and how many more there are.
    """
    unknown = [pair for pair in names if not is_allowed(*pair, trust)]
    if unknown:
        own = [f"{module}.{name}" for module, name in unknown if _is_own(module) and name.isidentifier()]
        raise untrusted(source, "import", [".".join(pair) for pair in unknown], own)


def untrusted(source: Source, verb: str, names: Sequence[str], own: Sequence[str] = ()) -> ModelRefused:
    """The refusal of a file for what it would do to names.

    Args:
        source: The file.
        verb: What it would do.
        names: The names.
        own: Those of them that may be code of the user's own, and that --trust would let in.
    """
    shown = ", ".join(f"'{_printable(name)}'" for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    are = "which is no part" if len(names) == 1 else "which are no part"
    ran = "It was not run" if len(names) == 1 else "None of them was run"
    return ModelRefused(
        f"{source.name} would {verb} {shown}{more}, {are} of a model that mlship knows. {ran}.",
        hint=_hint(source, names, own),
        code="untrusted",
    )


def _hint(source: Source, names: Sequence[str], own: Sequence[str]) -> str:
    if any(name.startswith("__main__.") for name in own):
        return (
            "What a script or notebook defines cannot be found again: move it to a module, fit and save the model "
            "again, then --python-path DIR --trust MODULE.NAME."
        )
    if len(own) == len(names) <= _MOST_NAMES:
        trust = " ".join(f"--trust {shlex.quote(name)}" for name in own)
        return f"If this is your own code: mlship export {shlex.quote(str(source.given))} --python-path DIR {trust}"
    return "If you made this file, export a pipeline of scikit-learn's own steps. If not, do not load it."


def _is_own(module: str) -> bool:
    """Tell whether a module may be the user's own; nobody is told to trust one of Python's or of a library's."""
    top = module.partition(".")[0]
    known = top in _KNOWN or (top in sys.stdlib_module_names and top != "__main__")
    return not known and all(part.isidentifier() for part in module.split("."))


def _printable(name: str) -> str:
    """The file chose the name: it may be of any length, and hold what moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])
