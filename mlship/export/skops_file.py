"""Reading `.skops` files: a zip archive whose schema is audited, by skops and by us, before anything in it is made."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

from mlship import extras
from mlship.errors import ModelRefused
from mlship.export.loading import Loaded, Loading, Source
from mlship.export.pickled import absent
from mlship.export.skops_audit import Audit
from mlship.export.skops_nodes import Malformed
from mlship.export.sniff import too_large
from mlship.export.trust import refuse_untrusted, untrusted
from mlship.export.unpickler import Forbidden
from mlship.export.versions import check_versions

_SCHEMA = "schema.json"


def is_skops(source: Source) -> bool:
    """Tell whether a file is one of skops': a name that says so, or an archive with its schema.

    What is named .skops is never read as anything else, so that no file gets around the audit.
    """
    if source.path.suffix.lower() == ".skops":
        return True
    if not source.data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            return _SCHEMA in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def read_skops(source: Source, loading: Loading) -> Loaded:
    """Read the object in a file of skops'.

    Raises:
        DependencyMissing: skops is not installed.
        ModelRefused: It is damaged, unpacks to too much, holds types that are not trusted, or was saved by another
            major.minor version of scikit-learn.
    """
    skops = extras.load("skops.io", needed_for="A .skops file", hint="pip install 'mlship[skops]'")
    try:
        schema = _schema(source, loading)
        names = skops.get_untrusted_types(data=source.data)  # reads the schema, and makes nothing of it
        refuse_untrusted((_pair(name) for name in names), loading.trust, source)
        _audit(schema, source, loading)
        mismatch = check_versions(dict.fromkeys(_versions(schema)), source, allow=loading.allow_version_mismatch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator = skops.loads(source.data, trusted=names)
    except Forbidden as refused:
        raise untrusted(source, refused.verb, [refused.what]) from None
    except (ModelRefused, MemoryError):
        raise
    except ModuleNotFoundError as missing:
        raise absent(source, missing) from missing
    except Exception as error:  # what is in a damaged archive can fail in any way
        why = str(error) if isinstance(error, Malformed) else type(error).__name__
        raise ModelRefused(
            f"{source.name} cannot be read by skops: {why}; expected a file that skops.io.dump wrote.",
            hint="Copy or save the file again.",
            code="damaged",
        ) from error
    return Loaded(estimator, hashlib.sha256(source.data).hexdigest(), "skops", mismatch)


def _schema(source: Source, loading: Loading) -> Any:
    """The archive's schema, once it is known that all of it together is not too large."""
    most = loading.bounds.unpacked_for(len(source.data))
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        if sum(item.file_size for item in archive.infolist()) > most:  # no more than it says is ever unpacked
            raise too_large(source.name, most)
        return json.loads(archive.read(_SCHEMA))


def _audit(schema: Any, source: Source, loading: Loading) -> None:
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        Audit(archive, loading.trust, loading.bounds.unpacked_for(len(source.data))).check(schema)


def _pair(name: str) -> tuple[str, str]:
    module, _, own = name.rpartition(".")
    return module, own


def _versions(node: Any) -> Iterator[str]:
    """The versions of scikit-learn that the estimators in a schema were saved by."""
    if isinstance(node, list):
        for item in node:
            yield from _versions(item)
    elif isinstance(node, dict):
        said = node.get("_sklearn_version")
        if isinstance(said, dict) and isinstance(said.get("content"), str):
            yield str(json.loads(said["content"]))
        for item in node.values():
            yield from _versions(item)
