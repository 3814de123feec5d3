"""Whether model files have been replaced: in place, by a rename, or behind a symlink as Kubernetes does it.

A file is looked at by what a path leads to, so that a swapped link of a ConfigMap counts; and only what looks the same
twice, a second apart, is told of, as a copy under way changes from look to look.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from mlship.objects import is_uri

_SECONDS = 1.0

_Look = tuple[tuple[int, int, int, int] | None, ...]


class Watch:
    """Watches files.

    Args:
        sources: Paths; URIs among them are not watched.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._paths = [Path(source) for source in sources if not is_uri(source)]
        self._known = self._before = self._look()
        self._next = time.monotonic() + _SECONDS

    def changed(self) -> bool:
        """Tell, once for each change, that files are others than before and no longer change."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _SECONDS
        now, before = self._look(), self._before
        self._before = now
        if now != before or now == self._known:
            return False
        self._known = now
        return True

    def _look(self) -> _Look:
        return tuple(map(_state, self._paths))


def _state(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
