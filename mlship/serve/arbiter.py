"""gunicorn, embedded: its application, its parent process, and how the workers speak to the parent."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from mlship.errors import MlshipError, ModelRefused
from mlship.serve.newcomers import turn_away
from mlship.serve.preflight import error_facts, error_from
from mlship.serve.settings import Limits, ModelFacts
from mlship.serve.worker import DRAIN_SECONDS, ServeWorker

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - gunicorn makes its heartbeat files there with mkstemp, and unlinks them
_GRACEFUL_SECONDS = 25  # Kubernetes kills 30 s after SIGTERM
_HANDSHAKE_SECONDS = 0.3  # time for connections that have begun to reach the accept queue
_KEEPALIVE_SECONDS = 5
_STALLED_SECONDS = 30
_MOST_FAILURES = 5
_LONGEST_REPORT = 500  # a write of up to PIPE_BUF (4096 bytes on Linux) is never mixed with another's
_FAILED = 1


@dataclass(frozen=True)
class Plan:
    """All that the server and its workers need.

    Attributes:
        path: The model file, for messages.
        data: Its bytes. Workers open these and not the file, so that all of them, also those that replace a
            dead one much later, serve the same model whatever happens to the file. A fork shares them.
        model: What the preflight found.
        limits: The most that one request may ask for.
        listener: File descriptor of the listening socket.
        workers: Number of worker processes.
        threads: Threads of each.
        log_level: Which of gunicorn's own messages are shown.
        on_ready: Called in the parent once all workers answer.
    """

    path: Path
    data: bytes = field(repr=False)
    model: ModelFacts
    limits: Limits
    listener: int
    workers: int
    threads: int
    log_level: str
    on_ready: Callable[[], None]


class ServeApplication(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's application for one model.

    Attributes:
        draining: In a worker: whether it is about to stop.
        failure: In the parent: why no worker could start, or None.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.draining = False
        self.failure: MlshipError | None = None
        self._announced = False
        self._ready: set[int] = set()
        self._failures = 0
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; none comes from its own files or environment."""
        plan = self.plan
        shared = os.access(_SHARED_MEMORY, os.W_OK)
        for name, value in {
            "bind": f"fd://{plan.listener}",
            "workers": plan.workers,
            "threads": plan.threads,
            "worker_class": ServeWorker,
            "worker_tmp_dir": _SHARED_MEMORY if shared else None,  # on a disk a heartbeat can stall
            "http_protocols": "h1",
            "asgi_lifespan": "off",
            "control_socket_disable": True,
            "preload_app": False,
            "forwarded_allow_ips": "",
            "keepalive": _KEEPALIVE_SECONDS,
            "graceful_timeout": _GRACEFUL_SECONDS,
            # opening counts too, and all workers open at once on CPUs that they share
            "timeout": int(_STALLED_SECONDS + 10 * plan.model.seconds),
            "loglevel": plan.log_level,
            "post_worker_init": lambda worker: self._tell({"pid": worker.pid}),
            "child_exit": lambda arbiter, worker: self._worker_ended(arbiter, worker.pid),
            "proc_name": "mlship serve",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Open the model in a worker and return its WSGI application.

        Raises:
            ModelRefused: The model cannot be opened, or is not the one of the preflight.
        """
        from mlship.model.session import SessionSpec, open_session
        from mlship.serve.app import create_app

        session = open_session(SessionSpec(self.plan.data))
        facts = self.plan.model
        if session.digest != facts.digest:
            raise ModelRefused(
                f"'{self.plan.path}' was replaced while the server was starting.",
                hint="Start it again.",
                code="model_changed",
            )
        # bytes have no file name, after which an unsigned model is called
        session.card = replace(session.card, name=facts.name, version=facts.version)
        return create_app(session, self.plan.limits, lambda: self.draining)

    def run(self) -> None:
        """Run the server until it is told to stop; leaves by SystemExit."""
        ServeArbiter(self).run()

    def report_failure(self, error: Exception) -> None:
        """Tell the parent why this worker cannot start."""
        if not isinstance(error, MlshipError):
            error = MlshipError(f"A worker could not start: {type(error).__name__}.")
        facts = error_facts(error)
        facts["message"] = facts["message"][:_LONGEST_REPORT]
        self._tell({"pid": os.getpid(), "error": facts})

    def hear(self) -> None:
        """Take in the parent what workers have told, and announce the server when all of them are ready."""
        for told in self._told():
            if "error" in told:
                self.failure = error_from(told["error"])
            else:
                self._ready.add(told["pid"])
                self._failures = 0
        if not self._announced and len(self._ready) >= self.plan.workers:
            self._announced = True
            self.plan.on_ready()

    @property
    def announced(self) -> bool:
        """Whether the server has been ready."""
        return self._announced

    def _worker_ended(self, arbiter: Any, pid: int) -> None:
        """Replace a worker that died, as gunicorn does, but give up when none of them gets ready."""
        self.hear()
        if pid in self._ready:
            self._ready.discard(pid)
            return
        if not arbiter.LISTENERS:  # stopping anyway
            return
        self._failures += 1
        self.failure = self.failure or ModelRefused(
            f"A worker that was to serve '{self.plan.path}' was ended before it was ready.",
            hint="Give the machine more memory, or use fewer processes: --workers 1",
            code="worker_died",
        )
        if self._announced and (self._ready or self._failures < _MOST_FAILURES):
            arbiter.log.error("%s Another one is started.", self.failure.message)
            self.failure = None
            return
        arbiter.log.error_log.setLevel(logging.CRITICAL)  # the failure is told once, by whoever called
        if not self._announced:
            arbiter.kill_workers(signal.SIGKILL)  # the others, which have answered nobody yet
        raise HaltServer("no worker could start", _FAILED)

    def _tell(self, told: dict[str, Any]) -> None:
        os.write(self._writer, json.dumps(told).encode() + b"\n")

    def _told(self) -> list[dict[str, Any]]:
        data = b""
        try:
            while part := os.read(self._reader, 1 << 16):
                data += part
        except BlockingIOError:
            pass
        return [json.loads(line) for line in data.splitlines()]


class ServeArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's parent process with the signals that a foreground program has: all of them stop it."""

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait as always; until the server is ready, look every 50 ms whether it is."""
        self.app.hear()
        signals: list[int] = super().wait_for_signals(timeout if self.app.announced else 0.05)
        return signals

    def stop(self, graceful: bool = True) -> None:
        """Let the workers drain, and turn new connections away shortly before they close the listener."""
        if graceful and self.LISTENERS and self.app.announced:
            self.kill_workers(signal.SIGTERM)
            time.sleep(DRAIN_SECONDS - _HANDSHAKE_SECONDS)
            for listener in self.LISTENERS:
                turn_away(listener.sock)
        super().stop(graceful)

    def handle_int(self) -> None:
        """Stop as on SIGTERM; a second SIGINT then ends the workers at once."""
        self.handle_term()

    def handle_hup(self) -> None:
        """Stop as on SIGTERM: gunicorn's reload would take a model that nobody has checked."""
        self.handle_term()

    def handle_usr2(self) -> None:
        """Do nothing: gunicorn would start a second server on the same port."""
