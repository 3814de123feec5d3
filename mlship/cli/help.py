"""How `--help` is laid out: options grouped by purpose, nothing cut off in narrow windows, examples at its end.

Plain text: it reads the same on a terminal, in a pipe and under NO_COLOR.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

COMMON = "Common"
"""The group of the options that all commands have."""
_WIDEST, _NARROWEST = 100, 24
_FLOAT = re.compile(r"(?<![\d.])\d+\.0(?![\d.])")  # in defaults and limits; no part of an address


class Command(TyperCommand):
    """A command with the help of this module."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _write(self, ctx, formatter)


class Group(TyperGroup):
    """A group of commands with the help of this module."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _write(self, ctx, formatter)


def _write(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    formatter.width = max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST) - 1
    command.format_usage(ctx, formatter)
    for paragraph in (command.help or "").split("\n\n"):
        formatter.write("\n" + "\n".join(_wrapped(paragraph, formatter.width)) + "\n")
    if isinstance(command, TyperGroup):
        names = command.list_commands(ctx)
        told = [
            (name, " ".join((found.help or "").split("\n\n")[0].split())) for name, found in _found(command, ctx, names)
        ]
        _list("Commands", told, formatter)
    for title, rows in _groups(command, ctx).items():
        _list(title, rows, formatter)
    if ctx.auto_envvar_prefix and not isinstance(command, TyperGroup):
        variables = f"Each option can come from the environment too: --quiet from {ctx.auto_envvar_prefix}_QUIET."
        formatter.write("\n" + "\n".join(_wrapped(variables, formatter.width)) + "\n")
    if command.epilog:
        with formatter.section("Examples"):
            for line in command.epilog.splitlines():  # each on one line, however long, so that it can be copied
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _found(group: TyperGroup, ctx: Any, names: Iterable[str]) -> Iterable[tuple[str, Any]]:
    return ((name, found) for name in names if (found := group.get_command(ctx, name)) is not None)


def _groups(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """What is told of each option, by group: arguments first, those of all commands last."""
    groups: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    common = []
    for parameter in command.get_params(ctx):
        kind = "Arguments"
        if isinstance(parameter, TyperOption):
            kind = "Options"
            parameter.show_envvar = False  # one sentence tells it of all
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        record = (record[0], _FLOAT.sub(lambda number: f"{float(number[0]):g}", record[1]))
        title = getattr(parameter, "rich_help_panel", None) or kind
        if title == COMMON or (parameter.name == "help" and not isinstance(command, TyperGroup)):
            common.append(record)
        else:
            groups[title].append(record)
    groups[COMMON] += common
    return groups


def _list(title: str, rows: list[tuple[str, str]], formatter: Any) -> None:
    """Write what things are beside their names, or below those that are too long for that."""
    if not rows:
        return
    left = min(30, formatter.width // 4, max(len(name) for name, _ in rows)) + 4
    with formatter.section(title):
        for name, text in rows:
            beside = len(name) + 4 <= left
            lines = _wrapped(text, formatter.width - left)
            first = f"  {name:{left - 2}}{lines.pop(0) if lines else ''}" if beside else f"  {name}"
            formatter.write("".join(f"{line}\n" for line in (first.rstrip(), *(" " * left + line for line in lines))))


def _wrapped(text: str, width: int) -> list[str]:
    """Lines in which no option, file or address is broken."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
