"""Objects of a store, by URI: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

A thin house over obstore, which takes credentials, region and endpoint from the usual environment (AWS_*, GOOGLE_*,
AZURE_*) and repeats what failed in passing. Errors name the URI and what to type, never what the library said:
its texts hold addresses, and an address may hold a signature.

Whatever reads raises InputRefused when there is no such object. Everything raises OutputFailed when the store refused
or could not be reached, and DependencyMissing without the library.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from mlship import extras
from mlship.errors import InputRefused, MlshipError, OutputFailed, UsageError

_SCHEMES = ("s3", "gs", "az")
_RETRIES, _RETRY_SECONDS = 5, 180
_REQUEST_SECONDS = 120  # a large part over a slow line takes its time
_LOOK = "Look at it, then run the command again."
_CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and AWS_ENDPOINT_URL when it is not Amazon's.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS to the path of a key file.",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN.",
}


@dataclass(frozen=True)
class Location:
    """A place in a store.

    Attributes:
        scheme: `s3`, `gs` or `az`.
        bucket: The bucket, or the container as Azure calls it.
        key: What comes after it, as it stands: nothing in it is decoded. Empty for the bucket itself.
    """

    scheme: str
    bucket: str
    key: str

    @property
    def root(self) -> str:
        """URI of the bucket, without a slash at its end."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def uri(self) -> str:
        """The whole URI."""
        return f"{self.root}/{self.key}"

    def at(self, key: str) -> Location:
        """Return another place of the same bucket."""
        return Location(self.scheme, self.bucket, key)


class Stamp(NamedTuple):
    """One version of an object, for conditions; S3 and Azure go by the first, Google by the second."""

    e_tag: str | None
    version: str | None


@dataclass(frozen=True)
class Found:
    """An object as the store tells of it.

    Attributes:
        uri: Its whole URI.
        size: Number of bytes.
        etag: The store's own name for these very bytes, quotes included; None where it gives none.
        modified: When it was put, by the store's clock.
        stamp: Which version of it this is; not to be had from a listing.
    """

    uri: str
    size: int
    etag: str | None
    modified: datetime = field(compare=False)
    stamp: Stamp = field(compare=False)


class ObjectThere(OutputFailed):
    """An object is there already that was to be made."""

    default_code = "object_there"


class ObjectChanged(OutputFailed):
    """An object is not the one any more that was to be replaced or read on."""

    default_code = "object_changed"


def is_uri(text: str) -> bool:
    """Tell whether a text names a place in a store, not a file."""
    return text.partition("://")[0].lower() in _SCHEMES and "://" in text


def parse(text: str) -> Location:
    """Take a URI apart.

    Raises:
        UsageError: It has no bucket, or a part in which a credential may be.
    """
    scheme, _, rest = text.partition("://")
    bucket, _, key = rest.partition("/")
    scheme = scheme.lower()
    if not is_uri(text):
        raise UsageError(f"'{text.partition('?')[0]}' is no URI of a store.", hint="Write s3://BUCKET/KEY.")
    if "@" in bucket or "?" in text or "#" in text:
        shown = f"{scheme}://{re.split('[?#/]', bucket.rpartition('@')[2])[0]}/..."
        raise UsageError(
            f"'{shown}' has a user name, '?' or '#' in it, which a place in a store cannot have.",
            hint=_CREDENTIALS[scheme],
        )
    if not re.fullmatch(r"[\w.-]+", bucket):
        raise UsageError(f"'{text}' names no bucket.", hint=f"Write {scheme}://BUCKET/KEY.")
    if any(part in ("", ".", "..") for part in key.split("/")[:-1]) or key in (".", ".."):
        raise UsageError(f"'{text}' has an empty part, '.' or '..' in it.", hint="Name the folder itself.")
    return Location(scheme, bucket, key)


def list_objects(folder: Location) -> Iterator[Found]:
    """Yield the objects under a folder, however deep, in the store's order; none when there is no such folder."""
    store, library = _store(folder)
    with _errors(folder, "listed"):
        for some in library.list(store, folder.key.rstrip("/") or None, chunk_size=1000):
            yield from (_found(folder, meta) for meta in some)


def head(place: Location) -> Found:
    """Return what the store tells of an object."""
    store, library = _store(place)
    with _errors(place, "read"):
        return _found(place, library.head(store, place.key))


def get(place: Location) -> tuple[bytes, Found]:
    """Return all bytes of a small object, and what the store tells of it."""
    store, library = _store(place)
    with _errors(place, "read"):
        result = library.get(store, place.key)
        return bytes(result.bytes()), _found(place, result.meta)


def get_if_there(place: Location) -> tuple[bytes, Found] | None:
    """Return what `get` does, or None when there is no such object, or not even such a bucket."""
    try:
        return get(place)
    except InputRefused:
        return None


def get_range(place: Location, start: int, stop: int, etag: str | None = None) -> bytes:
    """Return the bytes of an object from a position up to another, which must not lie at or beyond its end.

    Args:
        place: The object.
        start: The first byte.
        stop: The one after the last; more than there are is cut.
        etag: Which version of it is meant; None when any will do.

    Raises:
        ObjectChanged: It is another version.
    """
    store, library = _store(place)
    options: dict[str, Any] = {"range": (start, stop)}
    if etag is not None:
        options["if_match"] = etag
    with _errors(place, "read"):
        return bytes(library.get(store, place.key, options=options).bytes())


