"""Reading a fitted model from its file without running what the file says.

A pickle is a program. Its imports pass through an exact allow-list, so that a file which asks for
anything else is refused before that thing is even imported.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from mlship.errors import ModelRefused, UsageError
from mlship.export.sniff import looks_like, unpacked
from mlship.export.unpickler import Forbidden, ModelUnpickler

_WANTED = "expected a fitted scikit-learn model saved by pickle or joblib"
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Loaded:
    """A model that was read.

    Attributes:
        estimator: The fitted estimator.
        digest: sha256 of the file, 64 hexadecimal digits.
        kind: How it was saved, such as `pickle`.
    """

    estimator: Any
    digest: str
    kind: str


def load_model(path: Path) -> Loaded:
    """Read a fitted estimator.

    Raises:
        UsageError: There is no such file.
        ModelRefused: It is no pickle, imports what is not allowed, is damaged, was saved by another
            major.minor version of scikit-learn, holds no estimator or an unfitted one.
    """
    data = _read(path)
    name = f"'{path}'"
    raw = unpacked(data, name)
    look = looks_like(raw)
    if look is not None:
        raise ModelRefused(f"{name} is not a model file: it looks like {look}; {_WANTED}.", code="not_a_model")
    estimator = _unpickle(raw, name)
    _check_estimator(estimator, name)
    kind = "joblib" if raw is not data or b"NumpyArrayWrapper" in raw else "pickle"
    return Loaded(estimator, hashlib.sha256(data).hexdigest(), kind)


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


def _unpickle(raw: bytes, name: str) -> Any:
    stream = io.BytesIO(raw)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = ModelUnpickler(stream).load()
            more = stream.tell() < len(raw)
            if more:  # whoever reads on would run it: say what it asks for
                ModelUnpickler(stream).load()
        except Forbidden as refused:
            raise _untrusted(name, refused) from None
        except Exception as error:  # a damaged pickle can fail in any way that Python code can
            versions = _versions(caught)
            if versions:
                raise _other_version(name, *versions) from error
            raise ModelRefused(
                f"{name} cannot be read as a pickle: {type(error).__name__}; {_WANTED}.",
                hint="Copy or save the file again.",
                code="damaged",
            ) from error
    versions = _versions(caught)
    if versions:
        raise _other_version(name, *versions)
    if more:
        raise ModelRefused(f"{name} holds more than one object; {_WANTED}.", code="not_a_model")
    return estimator


def _untrusted(name: str, refused: Forbidden) -> ModelRefused:
    # the file chose the name: it may be of any length, and hold what moves a terminal's cursor
    shown = "".join(letter if letter.isprintable() else "?" for letter in refused.what[:_LONGEST_NAME])
    return ModelRefused(
        f"{name} would {refused.verb} '{shown}', which is no part of a model that mlship knows. It was not run.",
        hint="If you made this file, export a pipeline of scikit-learn's own steps. If not, do not load it.",
        code="untrusted",
    )


def _versions(caught: list[warnings.WarningMessage]) -> tuple[str, str] | None:
    """The versions of scikit-learn then and now, when they differ in major or minor."""
    for item in caught:
        if isinstance(item.message, InconsistentVersionWarning):
            then = str(item.message.original_sklearn_version)
            now = str(item.message.current_sklearn_version)
            if then.split(".")[:2] != now.split(".")[:2]:
                return then, now
    return None


def _other_version(name: str, then: str, now: str) -> ModelRefused:
    return ModelRefused(
        f"{name} was saved by scikit-learn {then}, and {now} is installed; its answers could differ.",
        hint=f"pip install 'scikit-learn=={then}'",
        code="other_version",
    )


def _check_estimator(estimator: Any, name: str) -> None:
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise ModelRefused(
            f"{name} holds an object of type {type(estimator).__name__}, not a fitted estimator.", code="not_a_model"
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise ModelRefused(
            f"{name} holds a {type(estimator).__name__} that has not been fitted.",
            hint="Call fit before saving it.",
            code="not_fitted",
        ) from error
