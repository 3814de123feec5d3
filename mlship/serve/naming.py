"""The names that models are served by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from mlship.errors import UsageError
from mlship.objects import is_uri

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_GIVEN = re.compile(r"([^=/\\]+)=(.+)")


def named(arguments: Sequence[str]) -> dict[str, str]:
    """Return the path or URI of each model by its name.

    Args:
        arguments: `NAME=MODEL`, or `MODEL`, whose name is the file's without its ending.

    Raises:
        UsageError: Two models have one name, or a name cannot stand in a path.
    """
    found: dict[str, str] = {}
    for argument in arguments:
        given = None if is_uri(argument) else _GIVEN.fullmatch(argument)
        name, source = (given[1], given[2]) if given else (PurePosixPath(argument).stem, argument)
        if not _NAME.fullmatch(name):
            if given or len(arguments) > 1:
                raise UsageError(
                    f"'{name}' cannot be the name of a model in a path; letters, digits, '_', '.' and '-' can.",
                    hint=f"Give it another name: model='{source}'",
                )
            name = fit_for_paths(name)
        if name in found:
            raise UsageError(f"Two models are called '{name}'.", hint=f"Give one another name: {name}_2='{source}'")
        found[name] = source
    return found


def fit_for_paths(name: str) -> str:
    """Return a name as near to another as can stand in a path."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100].lstrip(".-") or "model"
