"""gunicorn, embedded: its application, and how the workers speak to the parent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from mlship.errors import MlshipError, error_facts, error_from
from mlship.serve.plan import Plan
from mlship.serve.settings import GRACEFUL_SECONDS
from mlship.serve.worker import ServeWorker

if TYPE_CHECKING:
    from mlship.serve.dispatch import Dispatch

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - gunicorn makes its heartbeat files there with mkstemp, and unlinks them
_KEEPALIVE_SECONDS = 75
_LEAST_STALLED_SECONDS = 10  # a machine that is busy with other things is no reason to end a worker
_LONGEST_REPORT = 500  # a write of up to PIPE_BUF (4096 bytes on Linux) is never mixed with another's


class ServeApplication(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's application.

    Attributes:
        plan: What is served; a reload puts another in its place.
        draining: In a worker: whether it is about to stop.
        failures: In the parent: why workers could not start, by their process ids.
        failure: In the parent: why the server ended, or None.
        ready: In the parent: process ids of the workers that answer.
        hung: In the parent: process ids of workers in which a call hangs, until somebody looks after them.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.draining = False
        self.failures: dict[int, MlshipError] = {}
        self.failure: MlshipError | None = None
        self.ready: set[int] = set()
        self.hung: set[int] = set()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; none comes from its own files or environment."""
        plan = self.plan
        shared = os.access(_SHARED_MEMORY, os.W_OK)
        listeners = [plan.listener] if plan.metrics_listener is None else [plan.listener, plan.metrics_listener]
        slowest = max(model.facts.seconds for model in plan.models)
        for name, value in {
            "bind": [f"fd://{listener}" for listener in listeners],
            "workers": plan.workers,
            "threads": plan.threads,
            "worker_class": ServeWorker,
            "worker_tmp_dir": _SHARED_MEMORY if shared else None,  # on a disk a heartbeat can stall
            "http_protocols": "h1",
            "asgi_lifespan": "off",
            "asgi_disconnect_grace_period": 0,  # what nobody waits for is not answered
            "control_socket_disable": True,
            "preload_app": False,
            "forwarded_allow_ips": "",
            "keepalive": _KEEPALIVE_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            # Of a loop that stands still: a call that hangs there is ended with its worker. Opening counts too, and all
            # workers open at once on CPUs that they share.
            "timeout": int(max(plan.timeout, _LEAST_STALLED_SECONDS) + 10 * slowest) + 1,
            "loglevel": plan.log_level,
            "post_worker_init": lambda worker: self._tell({"pid": worker.pid}),
            "proc_name": "mlship serve",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Nothing calls this: workers `open` what they serve."""
        raise AssertionError

    def open(self, on_hang: Callable[[], None]) -> Dispatch:
        """Open the models in a worker.

        Args:
            on_hang: Called when a call did not end in time.

        Raises:
            ModelRefused: A model cannot be opened.
        """
        from mlship.serve.opening import opened

        return opened(self.plan, lambda: self.draining, on_hang)

    def run(self) -> None:
        """Run the server until it is told to stop; leaves by SystemExit."""
        from mlship.serve.arbiter import ServeArbiter

        ServeArbiter(self).run()

    def report_failure(self, error: Exception) -> None:
        """Tell the parent why this worker cannot start."""
        if not isinstance(error, MlshipError):
            error = MlshipError(f"A worker could not start: {type(error).__name__}.")
        facts = error_facts(error)
        facts["message"] = facts["message"][:_LONGEST_REPORT]
        self._tell({"pid": os.getpid(), "error": facts})

    def report_hang(self) -> None:
        """Tell the parent that a call hangs in this worker."""
        self._tell({"pid": os.getpid(), "hung": True})

    def hear(self) -> None:
        """Take in the parent what workers have told."""
        for told in self._told():
            if "error" in told:
                self.failures[told["pid"]] = error_from(told["error"])
            elif "hung" in told:
                self.hung.add(told["pid"])
            else:
                self.ready.add(told["pid"])

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
