"""gunicorn's parent process as this server needs it: workers that do not start, reloads, and an orderly end."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from mlship.errors import MlshipError, ModelRefused
from mlship.model.watch import Watch
from mlship.serve.application import ServeApplication
from mlship.serve.reload import Candidate, digests
from mlship.serve.settings import DRAIN_SECONDS
from mlship.serve.worker import RETIRE, TOLD

_MOST_FAILURES = 5
_FAILED = 1
_BUSY_SECONDS = 0.05  # between two looks while something is under way


class ServeArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """The parent of the workers."""

    app: ServeApplication

    def __init__(self, app: ServeApplication) -> None:
        self._announced = False
        self._stopping = False
        self._failures = 0
        self._candidate: Candidate | None = None
        self._again = False
        self._unwanted: set[int] = set()  # workers that were ended before they were ready
        self._hung: set[int] = set()  # workers in which a call hangs, and whose successors are not ready
        sources = [model.source for model in (*app.plan.models, *([app.plan.shadow] if app.plan.shadow else []))]
        self._watch = Watch(sources) if app.plan.watch else None
        super().__init__(app)
        self.cfg.set("child_exit", lambda _, worker: self._worker_ended(worker.pid))

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait as always; look often whether the server is ready, or a reload gets on."""
        busy = not self._announced or self._candidate is not None or self._hung
        signals: list[int] = super().wait_for_signals(_BUSY_SECONDS if busy else timeout)
        self._look()
        return signals

    def _look(self) -> None:
        self.app.hear()
        if not self._announced and len(self.app.ready) >= self.app.plan.workers:
            self._announced = True
            self.app.plan.on_ready()
        if self.app.ready:
            self._failures = 0
        tokens = self.app.plan.tokens  # read again here too: a worker that is started later begins with them
        if tokens is not None and (problem := tokens.refresh()) is not None:
            self.log.error(problem)
        self._look_after_hung()
        if self._candidate is not None:
            try:
                self._get_on(self._candidate)
            except Exception as error:  # noqa: BLE001 - whatever it is, what is served is served on
                told = error if isinstance(error, MlshipError) else MlshipError(f"It failed: {type(error).__name__}.")
                self._refuse(self._candidate, told)
        elif self._again or (self._announced and self._watch is not None and self._watch.changed()):
            self._again = False
            self._candidate = Candidate.of(self.app.plan)

    def _look_after_hung(self) -> None:
        """Have another worker started for each in which a call hangs, which serves on until all others are ready."""
        for pid in self.app.hung & self.WORKERS.keys():
            self.WORKERS[pid].retired = True  # it no longer counts, so that another one is started
            self._hung.add(pid)
        self.app.hung.clear()
        self._hung &= self.WORKERS.keys()
        ready = sum(pid in self.app.ready and not getattr(one, "retired", False) for pid, one in self.WORKERS.items())
        if self._hung and ready >= self.num_workers:
            for pid in self._hung:
                self.kill_worker(pid, RETIRE)
            self._hung.clear()

    def _get_on(self, candidate: Candidate) -> None:
        """Take the next step of a reload, when it can be taken."""
        if not candidate.pids:
            plan = candidate.checked()
            if plan is not None:
                self._bring_in(candidate, plan)
        elif candidate.pids <= self.app.ready:
            self._candidate = None
            candidate.tell(None)
            for pid in candidate.retiring & self.WORKERS.keys():
                self._end(pid, RETIRE if pid in self.app.ready else signal.SIGTERM)
            self.log.warning("The new model is served: %s", _named(self.app))

    def _bring_in(self, candidate: Candidate, plan: Any) -> None:
        if digests(plan) == digests(candidate.plan) and plan.tls is None:  # certificates are read by new workers
            self._candidate = None
            candidate.tell(None, changed=False)
            return
        candidate.retiring = set(self.WORKERS)
        self.app.plan = plan
        candidate.pids = {self.spawn_worker() for _ in range(plan.workers)}

    def _refuse(self, candidate: Candidate, error: MlshipError) -> None:
        """Leave everything as it is."""
        self._candidate = None
        candidate.drop()
        self.app.plan = candidate.plan
        for pid in candidate.pids & self.WORKERS.keys():
            self._end(pid, signal.SIGKILL)
        candidate.tell(error)
        self.log.error("The reload was refused, and the model before is served on: %s", error.message)

    def manage_workers(self) -> None:
        """Keep the number of workers; while a reload brings in new ones, there are more, and none is ended for that."""
        if self._candidate is None or not self._candidate.pids:
            retired = [pid for pid, worker in self.WORKERS.items() if getattr(worker, "retired", False)]
            if len(self.WORKERS) - len(retired) < self.num_workers:
                for _ in range(self.num_workers - (len(self.WORKERS) - len(retired))):
                    self.spawn_worker()

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal; a worker that is told to end no longer counts as one."""
        if sig in (signal.SIGTERM, signal.SIGKILL, RETIRE) and pid in self.WORKERS:
            self.WORKERS[pid].retired = True
        super().kill_worker(pid, sig)

    def _end(self, pid: int, sig: int) -> None:
        """End a worker whose model is not served, or no longer."""
        if pid not in self.app.ready:
            self._unwanted.add(pid)
        self.kill_worker(pid, sig)

    def spawn_worker(self) -> int:
        """Start a worker; signals wait until it has handlers of its own, as those of its parent would lose them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
        try:
            pid: int = super().spawn_worker()
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)

    def _worker_ended(self, pid: int) -> None:
        """Replace a worker that died, as gunicorn does, but give up when none of them gets ready."""
        self.app.hear()
        failure = self.app.failures.pop(pid, None)
        was_ready = pid in self.app.ready
        was_unwanted = pid in self._unwanted
        self.app.ready.discard(pid)
        self._unwanted.discard(pid)
        if was_ready or was_unwanted or self._stopping:
            return
        failure = failure or ModelRefused(
            "A worker was ended before it was ready.",
            hint="Give the machine more memory, or use fewer processes: --workers 1",
            code="worker_died",
        )
        if self._candidate is not None and pid in self._candidate.pids:
            self._refuse(self._candidate, failure)
            return
        self._failures += 1
        if self._announced and (self.app.ready or self._failures < _MOST_FAILURES):
            self.log.error("%s Another one is started.", failure.message)
            return
        self.app.failure = failure
        self.log.error_log.setLevel(logging.CRITICAL)  # the failure is told once, by whoever called
        if not self._announced:
            self.kill_workers(signal.SIGKILL)  # the others, which have answered nobody yet
        raise HaltServer("no worker could start", _FAILED)

    def stop(self, graceful: bool = True) -> None:
        """Let the workers drain, and close the listener when they have."""
        self._stopping = True
        if self._candidate is not None:
            self._candidate.drop()
        if graceful and self.LISTENERS and self._announced:
            self.kill_workers(signal.SIGTERM)
            time.sleep(DRAIN_SECONDS)  # each of them turns new connections away before it closes the listener
        super().stop(graceful)

    def handle_int(self) -> None:
        """Stop as on SIGTERM; a second SIGINT then ends the workers at once."""
        self.handle_term()

    def handle_hup(self) -> None:
        """Take over what the model files now hold; when the terminal was closed in which it was started, stop."""
        if _terminal_is_gone():
            self.handle_term()
        self._again = True

    def handle_usr2(self) -> None:
        """Do nothing: gunicorn would start a second server on the same port."""


def _terminal_is_gone() -> bool:
    """Whether SIGHUP came because the terminal was closed; a terminal that hung up can no longer be opened."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError as error:
        return error.errno == 5  # EIO; without any terminal it is ENXIO
    return False


def _named(app: ServeApplication) -> str:
    return ", ".join(f"{model.name} {model.facts.version} ({model.facts.digest[:12]})" for model in app.plan.models)
