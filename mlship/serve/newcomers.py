"""Turning new connections away before a listening socket closes, so that none of them is reset.

Between the last accept and the close of a listener the kernel may finish the handshake of one client more,
who then sees a reset. So for a moment before the close the kernel is told to drop packets that open a
connection: handshakes under way end and are accepted, and whoever comes later tries again a second on and
finds the port closed, which every client understands.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys

_SO_ATTACH_FILTER = 26  # Linux, <asm-generic/socket.h>; Python has no name for it
# Classic BPF over the TCP header (https://docs.kernel.org/networking/filter.html): code, jump if true,
# jump if false, operand.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # yes: drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # no: keep it whole
)


def turn_away(listener: socket.socket) -> None:
    """Let no new connection begin on a listening socket, for every process that shares it.

    Where the system knows no such filter nothing happens, and a reset stays possible.
    """
    if sys.platform != "linux":  # the number means something else there
        return
    program = b"".join(struct.pack("@HBBI", *step) for step in _DROP_SYN)
    buffer = ctypes.create_string_buffer(program, len(program))
    with contextlib.suppress(OSError):  # the kernel copies the program before the call returns
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(buffer))
        )
