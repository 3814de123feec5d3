"""An archive of mlship and of the libraries that a batch needs, for executors that have none (`--ship-deps`)."""

from __future__ import annotations

import re
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import mlship

_NEEDED = ("numpy", "onnx", "onnxruntime", "orjson", "polars", "prometheus-client", "pyarrow")
"""What workers import, by the names of the distributions; what these need comes with them."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def packed_libraries(folder: Path) -> Path:
    """Make the archive.

    Args:
        folder: Where to put it.

    Returns:
        A zip file with packages at its top.
    """
    archive = folder / "mlship-deps.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as stream:
        root = Path(mlship.__file__).parent
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                stream.write(path, Path("mlship", path.relative_to(root)))
        for name in sorted(_closure()):
            _add(stream, distribution(name))
    return archive


def _closure() -> set[str]:
    """The distributions needed, and those that they need."""
    found: set[str] = set()
    left = list(_NEEDED)
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            there = distribution(name)
        except PackageNotFoundError:  # needed elsewhere only, such as on another system
            continue
        found.add(name)
        for requirement in there.requires or ():
            match = _REQUIREMENT.match(requirement)
            if match is not None and "extra ==" not in requirement:
                left.append(match[0].lower())
    return found


def _add(stream: zipfile.ZipFile, there: Distribution) -> None:
    for file in there.files or ():
        if ".." in file.parts or "__pycache__" in file.parts or "tests" in file.parts:
            continue
        path = Path(str(there.locate_file(file)))
        if path.is_file():
            stream.write(path, str(file))
