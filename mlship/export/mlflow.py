"""Finding the model file in a folder that MLflow's sklearn flavour wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlship.errors import ModelRefused, UsageError

_DESCRIPTION = "MLmodel"
_LARGEST = 2**20
_FORMATS = ("cloudpickle", "pickle", "joblib", "skops")


def is_mlflow(path: Path) -> bool:
    """Tell whether a folder is a model of MLflow's."""
    try:
        return (path / _DESCRIPTION).is_file()
    except (OSError, ValueError):  # a name that no file can have, which is told when it is read
        return False


def model_file(folder: Path) -> tuple[Path, str | None]:
    """Return the model file of MLflow's sklearn flavour, and the version of scikit-learn that the description tells.

    Raises:
        UsageError: The description cannot be read.
        ModelRefused: It is of another flavour, or names a file outside the folder, or none.
    """
    try:
        with (folder / _DESCRIPTION).open("rb") as stream:
            text = stream.read(_LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"'{folder}/{_DESCRIPTION}' cannot be read: {error.strerror}.", code="no_model") from error
    flavors = _mappings(text).get("flavors", {})
    sklearn = flavors.get("sklearn") if isinstance(flavors, dict) else None
    if not isinstance(sklearn, dict):
        own = ", ".join(name for name in flavors if name != "python_function") or "no flavour that mlship knows"
        raise ModelRefused(
            f"'{folder}' is an MLflow model of {_shown(own)}; expected one of the flavour sklearn.",
            hint="Name the model file in it, if mlship reads files of its kind.",
            code="not_a_model",
        )
    written = sklearn.get("serialization_format", "pickle")
    named = sklearn.get("pickled_model")
    if written not in _FORMATS or not isinstance(named, str):
        raise ModelRefused(
            f"'{folder}' does not say in {_DESCRIPTION} which file holds the model, or how it was written.",
            hint="Name the model file in it.",
            code="not_a_model",
        )
    version = sklearn.get("sklearn_version")
    return _inside(folder, named), version if isinstance(version, str) else None


def _inside(folder: Path, named: str) -> Path:
    """The file that the description names, which has to lie in the folder when all links are followed."""
    try:
        found = (folder / named).resolve(strict=True)
    except (OSError, ValueError):
        raise ModelRefused(
            f"'{folder}' has no file '{_shown(named)}', which its {_DESCRIPTION} names.",
            hint="Copy the folder again.",
            code="damaged",
        ) from None
    if not found.is_relative_to(folder.resolve()):
        raise ModelRefused(
            f"'{folder}' names a model file outside of itself: '{_shown(named)}'.",
            hint="Do not load it.",
            code="untrusted",
        )
    return found


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])


def _mappings(text: str) -> dict[str, Any]:
    """The nested block mappings of a YAML file whose values are plain or quoted texts; all else in it is left out.

    MLflow writes no other form for the keys that are read here. No YAML library is among what mlship needs, and a full
    one reads much more than that from a file that nobody trusts yet.
    """
    root: dict[str, Any] = {}
    open_blocks: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for line in text.splitlines():
        stripped = line.strip()
        key, colon, value = stripped.partition(":")
        if not colon or stripped.startswith(("#", "-", "{", "'", '"')) or (value and not value.startswith(" ")):
            continue
        indent = len(line) - len(line.lstrip(" "))
        while open_blocks[-1][0] >= indent:
            open_blocks.pop()
        block = open_blocks[-1][1]
        value = value.strip()
        if value:
            block[key] = value[1:-1] if value[0] in "'\"" and value[-1] == value[0] and len(value) > 1 else value
        else:
            block[key] = {}
            open_blocks.append((indent, block[key]))
    return root
