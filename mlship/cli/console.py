"""What a person sees: messages, tables and progress on stderr, and the JSON object on stdout.

The only module of ours that uses Rich.
"""

from __future__ import annotations

import contextlib
import json as json_module
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlship.errors import MlshipError
from mlship.report.letters import shown

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

_LINE_SECONDS = 60.0
_WIDE = 80  # letters, from which on there is room for a bar

Advance = Callable[[int, int, int], None]
"""Called with (bytes or rows done, rows read, rows rejected) as work goes on."""


class Console:
    """Prints for one run of a command.

    Args:
        quiet: Print errors only.
        verbose: Print tracebacks too.
        json: Print the result as JSON on stdout.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, json: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.json = json

    def configure(self, *, quiet: bool, verbose: bool, json: bool) -> None:
        """Take over the flags of the command that was parsed."""
        self.quiet, self.verbose, self.json = quiet, verbose, json

    def say(self, *lines: str) -> None:
        """Print a message."""
        if not self.quiet:
            self._stderr().print("\n".join(map(shown, lines)), markup=False, highlight=False)

    def warn(self, text: str) -> None:
        """Print a warning, which --quiet hides too."""
        if not self.quiet:
            self._stderr().print(_labelled("warning", "yellow", text))

    def error(self, error: MlshipError) -> None:
        """Print what failed and what to type."""
        stderr = self._stderr()
        stderr.print(_labelled("error", "bold red", error.message))
        if error.hint:
            stderr.print(_labelled("hint", "bold", error.hint))

    def trace(self, text: str) -> None:
        """Print a traceback."""
        self._stderr().print("\n".join(map(shown, text.split("\n"))), markup=False, highlight=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, without a head when no column has a name."""
        if self.quiet:
            return
        from rich.table import Table
        from rich.text import Text

        stderr = self._stderr()
        rows = [[shown(cell) for cell in row] for row in rows]
        least = _least(columns, rows)
        if sum(least) + 3 * len(least) + 1 > stderr.width:
            stderr.print("\n".join(_listed(title, columns, rows)), markup=False, highlight=False)
            return
        table = Table(title=Text(shown(title)), title_justify="left", show_header=any(columns))
        for column, width in zip(columns, least, strict=True):
            table.add_column(Text(shown(column)), overflow="fold", min_width=width)
        for row in rows:
            table.add_row(*map(Text, row))
        stderr.print(table)

    @property
    def width(self) -> int:
        """Columns of the terminal, or of what stands for one."""
        return self._stderr().width

    def result(self, data: dict[str, Any]) -> None:
        """Print the one JSON object of --json on stdout."""
        sys.stdout.write(_unbroken(json_module.dumps(data, ensure_ascii=False)) + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Advance]:
        """Show a bar while the block runs; where there is no terminal, a line a minute.

        Args:
            what: What is being done.
            total: The amount of work, in the unit that the yielded function is called with, or None when not known.
        """
        stderr = self._stderr()
        if self.quiet:
            yield lambda _done, _rows, _rejected: None
            return
        if not stderr.is_terminal:
            yield _Lines(what, total, self.say).advance
            return
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        counts = "{task.percentage:>3.0f}% {task.fields[rows]:,} rows, {task.fields[rejected]:,} rejected"
        columns: tuple[Any, ...] = (TextColumn(counts),)  # what a narrow window has room for
        if stderr.width >= _WIDE:
            rate = TextColumn("{task.fields[speed]:,.0f} rows/s")
            columns = (TextColumn("{task.description}"), BarColumn(None), *columns, rate, TimeRemainingColumn())
        started = time.monotonic()
        with Progress(*columns, console=stderr, transient=True) as bar:
            task = bar.add_task(escape(shown(what)), total=total, rows=0, rejected=0, speed=0.0)

            def advance(done: int, rows: int, rejected: int) -> None:
                speed = rows / max(time.monotonic() - started, 1e-3)
                bar.update(task, completed=done, rows=rows, rejected=rejected, speed=speed)

            yield advance

    def _stderr(self) -> RichConsole:
        from rich.console import Console as RichConsole

        plain = bool(os.environ.get("NO_COLOR"))  # of which Rich leaves bold letters
        return RichConsole(stderr=True, soft_wrap=True, color_system=None if plain else "auto")


def _least(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide the columns of a table have to be at least, if no word in it is to be broken."""
    return [
        max((len(word) for cell in cells for word in cell.split()), default=0)
        for cells in zip(map(shown, columns), *rows, strict=True)
    ]


def _listed(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table as lines, for a window that is too narrow for it: the terminal breaks them, and nothing is lost."""
    if title:
        yield shown(title)
    for row in rows:
        if not any(columns):
            yield f"  {row[0]}: {', '.join(row[1:])}"
            continue
        further = [f"{shown(name)} {cell}" for name, cell in zip(columns[1:], row[1:], strict=True) if cell]
        yield f"  {row[0]}: {', '.join(further)}"


def _labelled(label: str, style: str, text: str) -> Any:
    from rich.text import Text

    return Text.assemble((f"{label}: ", style), shown(text))


def _unbroken(text: str) -> str:
    """JSON in which such letters, which are inside of its texts only, are written as JSON writes them."""
    return "".join(letter if letter.isprintable() else json_module.dumps(letter)[1:-1] for letter in text)


class _Lines:
    """Tells progress by a line a minute."""

    def __init__(self, what: str, total: int | None, say: Callable[[str], None]) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._started = self._told = time.monotonic()

    def advance(self, done: int, rows: int, rejected: int) -> None:
        now = time.monotonic()
        if now - self._told < _LINE_SECONDS:
            return
        self._told = now
        seconds = now - self._started
        left = ""
        if self._total and done:
            left = f", about {(self._total - done) * seconds / done:,.0f} s left"
        self._say(f"{self._what}: {rows:,} rows, {rows / seconds:,.0f} rows/s, {rejected:,} rejected{left}")