def stream(place: Location, block: int = 8 << 20) -> Iterator[bytes]:
    """Yield the bytes of an object in blocks, in order.

    Raises:
        ObjectChanged: It was replaced meanwhile.
    """
    found = head(place)
    for start in range(0, found.size, block):  # one request a block, so that each can be repeated by itself
        yield get_range(place, start, start + block, found.etag)


def put_new(place: Location, data: bytes) -> Stamp:
    """Make an object, whole or not at all.

    Raises:
        ObjectThere: There is one; perhaps this very one, when an answer got lost and the request was repeated.
    """
    return _put(place, data, "create")


def put_over(place: Location, data: bytes, stamp: Stamp) -> Stamp:
    """Replace one version of an object by another.

    Raises:
        ObjectChanged: It is another version, or gone; see `put_new` for repeated requests.
    """
    return _put(place, data, {name: value for name, value in stamp._asdict().items() if value is not None})


def put(place: Location, data: bytes | Iterable[bytes]) -> Stamp:
    """Make or replace an object, from bytes or block by block."""
    return _put(place, data, "overwrite")


def delete(places: Sequence[Location]) -> None:
    """Delete objects of one bucket; those that are not there do not matter."""
    if not places:
        return
    store, library = _store(places[0])
    keys = [place.key for place in places]  # S3 takes many at once, and knows no error for what is not there
    with _errors(places[0], "deleted"):
        for some in [keys] if places[0].scheme == "s3" else keys:
            with contextlib.suppress(FileNotFoundError):
                library.delete(store, some)


def _put(place: Location, data: bytes | Iterable[bytes], mode: str | dict[str, str]) -> Stamp:
    store, library = _store(place)
    with _errors(place, "written"):
        made = library.put(store, place.key, data if isinstance(data, bytes) else iter(data), mode=mode)
        return Stamp(_quoted(made["e_tag"]), made["version"])


def _found(place: Location, meta: Any) -> Found:
    stamp = Stamp(_quoted(meta["e_tag"]), meta["version"])
    return Found(place.at(meta["path"]).uri, int(meta["size"]), stamp.e_tag, meta["last_modified"], stamp)


def _quoted(etag: str | None) -> str | None:
    """An etag as HTTP has it; Azure leaves the quotes out in its listings."""
    return etag if etag is None or etag.endswith('"') else f'"{etag}"'


def _store(place: Location) -> tuple[Any, Any]:
    """The store's client, and the library's module."""
    library = _library(place.root)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    with _errors(place, "reached"):
        return _client(place.root, endpoint if place.scheme == "s3" else None), library


def _library(root: str, module: str = "obstore") -> Any:
    return extras.load(module, needed_for=f"'{root}'", hint="pip install 'mlship[cloud]'")


@lru_cache(maxsize=16)
def _client(root: str, endpoint: str | None) -> Any:
    """One client a bucket: it keeps connections open, and may be used by several threads."""
    # Who writes http:// in the endpoint means it; AWS_ALLOW_HTTP need not be set as well.
    options: dict[str, Any] = {"timeout": timedelta(seconds=_REQUEST_SECONDS)}
    if endpoint and endpoint.startswith("http://"):
        options["allow_http"] = True
    retries = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    config = {"endpoint": endpoint} if endpoint else None
    return _library(root, "obstore.store").from_url(root, config=config, client_options=options, retry_config=retries)


@contextlib.contextmanager
def _errors(place: Location, done: str) -> Iterator[None]:
    """Tell the library's errors as ours, without a word of their texts."""
    try:
        yield
    except Exception as error:  # the library's tree has no base that covers it all
        told = None if isinstance(error, MlshipError) else _told(place, done, error)
        if told is None:
            raise
        raise told from None  # with its cause, -v would print an address that may hold a signature


def _told(place: Location, done: str, error: Exception) -> MlshipError | None:
    said, kind = str(error), type(error).__name__
    what = f"'{place.uri}' could not be {done}: "
    refused = OutputFailed if done in ("written", "deleted") else InputRefused
    if "<Code>NoSuchBucket</Code>" in said or "<Code>ContainerNotFound</Code>" in said:
        return refused(f"'{place.root}': there is no such bucket.", hint="Make it, or look at name and endpoint.")
    if isinstance(error, FileNotFoundError):
        return refused(f"'{place.uri}' is not there.", hint="Look at the name and at the bucket; stores tell a from A.")
    if kind == "AlreadyExistsError":
        return ObjectThere(f"'{place.uri}' is there already.", hint=_LOOK)
    if kind == "PreconditionError":
        return ObjectChanged(f"'{place.uri}' was changed by something else meanwhile.", hint=_LOOK)
    status = re.search(r"status code: (\d{3})", said)
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or (status and status[1] in ("401", "403")):
        return OutputFailed(f"{what}the store refused the credentials.", hint=_CREDENTIALS[place.scheme])
    if not type(error).__module__.startswith("obstore"):
        return None
    reason = f"the store answered {status[1]}" if status else "the store could not be reached"
    return OutputFailed(f"{what}{reason}.", hint=f"Run the command again. {_CREDENTIALS[place.scheme]}")
