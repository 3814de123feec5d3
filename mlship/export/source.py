"""Finding and reading a model file, before anything is known of what is in it."""

from __future__ import annotations

from pathlib import Path

from mlship.export.loading import Source
from mlship.export.mlflow import is_mlflow, model_file
from mlship.export.reading import read_model_file


def read_source(path: Path) -> Source:
    """Read a model file's bytes, or those of the file that a folder of MLflow's names.

    Raises:
        UsageError: There is no such file.
        ModelRefused: It is not a regular file, or the folder is of another flavour.
    """
    file, said = model_file(path) if is_mlflow(path) else (path, None)
    return Source(file, read_model_file(file), path, said)
