"""What a Dockerfile says, as far as ours go: enough to do by hand what an engine would do."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field


@dataclass
class Stage:
    """One stage of a build.

    Attributes:
        run: The shell commands, in order.
        env: The environment of the image's processes; `$PATH` is what the base has.
        user: Who runs them.
        entrypoint: What is run.
        cmd: What it is given when nothing else is said.
        health: What tells whether it is well.
        copies: From where to where.
    """

    run: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    copies: list[tuple[str, ...]] = field(default_factory=list)


def stages(text: str) -> list[Stage]:
    """Return the stages of a Dockerfile."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage())
        elif found:
            _take(found[-1], word, rest.strip())
    return found


def _take(stage: Stage, word: str, rest: str) -> None:
    if word == "RUN":
        stage.run.append(re.sub(r"--mount=\S+\s*", "", rest))
    elif word == "ENV":
        stage.env.update(dict(part.split("=", 1) for part in shlex.split(rest)))
    elif word == "USER":
        stage.user = rest
    elif word == "ENTRYPOINT":
        stage.entrypoint = json.loads(rest)
    elif word == "CMD":
        stage.cmd = json.loads(rest)
    elif word == "COPY":
        stage.copies.append(tuple(rest.split()))
    elif word == "HEALTHCHECK":
        stage.health = json.loads(rest.partition("CMD ")[2])
