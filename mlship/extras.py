"""Loading a library that need not be there, telling an absent one from a broken one."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from mlship.errors import DependencyMissing


def load(module: str, *, needed_for: str, hint: str) -> ModuleType:
    """Import a module by its dotted name.

    Args:
        module: Dotted name, such as `gunicorn.app.base`.
        needed_for: What the user wanted, in words, for the error's text.
        hint: What to type to get the library, or what to use instead.

    Raises:
        DependencyMissing: The library itself is not installed. An import error from inside an
            installed library passes through untouched: it is broken or of another version, not absent.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        absent = _absent_library(module, error.name or "")
        if absent is None:
            raise
        raise DependencyMissing(
            f"{needed_for} needs the library '{absent}', which is not installed.", hint=hint
        ) from error


def _absent_library(module: str, missing: str) -> str | None:
    """The library that is absent when a part of its dotted name cannot be found, or None when it is there."""
    if module != missing and not module.startswith(f"{missing}."):
        return None
    top = missing.partition(".")[0]
    if sys.modules.get(top, top) is None:  # blocked: Python then names the part of it that was asked for
        return top
    parent = sys.modules.get(missing.rpartition(".")[0])
    # A package without a file is a namespace that several libraries share, such as google.
    return None if getattr(parent, "__file__", None) else missing
