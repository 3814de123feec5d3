"""Reading a unit of systemd, and what it would run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path


def read_unit(file: Path) -> dict[str, str]:
    """Return the settings of a unit; those that stand there several times are joined, as systemd takes them."""
    found: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name] = f"{found[name]} {value}" if name in found else value
    return found


def environment(unit: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a unit sets."""
    return dict(part.split("=", 1) for part in shlex.split(unit["Environment"]))


def command(line: str, env: Mapping[str, str]) -> list[str]:
    """Return what a line such as ExecStart runs: `${NAME}` stays one word, and `$NAME` becomes as many as it has."""
    words: list[str] = []
    for word in line.split():
        if re.fullmatch(r"\$\w+", word):
            words += env[word[1:]].split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: env[found[1]], word))
    return words
