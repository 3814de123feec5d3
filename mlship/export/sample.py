"""The user's sample, read by the same contract as the data to score."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlship.errors import InputRefused
from mlship.model.signature import Column, Dtype, Signature, Tensor
from mlship.model.values.codes import Array, Coerced
from mlship.tables.contract import Wanted
from mlship.tables.dialect import Told
from mlship.tables.registry import known_kind, open_source

if TYPE_CHECKING:
    from mlship.tables.contract import Source

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class Sample:
    """Rows of a sample that the signature accepts.

    Attributes:
        columns: Array [rows] for each input column.
        rows: Number of rows.
        rejected: Rows that were refused, by the code of their first bad value.
    """

    columns: Mapping[str, Array]
    rows: int
    rejected: Counter[str]


def column_names(path: Path) -> tuple[str, ...]:
    """Return the names of a sample's columns.

    Raises:
        InputRefused: It is not there or cannot be read as a table.
    """
    with _open(path) as source:
        return source.columns


def bool_columns(path: Path, names: Sequence[str]) -> frozenset[str]:
    """Return those of the columns that hold true and false, written as words, and nothing else.

    Raises:
        InputRefused: The sample is not there or cannot be read as a table.
    """
    with _open(path, names) as source:
        wanted = [name for name in names if name in source.columns]
        if not wanted:
            return frozenset()
        bools, numbers = set(wanted), set(wanted)
        for chunk in source.plan():
            rows = source.read(chunk, Wanted(_read_as("bool", wanted), others=tuple(wanted)))
            bools -= {error.column for error in rows.coerced().errors}
            numbers -= {error.column for error in rows.other(_read_as("float64", wanted)).errors}
    return frozenset(bools - numbers)


def _read_as(dtype: Dtype, names: Sequence[str]) -> Signature:
    columns = tuple(Column(name, dtype, "input") for name in names)
    return Signature(columns, (Tensor("input", "float64"),), ())


def read_sample(path: Path, signature: Signature) -> Sample:
    """Read the model's columns of a sample; others are ignored.

    Raises:
        InputRefused: It is not there, cannot be read as a table, or lacks a column of the model.
    """
    with _open(path, signature.names) as source:
        missing = [name for name in signature.names if name not in source.columns]
        if missing:
            raise InputRefused(
                f"'{path}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}.",
                hint=f"It has: {', '.join(source.columns)}",
                code="missing_column",
            )
        parts = [source.read(chunk, Wanted(signature)).coerced() for chunk in source.plan()]
    if not parts:
        return Sample({}, 0, Counter())
    columns = [part.accepted_columns() for part in parts]
    return Sample(
        columns={name: np.concatenate([part[name] for part in columns]) for name in signature.names},
        rows=sum(int(part.accepted.sum()) for part in parts),
        rejected=sum((_rejected(part) for part in parts), Counter()),
    )


def _rejected(part: Coerced) -> Counter[str]:
    first: dict[int, str] = {}
    for error in part.errors:
        first.setdefault(error.row, error.code)
    return Counter(first.values())


@contextlib.contextmanager
def _open(path: Path, sought: Sequence[str] = ()) -> Iterator[Source]:
    """Hold a sample open for the length of a `with` block."""
    try:
        source = open_source(known_kind(str(path)), path, _CHUNK_BYTES, Told(sought=frozenset(sought)))
    except FileNotFoundError:
        raise InputRefused(f"There is no sample '{path}'.", hint="ls shows what is here.", code="no_input") from None
    except OSError as error:
        raise InputRefused(f"The sample '{path}' cannot be read: {error.strerror}.", code="no_input") from error
    with contextlib.closing(source):
        yield source
