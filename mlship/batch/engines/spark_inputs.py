"""What a command names for Spark to read: paths of this machine, and URIs of file systems that the cluster reaches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlship.batch.engines import spark_frames as frames
from mlship.batch.engines.spark_pieces import Block
from mlship.batch.inputs import Input, find_inputs
from mlship.errors import InputRefused
from mlship.tables.memory import Memory
from mlship.tables.partitions import partition_values
from mlship.tables.registry import kind_of, known_kind, open_source

if TYPE_CHECKING:
    from mlship.tables.contract import Source
    from mlship.tables.dialect import Told

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/.*")
_PLACE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/]*))?/*(.*)", re.DOTALL)
_PATTERN = re.compile(r"[*?\[{]")
_HEAD_LINES = 20_000


def is_uri(name: str) -> bool:
    """Tell whether a name is a URI, and no path of this machine."""
    return _URI.fullmatch(name) is not None and not name.startswith("file:")


def inside(uri: str, folder: str) -> str | None:
    """Return what a file's URI has below a folder's, empty for the folder itself; None where it lies elsewhere.

    The name of a file system counts only where both tell it: `hdfs:///in/` is listed as `hdfs://host:port/in/`.
    """
    ours, theirs = _PLACE.fullmatch(uri), _PLACE.fullmatch(folder)
    if ours is None or theirs is None or ours[1] != theirs[1] or (ours[2] and theirs[2] and ours[2] != theirs[2]):
        return None
    path, base = ours[3], theirs[3].rstrip("/")
    if path == base or not base:
        return path if not base else ""
    return path[len(base) + 1 :] if path.startswith(f"{base}/") else None


@dataclass(frozen=True)
class ClusterInput(Input):
    """A file that Spark reaches, and this process by Spark only; see `batch.inputs.Input`.

    Attributes:
        spark: The session.
    """

    spark: Any = None

    def open(self, chunk_size: int, told: Told) -> Source:
        """Open its beginning, which tells the columns."""
        from mlship.tables.arrow import no_rows

        path = frames.literal(self.name)
        if self.kind.format.bytewise:
            head = Memory(self.name, frames.head_of(self.spark, path, _HEAD_LINES))
            source = open_source(type(self.kind)(self.kind.format), head, chunk_size, told)
        else:
            arrow = frames.arrow_schema(frames.read_parquet(self.spark, [path]).schema)
            block: Any = Block(tuple(arrow.names), _unread, lambda names: no_rows(arrow, names))
            source = block
        if not self.keys:
            return source
        from mlship.tables.partitions import PartitionedSource

        return PartitionedSource(source, self.keys)

    def now(self) -> dict[str, Any]:
        """Return its state as it was: that it changed is seen by the number of bytes that came."""
        return self.state


def _unread(wanted: Any) -> Any:
    raise AssertionError(wanted)


def find_spark_inputs(given: Sequence[str], stdin_format: str | None, spark: Callable[[], Any]) -> list[Input]:
    """Return the files that a command names, each once.

    Args:
        given: Paths as for `batch.inputs.find_inputs`, and URIs.
        stdin_format: As for `find_inputs`.
        spark: Gives the session, where there are URIs.

    Raises:
        InputRefused: There is no such file.
        UsageError: As for `find_inputs`.
    """
    if not any(is_uri(name) for name in given):
        return find_inputs([_path(name) for name in given], stdin_format)
    found: dict[str, Input] = {}
    for name in given:
        for one in _expanded(name, spark()) if is_uri(name) else find_inputs([_path(name)], stdin_format):
            found.setdefault(one.name, one)
    return list(found.values())


def _path(name: str) -> str:
    """A path of this machine, which may be written as a URI."""
    return "/" + name.removeprefix("file:").lstrip("/") if name.startswith("file:/") else name


def _expanded(uri: str, spark: Any) -> Iterator[Input]:
    files = sorted(frames.listed(spark, uri))
    base = _fixed(uri)
    names = {path: inside(path, base) for path, _, _ in files}
    alone = list(names.values()) == [""]
    given = [file for file in files if alone or (kind_of(file[0]) and not _hidden(names[file[0]] or file[0]))]
    if not given:
        raise InputRefused(f"'{uri}' has no file to score.", hint="Check it where Spark runs.", code="no_input")
    for path, size, changed in given:
        if size == 0:
            raise InputRefused(f"'{path}' is empty.", hint="Check what should have written it.", code="empty_input")
        keys = partition_values(PurePosixPath(names[path] or ""))
        yield ClusterInput(path, known_kind(path), None, keys, {"size": size, "changed": changed}, spark)


def _fixed(uri: str) -> str:
    """The folders of a pattern before its first special character; what is no pattern, as it is."""
    special = _PATTERN.search(uri)
    return uri if special is None else uri[: uri.rindex("/", 0, special.start())]


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) or part.endswith(".rejects") for part in name.split("/"))
