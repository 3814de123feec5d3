"""Loading a library that need not be there, telling an absent one from a broken one."""

from __future__ import annotations

import importlib
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
            installed library passes through untouched: it is broken, not absent.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise DependencyMissing(
            f"{needed_for} needs the library '{top}', which is not installed.", hint=hint
        ) from error
