"""A cold start: the model is opened and its golden rows are replayed before anything is answered."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from mlship.errors import MlshipError
from mlship.model.session import SessionSpec, open_session
from mlship.serve.embedded import Embedded

_log = logging.getLogger(__name__)


def started(model: Path) -> Embedded:
    """Open a model.

    Raises:
        UsageError: There is no such file.
        ModelRefused: It is refused, or its golden rows differ.
    """
    session = open_session(SessionSpec(model))
    if not session.proven:
        _log.warning("'%s' carries no proof that it answers as an original model does.", model.name)
    if session.replay.warning is not None:
        _log.warning("%s", session.replay.warning)
    return Embedded(session)


@contextlib.contextmanager
def told_whole() -> Iterator[None]:
    """Have errors tell their hint too: platforms show the message of an exception and nothing else of it."""
    try:
        yield
    except MlshipError as error:
        if error.hint is not None:
            error.args = (f"{error.message} {error.hint}",)
        raise
