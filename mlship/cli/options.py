"""Options that all commands share, and how sizes are written."""

from __future__ import annotations

import csv
import re
from typing import Annotated, Literal

import typer

from mlship.cli.help import COMMON
from mlship.errors import UsageError

_SIZE = re.compile(r"([0-9]{1,15})\s*([KMG]i?B|B)?", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=COMMON)]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.", rich_help_panel=COMMON)]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object on standard output and nothing else there.", rich_help_panel=COMMON
    ),
]


def parse_size(text: str, option: str) -> int:
    """Return a number of bytes written as `8MiB`, `500 kB` or `1048576`.

    Args:
        text: The text.
        option: The option that it was given to, for the error.

    Raises:
        UsageError: It is no size, or zero.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _UNITS[(match[2] or "B").lower()] if match else 0
    if size < 1:
        raise UsageError(f"{option} is '{text}'; it takes a number of bytes such as 8MiB.", hint=f"{option} 8MiB")
    return size


def parse_keep(text: str, what: str) -> Literal["all", "none"] | tuple[str, ...]:
    """Return what `--keep` names.

    Args:
        text: The text.
        what: What is named, for the error: columns or fields.

    Raises:
        UsageError: A name is empty.
    """
    if text == "all":
        return "all"
    if text == "none":
        return "none"
    names = tuple(next(csv.reader((text,)), []))  # so that a name with a comma can be quoted
    if not names or "" in names:
        raise UsageError(f"--keep expects all, none, or names of {what}.", hint="--keep id,name")
    return names
