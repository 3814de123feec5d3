"""Finding and reading a model file, before anything is known of what is in it."""

from __future__ import annotations

from pathlib import Path

from mlship.errors import ModelRefused, UsageError
from mlship.export.loading import Source
from mlship.export.mlflow import is_mlflow, model_file

_WANTED = "expected a fitted scikit-learn model saved by pickle or joblib"


def read_source(path: Path) -> Source:
    """Read a model file's bytes, or those of the file that a folder of MLflow's names.

    Raises:
        UsageError: There is no such file.
        ModelRefused: It is not a regular file, or the folder is of another flavour.
    """
    file, said = model_file(path) if is_mlflow(path) else (path, None)
    return Source(file, _read(file), path, said)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; {_WANTED}.", hint="Name the file in it.", code="no_model")
    if path.exists() and not path.is_file():
        raise ModelRefused(f"'{path}' is not a regular file; {_WANTED}.", code="not_a_model")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no model file '{path}'.", hint="ls shows what is here.", code="no_model") from None
    except OSError as error:
        raise UsageError(f"The model file '{path}' cannot be read: {error.strerror}.", code="no_model") from error
