"""Lines that a thread writes, so that no request waits for a disk or for whoever reads the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_WAIT_SECONDS = 0.25
_CLOSE_SECONDS = 5.0


class Lines(Generic[_Item]):
    """A bounded line of items, written a few times a second.

    Args:
        write: Writes items in order, on the thread; it takes care of its own failures.
        most: The most weight that may wait; what comes beyond that is not taken.
        name: Name of the thread.
    """

    def __init__(self, write: Callable[[list[_Item]], None], most: int, name: str) -> None:
        self._write = write
        self._most = most
        self._items: list[_Item] = []
        self._weight = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: _Item, weight: int = 1) -> bool:
        """Put an item into the line, and tell whether there was room for it."""
        with self._lock:
            if self._weight + weight > self._most and self._items:
                return False
            self._weight += weight
            self._items.append(item)
            return True

    def close(self) -> None:
        """Write what is left, as far as that can be done in 5 seconds."""
        self._ended.set()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(_WAIT_SECONDS)
            with self._lock:
                items, self._items, self._weight = self._items, [], 0
            if items:
                self._write(items)
