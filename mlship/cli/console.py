"""What a person sees: messages, tables and progress on stderr, and the JSON object on stdout.

The only module of ours that uses Rich.
"""

from __future__ import annotations

import contextlib
import json as json_module
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlship.errors import MlshipError

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

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

        table = Table(title=Text(shown(title)), title_justify="left", show_header=any(columns))
        for column in columns:
            table.add_column(Text(shown(column)), overflow="fold")
        for row in rows:
            table.add_row(*(Text(shown(cell)) for cell in row))
        self._stderr().print(table)

    def result(self, data: dict[str, Any]) -> None:
        """Print the one JSON object of --json on stdout."""
        sys.stdout.write(_unbroken(json_module.dumps(data, ensure_ascii=False)) + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """Show a bar while the block runs, on a terminal only.

        Args:
            what: What is being done.
            total: The amount of work, in the unit that the yielded function is called with.
        """
        stderr = self._stderr()
        if self.quiet or not stderr.is_terminal:
            yield lambda _done, _rows, _rejected: None
            return
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[rows]:,} rows, {task.fields[rejected]:,} rejected"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=stderr, transient=True) as bar:
            task = bar.add_task(escape(shown(what)), total=total, rows=0, rejected=0)
            yield lambda done, rows, rejected: bar.update(task, completed=done, rows=rows, rejected=rejected)

    def _stderr(self) -> RichConsole:
        from rich.console import Console as RichConsole

        return RichConsole(stderr=True, soft_wrap=True)


def _labelled(label: str, style: str, text: str) -> Any:
    from rich.text import Text

    return Text.assemble((f"{label}: ", style), shown(text))


def shown(text: str) -> str:
    r"""One line of a text, in which what moves a terminal's cursor, or turns its text around, is written as `\x1b`.

    Labels, columns and names of files come from whoever made the model, and every text passes here.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _unbroken(text: str) -> str:
    """JSON in which such letters, which are inside of its texts only, are written as JSON writes them."""
    return "".join(letter if letter.isprintable() else json_module.dumps(letter)[1:-1] for letter in text)
