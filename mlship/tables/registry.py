"""The formats: a new one is one file and one row here."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from mlship.errors import InputRefused, UsageError
from mlship.model.signature import Output
from mlship.tables.dialect import NOTHING_TOLD, Told
from mlship.tables.stored import polars_options
from mlship.tables.streams import LocalFile, Packed, packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlship.model.values.codes import Array
    from mlship.tables.contract import ByteInput, Encoder, Kept, Source

Packing = Literal["gz", "zst"]
_PACKINGS: dict[str, Packing] = {".gz": "gz", ".zst": "zst"}


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: Its name on the command line.
        suffixes: Endings of its files' names in lower case, the usual one first.
        source: `module:Class` of its source, imported when it is chosen.
        encoder: `module:Class` of its encoder.
        texts: Whether values are texts, of which `--null` can name further ones that mean null.
        bytewise: Whether its source reads bytes from the beginning on, so that it may be packed or come by a pipe.
        delimiter: What its fields are parted by, where the name tells.
    """

    name: str
    suffixes: tuple[str, ...]
    source: str
    encoder: str
    texts: bool = False
    bytewise: bool = False
    delimiter: str | None = None


_CSV = ("mlship.tables.csv:CsvSource", "mlship.tables.csv_encoder:CsvEncoder")
FORMATS = (
    Format("csv", (".csv",), *_CSV, texts=True, bytewise=True),
    Format("tsv", (".tsv", ".tab"), *_CSV, texts=True, bytewise=True, delimiter="\t"),
    Format(
        "ndjson",
        (".ndjson", ".jsonl"),
        "mlship.tables.ndjson:NdjsonSource",
        "mlship.tables.ndjson:NdjsonEncoder",
        bytewise=True,
    ),
    Format(
        "parquet", (".parquet", ".pq"), "mlship.tables.parquet:ParquetSource", "mlship.tables.parquet:ParquetEncoder"
    ),
    Format("ipc", (".arrow", ".ipc", ".feather"), "mlship.tables.ipc:IpcSource", "mlship.tables.ipc:IpcEncoder"),
)
NAMES = tuple(item.name for item in FORMATS)


@dataclass(frozen=True)
class Kind:
    """A format, and how its files are packed.

    Attributes:
        format: The format.
        packing: How, or None.
    """

    format: Format
    packing: Packing | None = None

    @property
    def suffix(self) -> str:
        """The usual ending of such files' names, such as `.csv.gz`."""
        return self.format.suffixes[0] + (f".{self.packing}" if self.packing else "")


def by_name(name: str) -> Format:
    """Return a format by its name.

    Raises:
        UsageError: There is none of that name.
    """
    for item in FORMATS:
        if item.name == name:
            return item
    raise UsageError(f"There is no format '{name}'.", hint=f"Use one of: {', '.join(NAMES)}.")


def kind_of(name: str) -> Kind | None:
    """Return what a file's name tells of its format, or None."""
    stem, packing = _unpacked(name)
    suffix = PurePath(stem).suffix.lower()
    found = next((item for item in FORMATS if suffix in item.suffixes), None)
    if found is None or (packing and not found.bytewise):
        return None
    return Kind(found, packing)


def known_kind(name: str) -> Kind:
    """Return what an input's name tells of its format.

    Raises:
        InputRefused: It tells nothing.
    """
    kind = kind_of(PurePath(name).name)
    if kind is None:
        known = ", ".join(item.suffixes[0] for item in FORMATS)
        raise InputRefused(
            f"'{name}' has a name from which its format cannot be told; it should end in one of {known}.",
            hint="Give the file the suffix of what it holds.",
            code="unknown_format",
        )
    return kind


def _unpacked(name: str) -> tuple[str, Packing | None]:
    suffix = PurePath(name).suffix
    packing = _PACKINGS.get(suffix.lower())
    return (name.removesuffix(suffix), packing) if packing else (name, None)


def stem_of(name: str) -> tuple[str, str]:
    """Return a file's name without and its suffix with what tells its format: `x.csv.gz` is `x` and `.csv.gz`."""
    stem, packing = _unpacked(name)
    suffix = PurePath(stem).suffix
    stem = stem.removesuffix(suffix)
    return stem, name.removeprefix(stem) if packing or suffix else ""


def open_source(kind: Kind, place: Path | str | ByteInput, chunk_size: int, told: Told = NOTHING_TOLD) -> Source:
    """Open an input.

    Args:
        kind: Its format.
        place: The file, its URI, or, for bytewise formats, where bytes come from.
        chunk_size: About how many bytes of it, or of memory where it is packed, make one chunk.
        told: What the user said of a file of text.

    Raises:
        InputRefused: It cannot be understood as a table.
        OSError: The system could not read it.
    """
    found = kind.format
    if found.bytewise:
        place = LocalFile(place) if isinstance(place, Path) else place
        place = Packed(place, kind.packing) if kind.packing and not isinstance(place, str) else place
    if isinstance(place, str):
        source: Source = _load(found.source)(place, chunk_size, polars_options(place))
        return source
    if found.delimiter and told.delimiter is None:
        told = replace(told, delimiter=found.delimiter)
    source = _load(found.source)(place, chunk_size, *((told,) if found.texts else ()))
    return source  # noqa: RET504 - which is where its type is known


def open_encoder(kind: Kind, kept: Kept, outputs: Sequence[Output]) -> Encoder:
    """Return what makes files of a kind.

    Args:
        kind: Their format, and how they are packed.
        kept: The kept columns, without rows.
        outputs: The output columns.

    Raises:
        UsageError: The format cannot hold a kept column.
        DependencyMissing: They are to be packed by a library that is not installed.
    """
    found = kind.format
    arguments = (kept, outputs, found.delimiter) if found.delimiter else (kept, outputs)
    encoder: Encoder = _load(found.encoder)(*arguments)
    return PackedEncoder(encoder, kind.packing) if kind.packing else encoder


class PackedEncoder:
    """Packs what an encoder gives, each piece by itself, so that pieces can be appended; see `contract.Encoder`.

    Args:
        inner: The encoder.
        how: The packing.
    """

    appends = True

    def __init__(self, inner: Encoder, how: Packing) -> None:
        self._inner = inner
        self._how: Packing = how
        packed(b"", how)  # a library that is absent is told before any work

    def head(self) -> bytes:
        """Return what a file begins with."""
        head = self._inner.head()
        return packed(head, self._how) if head else b""

    def rows(self, kept: Kept, outputs: Mapping[str, Array]) -> bytes:
        """Return rows in bytes."""
        rows = self._inner.rows(kept, outputs)
        return packed(rows, self._how) if rows else b""

    def file(self, kept: Kept, outputs: Mapping[str, Array]) -> bytes:
        """Return a whole file of some rows."""
        return packed(self._inner.file(kept, outputs), self._how)

    def assemble(self, parts: Sequence[Path], path: Path) -> None:
        """Nothing calls this: such files are appended to."""
        raise AssertionError(parts, path)


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
