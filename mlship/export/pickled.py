"""Reading a pickle, also one that joblib wrote or compressed: listed first, loaded then."""

from __future__ import annotations

import hashlib
import io
import shlex
import warnings
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from mlship.errors import DependencyMissing, ModelRefused
from mlship.export.listing import list_pickle
from mlship.export.loading import Loaded, Loading, Source
from mlship.export.sniff import ONNX, looks_like, unpacked
from mlship.export.trust import refuse_untrusted, untrusted
from mlship.export.unpickler import Forbidden, ModelUnpickler
from mlship.export.versions import check_versions, other_version

_WANTED = "expected a fitted scikit-learn model saved by pickle or joblib"
_OTHER_FILES = {
    ".cbm": "expected a model that CatBoost's save_model wrote",
    ".json": "expected a model that XGBoost's save_model wrote",
    ".txt": "expected a model that LightGBM's booster_.save_model wrote",
    ".ubj": "expected a model that XGBoost's save_model wrote",
}
"""What files with such a suffix should hold."""
_DISTRIBUTIONS = {"imblearn": "imbalanced-learn", "sklearn": "scikit-learn"}
_LIBRARIES = ("catboost", "category_encoders", "imblearn", "lightgbm", "xgboost")


def read_pickle(source: Source, loading: Loading) -> Loaded:
    """Read the object in a pickle.

    Raises:
        ModelRefused: It is no pickle, imports what is not allowed, is damaged, holds more than one object, or was
            saved by another major.minor version of scikit-learn.
        DependencyMissing: It is a model of a library that is not installed.
    """
    raw = unpacked(source.data, source.name, loading.bounds.unpacked_for(len(source.data)))
    look = looks_like(raw)
    if look is not None:
        raise ModelRefused(
            f"{source.name} is not a model file: it looks like {look}; {_wanted(source)}.",
            hint=f"Score with it: mlship batch FILE -m {shlex.quote(str(source.given))}" if look == ONNX else None,
            code="not_a_model",
        )
    listing = list_pickle(raw)
    refuse_untrusted(listing.names, loading.trust, source)
    mismatch = check_versions(listing.sklearn, source, allow=loading.allow_version_mismatch)
    if listing.objects > 1:
        raise ModelRefused(f"{source.name} holds more than one object; {_wanted(source)}.", code="not_a_model")
    estimator = _loaded(raw, source, loading, mismatch)  # tells better what is wrong with a damaged one
    if listing.broken:
        raise _damaged(source, listing.broken)
    kind = "joblib" if raw is not source.data or b"NumpyArrayWrapper" in raw else "pickle"
    return Loaded(estimator, hashlib.sha256(source.data).hexdigest(), kind, mismatch)


def _loaded(raw: bytes, source: Source, loading: Loading, mismatch: tuple[str, str] | None) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = ModelUnpickler(io.BytesIO(raw), loading.trust).load()
        except Forbidden as refused:
            raise untrusted(source, refused.verb, [refused.what]) from None
        except MemoryError:
            raise
        except ModuleNotFoundError as missing:
            raise absent(source, missing) from missing
        except Exception as error:  # a damaged pickle can fail in any way that Python code can
            if mismatch:
                raise other_version(source, mismatch[0], f"it cannot be read: {type(error).__name__}") from error
            raise _damaged(source, type(error).__name__) from error
    if not loading.allow_version_mismatch:  # an estimator's state that says no version at all
        said = [item.message for item in caught if isinstance(item.message, InconsistentVersionWarning)]
        check_versions((str(message.original_sklearn_version) for message in said), source, allow=False)
    return estimator


def _wanted(source: Source) -> str:
    return _OTHER_FILES.get(source.path.suffix.lower(), _WANTED)


def _damaged(source: Source, error: str) -> ModelRefused:
    return ModelRefused(
        f"{source.name} cannot be read as a pickle: {error}; {_wanted(source)}.",
        hint="Copy or save the file again.",
        code="damaged",
    )


def absent(source: Source, error: ModuleNotFoundError) -> ModelRefused | DependencyMissing:
    """The refusal of a file whose code is not installed."""
    missing = (error.name or "").partition(".")[0]
    if missing in _LIBRARIES:
        return DependencyMissing(
            f"{source.name} needs the library '{missing}', which is not installed.",
            hint=f"pip install {_DISTRIBUTIONS.get(missing, missing)}",
        )
    return ModelRefused(
        f"{source.name} needs the module '{error.name}', which cannot be found.",
        hint="Say where it lies with --python-path DIR.",
        code="module_not_found",
    )
