"""The server of one model, from options to exit. This process only watches: it never opens the model itself."""

from __future__ import annotations

import contextlib
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
from mlship.quota import available_cpus, cgroup_quota, default_workers
from mlship.serve import offered, tls
from mlship.serve.listening import bind, is_loopback, listen, url_of
from mlship.serve.naming import named
from mlship.serve.plan import ModelPlan, Plan
from mlship.serve.preflight import preflight
from mlship.serve.proxies import Proxies
from mlship.serve.settings import Doors, Ready, ServeOptions, default_queue
from mlship.serve.tokens import Tokens, given_tokens

if TYPE_CHECKING:
    from mlship.serve.application import ServeApplication

_NEEDED_FOR = "mlship serve"
_POSIX_HINT = "Run it on Linux or macOS; on Windows in WSL or in a Docker container."
_INSTALL_HINT = "pip install 'gunicorn>=27.0.1' flask"
_SPARE_THREADS = 1  # parses and writes what is large while the others score


def serve(options: ServeOptions, on_ready: Callable[[Ready], None]) -> None:
    """Serve a model until SIGTERM or SIGINT.

    Args:
        options: What to serve and how.
        on_ready: Called once, when all workers answer.

    Raises:
        DependencyMissing: gunicorn, Flask or something of POSIX that they need is not there.
        UsageError: There is no such file or host, or other machines would be answered and not asked who they are.
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

    tokens = _checked(options)
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(contextlib.closing(bind(options, tokens=tokens is not None)))]
        if options.metrics_port is not None:
            metrics = bind(options, options.metrics_port, tokens=tokens is not None)
            listeners.append(stack.enter_context(contextlib.closing(metrics)))
        folder = stack.enter_context(_own_folder())
        plan, ready = _planned(options, tokens, listeners, folder)
        for listener in listeners:
            listen(listener)  # only now, so that nobody is accepted who would be dropped again
        for listener in listeners:
            listener.detach()  # gunicorn's from here on

        def tell() -> None:
            doors = replace(ready.doors, endpoints=offered.told(folder))
            on_ready(replace(ready, doors=doors))

        _run(ServeApplication(replace(plan, on_ready=tell)))


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder of this server alone; workers leave this way too, and must leave it there."""
    parent = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix="mlship-serve-"))
    try:
        yield folder
    finally:
        if os.getpid() == parent:
            shutil.rmtree(folder, ignore_errors=True)


def _checked(options: ServeOptions) -> Tokens | None:
    """Refuse what cannot be before anything is opened, and return the tokens."""
    tokens = given_tokens(options.token_file)
    if tokens is not None and options.no_auth:
        raise UsageError(
            "--no-auth and tokens are both given: either everybody is answered, or who shows one of them.",
            hint="Leave out --no-auth, or --token-file and MLSHIP_TOKEN.",
        )
    if options.tls is not None:
        tls.context_of(options.tls)
    if options.metrics_port is not None and options.metrics_port == options.port != 0:
        raise UsageError("--metrics-port is the same as --port.", hint="--metrics-port 0")
    return tokens


def _planned(
    options: ServeOptions, tokens: Tokens | None, listeners: list[socket.socket], folder: Path
) -> tuple[Plan, Ready]:
    cpus = available_cpus()
    workers = options.workers or default_workers(cpus)
    parallel = max(1, math.ceil(cpus / workers))
    proxies = Proxies(options.trusted_proxies)
    models = tuple(preflight(name, source) for name, source in named(options.models).items())
    shadow = _shadow(options.shadow, models) if options.shadow else None
    slowest = max(model.facts.pace.call for model in models)
    plan = Plan(
        models=models,
        shadow=shadow,
        limits=options.limits,
        listener=listeners[0].fileno(),
        workers=workers,
        threads=options.threads or parallel + _SPARE_THREADS,
        parallel=parallel,
        queue=options.queue or default_queue(slowest, parallel),
        timeout=options.timeout,
        batch_wait=options.batch_wait_ms / 1000,
        folder=folder,
        log_level=options.log_level,
        watch=options.watch,
        access_log=options.access_log,
        log_predictions=options.log_predictions and _record_folder(options.log_predictions),
        on_ready=lambda: None,
        tokens=tokens,
        tls=options.tls,
        proxies=proxies,
        metrics_listener=listeners[1].fileno() if len(listeners) > 1 else None,
        page=options.page,
    )
    return plan, _ready(plan, listeners, cpus)


def _ready(plan: Plan, listeners: list[socket.socket], cpus: float) -> Ready:
    urls = [url_of(listener, encrypted=plan.tls is not None) for listener in listeners]
    doors = Doors(
        url=urls[0],
        metrics_url=urls[1] if len(urls) > 1 else None,
        loopback=is_loopback(listeners[0].getsockname()[0]),
        tokens=plan.tokens.names if plan.tokens else (),
        tls=plan.tls,
    )
    return Ready(
        models=tuple((model.name, model.facts) for model in plan.models),
        doors=doors,
        workers=plan.workers,
        threads=plan.threads,
        queue=plan.queue,
        limits=plan.limits,
        timeout=plan.timeout,
        cpus=cpus,
        quota=cgroup_quota() == cpus,
        warnings=tls.warnings_of(plan.tls) if plan.tls else (),
    )


def _shadow(source: str, models: tuple[ModelPlan, ...]) -> ModelPlan:
    if len(models) > 1:
        raise UsageError(
            "Several models are served, and which of them --shadow is compared with is not said.",
            hint="Serve one model with --shadow, or none of them with it.",
        )
    return preflight("shadow", source, models[0].facts.signature)


def _record_folder(folder: Path) -> Path:
    """Make the folder for predictions, before anything is served that could not be recorded."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.resolve()
    except OSError as error:
        raise OutputFailed(
            f"Predictions cannot be recorded in '{folder}': {error.strerror or error}.",
            hint="Name a folder that can be written: --log-predictions DIR",
        ) from error


def _run(application: ServeApplication) -> None:
    parent = os.getpid()
    try:
        application.run()
    except SystemExit as end:
        if os.getpid() != parent:  # a worker leaves this way too
            raise
        if end.code not in (0, None):
            raise application.failure or MlshipError("The server ended unexpectedly.") from None
