"""An object of Cloud Storage is scored as `mlship batch` scores it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlship import objects
from mlship.errors import UsageError
from mlship.model.session import SessionSpec, open_session

_log = logging.getLogger(__name__)
SOURCE = "storage"


def is_passed_over(place: objects.Location, folders: list[objects.Location]) -> bool:
    """Tell whether an object is none to score: an empty one that stands for a folder, or what a function wrote.

    Args:
        place: The object.
        folders: Where functions write.

    Raises:
        UsageError: They write all over the bucket that events come from.
    """
    for folder in folders:
        if folder.bucket == place.bucket and not folder.key:
            raise UsageError(
                f"Results go to '{folder.uri}', which is where objects come from: each would be scored again.",
                hint=f"Set MLSHIP_RESULTS to a folder, such as {folder.uri}scored/, or to another bucket.",
            )
    if place.key.endswith("/"):
        return True
    return any(folder.bucket == place.bucket and place.key.startswith(folder.key) for folder in folders)


def score_object(model: Path, place: objects.Location, results: objects.Location) -> Mapping[str, Any]:
    """Score an object into a folder of its name, and return the report of it.

    The same object again is no work, and one that was replaced replaces its own results.

    Args:
        model: The ONNX file.
        place: The object; its name tells its format.
        results: Where the folder goes.

    Raises:
        InputRefused: It is gone, cannot be read, or has too many rejected rows.
        UsageError: It has columns that it must not have, or a name that tells no format.
        OutputLocked: It is being scored.
        OutputFailed: The store failed.
        ModelRefused: The model's runtime failed.
        DependencyMissing: A library of `mlship batch` is not installed.
    """
    from mlship.batch.inputs import find_inputs
    from mlship.batch.job import BatchJob
    from mlship.batch.prepare import prepare
    from mlship.batch.run import run

    job = BatchJob(tuple(find_inputs([place.uri], None)), output=f"{results.uri}{place.key}/")
    session = open_session(SessionSpec(model, "bulk"))
    return run(prepare(job, model, session, _log.info), lambda *_: None, ()).to_json()
