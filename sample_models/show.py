"""Print the first rows of a CSV file as a table.

Run as `python sample_models/show.py FILE [COLUMN...]`; a pattern such as `probability_*` names several columns.
"""

from __future__ import annotations

import csv
import fnmatch
import itertools
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROWS = 8


def choose(header: list[str], patterns: list[str]) -> list[str]:
    """Return the columns that the patterns name, in the order of the patterns; all without a pattern."""
    if not patterns:
        return header
    return [name for pattern in patterns for name in header if fnmatch.fnmatchcase(name, pattern)]


def shorten(text: str) -> str:
    """Round a number to four decimals to be looked at; leave every other text as it is."""
    try:
        return f"{float(text):.4f}" if "." in text else text
    except ValueError:
        return text


def main() -> None:
    """Read the file named on the command line, and print its first rows."""
    file, *patterns = sys.argv[1:]
    with Path(file).open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        names = choose(list(reader.fieldnames or []), patterns)
        rows = list(itertools.islice(reader, ROWS))
    # A long name in two lines lets a table of probabilities fit a terminal of 80 columns.
    headings = [name.replace("_", "_\n", 1) for name in names]
    table = Table(*headings, title=f"The first {len(rows)} rows of {file}", title_justify="left")
    for row in rows:
        table.add_row(*(shorten(row[name]) for name in names))
    Console().print(table)


if __name__ == "__main__":
    main()
