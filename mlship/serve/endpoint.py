"""What a protocol has to offer: it reads rows out of a request, and writes outputs into an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mlship.errors import MlshipError
from mlship.model.values.codes import Array
from mlship.serve.exchange import Asked, Call, Reply
from mlship.serve.served import Served


class Endpoint(Protocol):
    """One path at which rows are scored by POST.

    None of the methods keeps anything: they may run in several threads at once.
    """

    @property
    def protocol(self) -> str:
        """Name of the protocol, one of few: it labels metrics."""
        ...

    @property
    def served(self) -> Served:
        """The model that answers."""
        ...

    def read(self, asked: Asked) -> Call:
        """Read a request.

        Raises:
            MlshipError: It is refused; RequestRefused and RowsRefused tell why.
        """
        ...

    def write(self, call: Call, outputs: Mapping[str, Array]) -> Reply:
        """Write the answer to a request.

        Args:
            call: What `read` gave.
            outputs: An array [call.feed.rows] for each output column.
        """
        ...

    def refuse(self, error: MlshipError) -> Reply:
        """Write an error in the protocol's own shape; `problems.status_of` and `body_of` say what may be told."""
        ...
