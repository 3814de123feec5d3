"""The sockets of the server: bound by the parent before anything is opened, and taken along by each fork."""

from __future__ import annotations

import errno
import ipaddress
import socket

from mlship.errors import OutputFailed, UsageError
from mlship.serve.settings import ServeOptions

_BACKLOG = 2048


def bind(options: ServeOptions, port: int | None = None, *, tokens: bool = False) -> socket.socket:
    """Bind a TCP socket of the server without listening yet.

    Args:
        options: The options of the server.
        port: The port, or None for that of the options.
        tokens: Whether clients have to show one.

    Raises:
        UsageError: The host is unknown or not of this machine, or is beyond loopback and nobody is asked who they are.
        OutputFailed: The port is taken, or the system does not allow it.
    """
    host, port = options.host, options.port if port is None else port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The host '{host}' is not known: {error}.", hint="--host 127.0.0.1") from error
    guarded = tokens or options.no_auth or (options.tls is not None and options.tls.client_ca is not None)
    if not guarded and not all(is_loopback(str(address[0])) for *_, address in found):
        raise UsageError(
            f"On '{host}' every machine that reaches this one could ask the model, and nobody is asked who they are.",
            hint="Add --token-file FILE, or --tls-client-ca FILE, or --no-auth if that is meant; "
            "or keep to this machine with: --host 127.0.0.1",
        )
    # 'localhost' is often both; most clients try the address of IPv4 too
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections do not hold the port
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"'{host}' is no address of this machine.", hint="--host 127.0.0.1") from error
        raise _port_problem(error, port) from error
    return listener


def listen(listener: socket.socket) -> None:
    """Let clients connect.

    Raises:
        OutputFailed: Another program bound the same port and listened first.
    """
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _port_problem(error, listener.getsockname()[1]) from error


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


def url_of(listener: socket.socket, *, encrypted: bool) -> str:
    """Return where a bound socket is asked, without a path."""
    host, port = listener.getsockname()[:2]
    return f"http{'s' if encrypted else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def _port_problem(error: OSError, port: int) -> OutputFailed:
    if error.errno == errno.EADDRINUSE:
        return OutputFailed(
            f"Port {port} is taken by another program.", hint="Take any free port with: --port 0", code="port_taken"
        )
    return OutputFailed(f"Port {port} cannot be used: {error.strerror}.", hint="--port 8000", code="port_refused")
