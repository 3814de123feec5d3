"""Things that leave a mark when they are called: what hostile files of the tests hold, and must never get to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MARKER = "marker"


def touch(*_given: Any, **_named: Any) -> Any:
    """Make the file `marker` in the current folder; an empty one, which even the child may."""
    Path(MARKER).touch()


class Touching:
    """Leaves a mark when it is made with arguments, initialized, or called."""

    def __new__(cls, *given: Any) -> Touching:
        """Make one."""
        if given:
            touch()
        return super().__new__(cls)

    def __init__(self, *_given: Any) -> None:
        touch()

    def __call__(self, *_given: Any) -> None:
        """Leave a mark."""
        touch()


class Born:
    """Leaves a mark when it is made."""

    def __new__(cls, *_given: Any) -> Born:
        """Make one."""
        touch()
        return super().__new__(cls)
