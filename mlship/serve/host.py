"""The server of one model, from options to exit. This process only watches: it never opens the model itself."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import math
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlship import extras
from mlship.errors import MlshipError, OutputFailed, UsageError
from mlship.quota import available_cpus, default_workers
from mlship.serve.naming import named
from mlship.serve.plan import Plan
from mlship.serve.preflight import preflight
from mlship.serve.settings import Ready, ServeOptions, default_queue

if TYPE_CHECKING:
    from mlship.serve.application import ServeApplication

_NEEDED_FOR = "mlship serve"
_POSIX_HINT = "Run it on Linux or macOS; on Windows in WSL or in a Docker container."
_INSTALL_HINT = "pip install 'gunicorn>=27.0.1' flask"
_BACKLOG = 2048
_SPARE_THREADS = 1  # parses and writes what is large while the others score


def serve(options: ServeOptions, on_ready: Callable[[Ready], None]) -> None:
    """Serve a model until SIGTERM or SIGINT.

    Args:
        options: What to serve and how.
        on_ready: Called once, when all workers answer.

    Raises:
        DependencyMissing: gunicorn, Flask or something of POSIX that they need is not there.
        UsageError: There is no such file or host, or other machines would be answered without --no-auth.
        ModelRefused: The model is refused.
        OutputFailed: The port is taken or not allowed.
    """
    require_server()
    # Until gunicorn takes the signals over, SIGTERM ends the start as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _serve(options, on_ready)
    except KeyboardInterrupt:
        return


def require_server() -> None:
    """Check that what the server stands on is there.

    Raises:
        DependencyMissing: It is not.
    """
    for module in ("fcntl", "grp", "pwd", "resource"):
        extras.load(module, needed_for=_NEEDED_FOR, hint=_POSIX_HINT)
    for module in ("gunicorn", "flask"):
        extras.load(module, needed_for=_NEEDED_FOR, hint=_INSTALL_HINT)


def _serve(options: ServeOptions, on_ready: Callable[[Ready], None]) -> None:
    from mlship.serve.application import ServeApplication

    with contextlib.closing(bind(options)) as listener, _folder() as folder:
        plan, ready = _planned(options, listener, folder)
        try:
            listener.listen(_BACKLOG)  # only now, so that nobody is accepted who would be dropped again
        except OSError as error:  # another program may have bound the same port and listened first
            raise _port_problem(error, options.port) from error
        listener.detach()  # gunicorn's from here on
        _run(ServeApplication(replace(plan, on_ready=lambda: on_ready(ready))))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the parent removes when it ends; a worker leaves by the same way, and must not."""
    parent = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix="mlship-serve-"))
    try:
        yield folder
    finally:
        if os.getpid() == parent:
            shutil.rmtree(folder, ignore_errors=True)


def _planned(options: ServeOptions, listener: socket.socket, folder: Path) -> tuple[Plan, Ready]:
    cpus = available_cpus()
    workers = options.workers or default_workers(cpus)
    parallel = max(1, math.ceil(cpus / workers))
    models = tuple(preflight(name, source) for name, source in named(options.models).items())
    shadow = preflight("shadow", options.shadow) if options.shadow else None
    slowest = max(model.facts.pace.call for model in models)
    plan = Plan(
        models=models,
        shadow=shadow,
        limits=options.limits,
        listener=listener.fileno(),
        workers=workers,
        threads=options.threads or parallel + _SPARE_THREADS,
        parallel=parallel,
        queue=options.queue or default_queue(slowest, parallel),
        timeout=options.timeout,
        batch_wait=options.batch_wait_ms / 1000,
        folder=folder,
        log_level=options.log_level,
        watch=options.watch,
        on_ready=lambda: None,
    )
    facts = tuple((model.name, model.facts) for model in models)
    return plan, Ready(facts, _url(listener), plan.workers, plan.threads, plan.queue, options.limits)


def _run(application: ServeApplication) -> None:
    parent = os.getpid()
    try:
        application.run()
    except SystemExit as end:
        if os.getpid() != parent:  # a worker leaves this way too
            raise
        if end.code not in (0, None):
            raise application.failure or MlshipError("The server ended unexpectedly.") from None


def bind(options: ServeOptions) -> socket.socket:
    """Bind the TCP socket of the server without listening yet.

    Raises:
        UsageError: The host is unknown or not of this machine, or is beyond loopback without --no-auth.
        OutputFailed: The port is taken, or the system does not allow it.
    """
    host, port = options.host, options.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The host '{host}' is not known: {error}.", hint="--host 127.0.0.1") from error
    if not options.no_auth and not all(_is_loopback(str(address[0])) for *_, address in found):
        raise UsageError(
            f"On '{host}' every machine that reaches this one could ask the model, and nobody is asked who they are.",
            hint="Add --no-auth if that is meant, or keep to this machine with: --host 127.0.0.1",
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


def _port_problem(error: OSError, port: int) -> OutputFailed:
    if error.errno == errno.EADDRINUSE:
        return OutputFailed(
            f"Port {port} is taken by another program.", hint="Take any free port with: --port 0", code="port_taken"
        )
    return OutputFailed(f"Port {port} cannot be used: {error.strerror}.", hint="--port 8000", code="port_refused")


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
