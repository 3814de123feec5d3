"""Signals that end a run."""

from __future__ import annotations

import pytest

from mlship.batch.stop import stop_on_signals
from mlship.errors import Stopped, exit_code_of


def test_an_interrupt_inside_polars_is_a_sigint() -> None:
    """A KeyboardInterrupt that a library raises in the middle of its work ends the run as SIGINT does."""
    with stop_on_signals() as stop, pytest.raises(Stopped, match="Stopped by SIGINT") as stopped, stop.interrupted():
        raise KeyboardInterrupt

    assert exit_code_of(stopped.value) == 130
