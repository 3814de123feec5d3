"""From what the command names to the files to score: files, folders, patterns, URIs, standard input."""

from __future__ import annotations

import glob
import os
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlship import objects
from mlship.batch.outputs.work import FileState, work_folder
from mlship.batch.rejects import is_rejects_file
from mlship.errors import InputRefused, UsageError
from mlship.tables.partitions import PartitionedSource, partition_values
from mlship.tables.registry import FORMATS, Kind, by_name, kind_of, known_kind, open_source
from mlship.tables.stored import ObjectInput
from mlship.tables.streams import Pipe

if TYPE_CHECKING:
    from mlship.tables.contract import Source
    from mlship.tables.dialect import Told

STDIN = "-"


@dataclass(frozen=True)
class Input:
    """One file to score.

    Attributes:
        name: What the user calls it.
        kind: Its format and packing.
        path: Where it is on a disk, or None.
        keys: Columns that its folders' names give (`year=2026`), with their values; None is null.
        state: What changes when it is written to, as plain JSON values.
    """

    name: str
    kind: Kind
    path: Path | None = None
    keys: dict[str, str | None] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def piped(self) -> bool:
        """Whether it is standard input, which can be read once."""
        return self.name == STDIN

    def open(self, chunk_size: int, told: Told) -> Source:
        """Open it; see `tables.registry.open_source`."""
        place: Any = self.path
        if self.piped:
            place = Pipe("standard input", sys.stdin.buffer)
        elif self.path is None:
            place = ObjectInput(self.name) if self.kind.format.bytewise else self.name
        source = open_source(self.kind, place, chunk_size, told)
        return PartitionedSource(source, self.keys) if self.keys else source

    def now(self) -> dict[str, Any]:
        """Return its present state, empty when it is gone."""
        if self.piped:
            return self.state
        if self.path is None:
            return _state(self.name)
        found = FileState.of(self.path)
        return {} if found is None else found.to_json()


def find_inputs(given: Sequence[str], stdin_format: str | None) -> list[Input]:
    """Return the files that a command names, each once, in the order of the arguments, folders' sorted by name.

    What mlship wrote itself (outputs, rejects, journals), and hidden files, are passed over in folders and patterns.

    Args:
        given: Paths of files and folders, patterns such as `data/*.csv`, URIs, or `-`.
        stdin_format: Name of the format of standard input, or None for CSV.

    Raises:
        UsageError: A name is not in UTF-8, or `-` stands beside others.
        InputRefused: There is no such file, or its format cannot be told.
    """
    if STDIN in given and len(given) > 1:
        raise UsageError("'-' is standard input, and stands alone.", hint="mlship batch - -o OUTPUT")
    found: dict[str, Input] = {}
    for item in given:
        for one in _expanded(item, stdin_format):
            found.setdefault(one.name, one)
    return list(found.values())


def _expanded(item: str, stdin_format: str | None) -> Iterator[Input]:
    if item == STDIN:
        # Nobody can tell whether a pipe gives what another one gave: each is an input of its own.
        yield Input(STDIN, Kind(_bytewise(stdin_format or "csv")), state={"pipe": uuid.uuid4().hex})
        return
    if objects.is_uri(item):
        yield from _stored(item)
        return
    _check_name(item)
    path = Path(item)
    try:
        is_folder, there = path.is_dir(), path.exists()
    except OSError as error:
        raise InputRefused(
            f"'{item}' cannot be looked at: {error.strerror}.", hint="Check the path: ls -l", code="no_input"
        ) from error
    if is_folder:
        yield from _of_folder(path)
    elif there:
        yield _of_file(path)
    elif glob.has_magic(item):
        yield from _of_pattern(item)
    else:
        raise InputRefused(f"There is no input '{item}'.", hint="Check the path: ls -l", code="no_input")


def _check_name(name: str) -> None:
    if not name:  # which a path takes for the current directory
        raise UsageError("An input's name is empty.", hint="Name a file, or . for the current directory.")
    try:
        os.fsencode(name).decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"The input's name {os.fsencode(name)!r} is not in UTF-8.", hint="Rename the file.", code="bad_name"
        ) from None


def _bytewise(name: str) -> Any:
    found = by_name(name)
    if not found.bytewise:
        raise UsageError(f"Standard input cannot be {name}; it can be csv, tsv or ndjson.", hint="--format csv")
    return found


def _of_file(path: Path, keys: dict[str, str | None] | None = None) -> Input:
    _check_name(str(path))
    if not path.is_file():
        raise InputRefused(f"The input '{path}' is no regular file.", hint="Name a file or a folder.", code="no_file")
    state = FileState.of(path)
    return Input(str(path), known_kind(str(path)), path, keys or {}, {} if state is None else state.to_json())


def _of_folder(folder: Path) -> Iterator[Input]:
    names = sorted(_walked(folder))
    if not names:
        raise InputRefused(
            f"The folder '{folder}' has no file to score.",
            hint=f"Files to score end in one of {', '.join(item.suffixes[0] for item in FORMATS)}.",
            code="no_input",
        )
    for path in names:
        yield _of_file(path, partition_values(path.relative_to(folder)))


def _walked(folder: Path) -> Iterable[Path]:
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = [name for name in folders if not _hidden(name) and not _ours(here / name)]
        for name in files:
            if not _hidden(name) and not _ours(here / name) and kind_of(name) is not None:
                yield here / name


def _of_pattern(pattern: str) -> Iterator[Input]:
    base = Path(_fixed(pattern))
    files: list[Path] = []
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path knows no base
        path = Path(name)
        if _passed_over(base, path):
            continue
        if path.is_dir():
            files += sorted(_walked(path))
        elif path.is_file():
            files.append(path)
    if not files:
        raise InputRefused(f"No file to score matches '{pattern}'.", hint="Check the pattern: ls", code="no_input")
    for path in files:
        yield _of_file(path, partition_values(PurePath(*path.parts[len(base.parts) :])))


def _passed_over(base: Path, path: Path) -> bool:
    """Whether a file, or a folder below the base that it lies in, is hidden or ours."""
    inside = path.parts[len(base.parts) :]
    places = (base.joinpath(*inside[: at + 1]) for at in range(len(inside)))
    return any(_hidden(place.name) or _ours(place) for place in places)


def _fixed(pattern: str) -> str:
    """The folders of a pattern before its first special character."""
    parts = Path(pattern).parts
    return str(Path(*parts[: next(at for at, part in enumerate(parts) if glob.has_magic(part))]))


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _ours(path: Path) -> bool:
    """Whether mlship wrote a file or folder."""
    if path.name.endswith(".rejects.ndjson") or work_folder(path).is_dir():
        return True
    return path.suffix.lower() in (".ndjson", ".jsonl") and is_rejects_file(path)


def _stored(uri: str) -> Iterator[Input]:
    if not uri.endswith("/"):
        yield _of_object(uri, {})
        return
    names = {found.uri.removeprefix(uri): found for found in objects.list_objects(objects.parse(uri))}
    given = sorted(name for name in names if kind_of(name) and not any(_hidden(part) for part in name.split("/")))
    if not given:
        raise InputRefused(f"'{uri}' has no object to score.", hint="Check the prefix.", code="no_input")
    for name in given:
        yield _of_object(uri + name, partition_values(PurePosixPath(name)))


def _of_object(uri: str, keys: dict[str, str | None]) -> Input:
    return Input(uri, known_kind(uri), None, keys, _state(uri))


def _state(uri: str) -> dict[str, Any]:
    found = objects.head(objects.parse(uri))
    return {"size": found.size, "etag": found.etag}
