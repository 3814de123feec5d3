"""The formats of tables: which there are, and how a file's name tells one."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.errors import InputRefused, UsageError
from mlship.model.signature import Output

if TYPE_CHECKING:
    from mlship.tables.contract import Kept, Sink, Source


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: Its name on the command line.
        suffixes: Endings of its files' names in lower case, the usual one first.
        source: `module:Class` of its source, imported when it is chosen.
        sink: `module:Class` of its sink.
        texts: Whether values are texts, of which `--null` can name further ones that mean null.
    """

    name: str
    suffixes: tuple[str, ...]
    source: str
    sink: str
    texts: bool = False


FORMATS = (
    Format("csv", (".csv",), "mlship.tables.csv:CsvSource", "mlship.tables.csv:CsvSink", texts=True),
    Format(
        "parquet",
        (".parquet", ".pq"),
        "mlship.tables.parquet:ParquetSource",
        "mlship.tables.parquet:ParquetSink",
    ),
)
NAMES = tuple(item.name for item in FORMATS)


def by_name(name: str) -> Format:
    """Return a format by its name.

    Raises:
        UsageError: There is none of that name.
    """
    for item in FORMATS:
        if item.name == name:
            return item
    raise UsageError(f"There is no format '{name}'.", hint=f"Use one of: {', '.join(NAMES)}.")


def by_suffix(path: Path) -> Format | None:
    """Return the format that a file's name tells, or None."""
    return next((item for item in FORMATS if path.suffix.lower() in item.suffixes), None)


def of_input(path: Path) -> Format:
    """Return the format of an input.

    Raises:
        InputRefused: Its name ends in none of the known suffixes.
    """
    found = by_suffix(path)
    if found is None:
        known = " or ".join(item.suffixes[0] for item in FORMATS)
        raise InputRefused(
            f"'{path}' has a name from which its format cannot be told; it should end in {known}.",
            hint="Give the file the suffix of what it holds.",
            code="unknown_format",
        )
    return found


def open_source(kind: Format, path: Path, chunk_size: int) -> Source:
    """Open an input.

    Args:
        kind: Its format.
        path: The file.
        chunk_size: About how many bytes of it, or of memory where it is packed, make one chunk.

    Raises:
        InputRefused: It cannot be understood as a table.
        OSError: The system could not read it.
    """
    source: Source = _load(kind.source)(path, chunk_size)
    return source


def open_sink(kind: Format, path: Path, kept: Kept, outputs: Sequence[Output]) -> Sink:
    """Begin an output.

    Args:
        kind: Its format.
        path: The file to make; it must not be there yet.
        kept: The kept columns, without rows.
        outputs: The output columns.

    Raises:
        UsageError: The format cannot hold a kept column.
        OSError: The system could not write.
    """
    sink: Sink = _load(kind.sink)(path, kept, outputs)
    return sink


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
