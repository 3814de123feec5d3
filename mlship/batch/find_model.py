"""Finding the model when the command does not name one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlship.errors import UsageError

_VARIABLE = "MLSHIP_MODEL"
_MOST_NAMES = 5


@dataclass(frozen=True)
class FoundModel:
    """A model file.

    Attributes:
        path: The file; whether it is there is told by opening it.
        guessed: Whether nobody named it, so that the user should be told which it is.
    """

    path: Path
    guessed: bool = False


def find_model(given: Path | None, folder: Path) -> FoundModel:
    """Return the model given, else that of MLSHIP_MODEL, else the only .onnx file of a folder.

    Args:
        given: What the command names, or None.
        folder: The current directory.

    Raises:
        UsageError: There is none, or there are several.
    """
    if given is not None:
        return FoundModel(given)
    named = os.environ.get(_VARIABLE)
    if named:
        return FoundModel(Path(named))
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".onnx" and path.is_file())
    if len(files) == 1:
        return FoundModel(files[0].relative_to(folder), guessed=True)
    if files:
        names = ", ".join(f"'{path.name}'" for path in files[:_MOST_NAMES])
        more = f" and {len(files) - _MOST_NAMES} more" if len(files) > _MOST_NAMES else ""
        raise UsageError(
            f"No model was named, and the current directory has {len(files)}: {names}{more}.",
            hint=f"Name one: mlship batch INPUT -m '{files[0].name}'",
            code="several_models",
        )
    raise UsageError(
        f"No model was named, {_VARIABLE} is not set, and the current directory has no .onnx file.",
        hint="Name one with -m MODEL, or make one from a fitted model with: mlship export MODEL",
        code="no_model",
    )
