"""A listening socket that turns newcomers away resets nobody when it closes."""

from __future__ import annotations

import socket
import sys

import pytest

from mlship.serve.newcomers import turn_away


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's own")
def test_newcomers_wait_and_others_are_served() -> None:
    """Who connected before is accepted and served; who comes later waits, and is refused after the close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=5) as early:
            turn_away(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            accepted, _ = listener.accept()
            with accepted:
                early.sendall(b"still here")
                assert accepted.recv(100) == b"still here"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
