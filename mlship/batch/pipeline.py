"""Chunks planned in order, scored several at a time, given back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_order(pieces: Iterator[_In], work: Callable[[_In], _Out], workers: int) -> Iterator[_Out]:
    """Yield what work makes of each piece, in the pieces' order.

    Polars and onnxruntime let other threads run while they work, so that threads do. At most `workers` + 1 pieces
    are in flight, which bounds memory; what fails is raised where its piece's turn is.

    Args:
        pieces: What to work on; taken from the caller's thread.
        work: Called in other threads, or in this one where there is one worker.
        workers: How many pieces are worked on at a time.
    """
    if workers == 1:
        yield from map(work, pieces)
        return
    flying: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(workers, "mlship-batch") as pool:
        try:
            for piece in pieces:
                flying.append(pool.submit(work, piece))
                if len(flying) > workers:
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()
        finally:
            for future in flying:
                future.cancel()
