"""Calls that are waited for no longer than a time, whether they end or not."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_SLICE_SECONDS = 1.0


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None = None


class Calls:
    """Makes calls on a thread of its own, which is left behind with a call that does not come back.

    librdkafka's `send_offsets_to_transaction` can wait for ever where a broker went and came back, whatever time it is
    given: https://github.com/confluentinc/librdkafka/issues/5456 and 5511, open in version 2.16.
    """

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, call: Callable[[], object], seconds: float, meanwhile: Callable[[], None]) -> None:
        """Make a call.

        Args:
            call: What to call.
            seconds: How long to wait for it.
            meanwhile: Called again and again while it is waited for; what it raises leaves the call behind.

        Raises:
            TimeoutError: It did not end. Nothing more can be asked of this object.
            Exception: What the call raised.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="kafka", daemon=True)
            self._thread.start()
        self._wanted.put(call)
        until = time.monotonic() + seconds
        while (ended := self._answer(until)) is None:
            if time.monotonic() >= until:
                raise TimeoutError
            meanwhile()
        if ended.error is not None:
            raise ended.error

    def _answer(self, until: float) -> _Ended | None:
        with contextlib.suppress(queue.Empty):
            return self._ended.get(timeout=max(0.0, min(until - time.monotonic(), _SLICE_SECONDS)))
        return None

    def end(self) -> None:
        """Let the thread go when it has nothing to do any more."""
        self._wanted.put(None)

    def _work(self) -> None:
        while (call := self._wanted.get()) is not None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001  told to who asked
                self._ended.put(_Ended(error))
            else:
                self._ended.put(_Ended())
