"""Reading a fitted model from its file without running what the file says.

A pickle is a program. What it would import is listed first, and has to be in an exact allow-list; only then is it
loaded. An export does all of this in a child process that has limits. Each kind of file has its reader, in one table.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from mlship.errors import ModelRefused, UsageError
from mlship.export.loading import Loaded, Loading, Source
from mlship.export.native import is_native, read_native
from mlship.export.pickled import read_pickle
from mlship.export.skops_file import is_skops, read_skops
from mlship.export.versions import check_versions
from mlship.export.vetting import vet

_HINTS = {
    "Booster": "Export the file of its save_model(FILE), or pickle the estimator of its library that holds it.",
}
"""What to do with an object that is no estimator, by the name of its type."""


class _Kind(NamedTuple):
    is_it: Callable[[Source], bool]
    read: Callable[[Source, Loading], Loaded]


_KINDS = (
    _Kind(is_skops, read_skops),
    _Kind(is_native, read_native),
    _Kind(lambda _source: True, read_pickle),
)
"""What files there are, the first that it is decides; a pickle has no mark of its own, so it comes last."""


def load_source(source: Source, loading: Loading) -> Loaded:
    """Load a fitted estimator out of what was read, in this process, where `importable` finds the user's modules.

    Args:
        source: The model file as it was read.
        loading: What the user allows.

    Raises:
        ModelRefused: It is no model file, imports what is not allowed, is damaged, hits a limit, was saved by another
            major.minor version of scikit-learn, holds no estimator or an unfitted one.
        DependencyMissing: The library that it needs is not installed.
    """
    check_versions([source.said] if source.said else [], source, allow=loading.allow_version_mismatch)
    read = next(kind.read for kind in _KINDS if kind.is_it(source))
    loaded = read(source, loading)
    _check_type(loaded.estimator, source.name)
    vet(loaded.estimator, source.name, loading.trust)  # before even whether it is fitted is asked of it
    _check_fitted(loaded.estimator, source.name)
    return loaded


@contextlib.contextmanager
def importable(folders: Sequence[Path]) -> Iterator[None]:
    """Let Python find the user's own modules.

    Raises:
        UsageError: A folder is not there.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"There is no folder '{folder}' to find modules in.", hint="Name one with --python-path.")
    added = [str(folder.resolve()) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for entry in added:
            with contextlib.suppress(ValueError):
                sys.path.remove(entry)


def _check_type(estimator: Any, name: str) -> None:
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise ModelRefused(
            f"{name} holds an object of type {type(estimator).__name__}, not a fitted estimator.",
            hint=_HINTS.get(type(estimator).__name__, "Save the fitted estimator or pipeline itself."),
            code="not_a_model",
        )


def _check_fitted(estimator: Any, name: str) -> None:
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise ModelRefused(
            f"{name} holds a {type(estimator).__name__} that has not been fitted.",
            hint="Call fit before saving it.",
            code="not_fitted",
        ) from error
