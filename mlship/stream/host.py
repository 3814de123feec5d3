"""The parent of a stream's processes: starts them, answers for them over HTTP, starts anew whom a signal ended."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.errors import MlshipError, OutputFailed, error_from
from mlship.monitor.door import Door, answered
from mlship.monitor.metrics import exposed
from mlship.stream.clients import require_kafka
from mlship.stream.options import StreamOptions
from mlship.stream.worker import ENDS_SECONDS, Place, beats, metrics_folder, pulse_file, work

_STALE_SECONDS = 10.0  # without a sign; a process gives one each second
_LOOK_SECONDS = 0.2
_MOST_DEATHS, _DEATH_SECONDS = 5, 60.0
_READY_SECONDS = 120.0
_POLL_MS = 300_000  # librdkafka's default
_log = logging.getLogger("mlship.stream")


@dataclass(frozen=True)
class Address:
    """Where health and metrics are answered.

    Attributes:
        host: Name or address to listen on.
        port: TCP port, 0 for any free one.
    """

    host: str
    port: int


@dataclass(frozen=True)
class StreamReady:
    """What is told once all processes read.

    Attributes:
        model: Name, version and digest.
        url: Where health and metrics are answered.
        workers: Processes.
    """

    model: dict[str, str]
    url: str
    workers: int


def stream(
    options: StreamOptions, address: Address, on_ready: Callable[[StreamReady], None], *, verbose: bool = False
) -> None:
    """Score a topic until SIGTERM or SIGINT; SIGHUP takes over a model that was replaced.

    Args:
        options: What to score and how.
        address: Where health and metrics are answered.
        on_ready: Called once, when all processes read.
        verbose: Whether what the client tells is logged too.

    Raises:
        DependencyMissing: confluent-kafka is not there.
        UsageError: There is no such model or topic, or the configuration is not right.
        ModelRefused: The model is refused, or failed on a record.
        InputRefused: The model cannot take a record, and there is no topic for those.
        OutputFailed: No broker answers, or it refuses; the port is taken; or processes die again and again.
        OutputLocked: Something else uses a process's name.
    """
    require_kafka()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_own_folder())
        host = _Host(options, Place(folder, verbose))
        door = Door(host.ready, lambda: exposed(metrics_folder(folder)))
        port = stack.enter_context(answered(door, address.host, address.port))
        stack.enter_context(host.signals())
        stack.callback(host.end)
        host.run(lambda model: on_ready(StreamReady(model, _url(address.host, port), options.workers)))
        error = host.end()
        if error is not None:
            raise error


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mlship-stream-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Child:
    """A process and how it is heard of."""

    def __init__(self, options: StreamOptions, place: Place) -> None:
        # A new interpreter, since a copy of a process with threads may wait for ever for one that it has not
        context = multiprocessing.get_context("spawn")
        self.ear, mouth = context.Pipe(duplex=False)
        self.process = context.Process(target=work, args=(options, place, mouth), daemon=False)
        self.process.start()
        mouth.close()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def error(self) -> MlshipError | None:
        """What it told before it ended."""
        with contextlib.suppress(EOFError, OSError):
            if self.ear.poll():
                return error_from(self.ear.recv())
        return None


class _Host:
    def __init__(self, options: StreamOptions, place: Place) -> None:
        self._options = options
        self._place = place
        self._children: list[_Child] = []
        self._deaths: list[float] = []
        self._stopping = threading.Event()
        self._hangup = False

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Have SIGTERM and SIGINT stop the stream, and SIGHUP be handed on."""
        before = {
            signum: signal.signal(signum, handler)
            for signum, handler in (
                (signal.SIGTERM, self._on_stop),
                (signal.SIGINT, self._on_stop),
                (signal.SIGHUP, self._on_hangup),
            )
        }
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _on_stop(self, *_: Any) -> None:
        self._stopping.set()

    def _on_hangup(self, *_: Any) -> None:
        self._hangup = True

    def run(self, on_ready: Callable[[dict[str, str]], None]) -> None:
        """Keep the processes going until a stop."""
        self._children = [_Child(self._options, self._place) for _ in range(self._options.workers)]
        told = False
        until = time.monotonic() + _READY_SECONDS
        while not self._stopping.wait(_LOOK_SECONDS):
            if self._hangup:
                self._hangup = False
                self._send(signal.SIGHUP)
            self._look()
            if not told and (models := self._beats(_STALE_SECONDS)) and len(models) == len(self._children):
                told = True
                on_ready({key: models[0][key] for key in ("name", "version", "digest")})
            if not told and time.monotonic() > until:
                raise OutputFailed(f"The stream was not ready within {_READY_SECONDS:g} s.")

    def _look(self) -> None:
        """Start a process anew that was ended from outside; one that ended by itself ends the stream.

        Raises:
            MlshipError: What a process told when it ended.
        """
        for place, child in enumerate(self._children):
            if child.process.is_alive():
                self._kill_stuck(child)
                continue
            error = child.error()
            code = child.process.exitcode
            child.process.join()
            if error is not None:
                raise error
            now = time.monotonic()
            self._deaths = [at for at in self._deaths if now - at < _DEATH_SECONDS] + [now]
            if len(self._deaths) > _MOST_DEATHS:
                raise OutputFailed(f"Processes of the stream end again and again, the last with {code}.")
            self._children[place] = _Child(self._options, self._place)

    def _kill_stuck(self, child: _Child) -> None:
        """End a process without a sign of life for longer than the group waits; the next look replaces it."""
        limit = float(self._options.consumer.get("max.poll.interval.ms", _POLL_MS)) / 1000
        with contextlib.suppress(OSError):  # of one that has just begun
            silent = time.time() - pulse_file(self._place.folder, child.pid).stat().st_mtime
            if silent > limit:
                _log.warning("A process of the stream showed no sign of life for %.0f s, and is replaced.", silent)
                child.process.kill()
                child.process.join()

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether all processes get on, and with which models."""
        models = self._beats(_STALE_SECONDS)
        told = {model["digest"]: model for model in models}
        facts = {"workers": self._options.workers, "reading": len(models), "models": list(told.values())}
        return len(models) == self._options.workers and not self._stopping.is_set(), facts

    def _beats(self, seconds: float) -> list[dict[str, Any]]:
        return beats(self._place.folder, [child.pid for child in self._children], seconds)

    def _send(self, signum: int) -> None:
        for child in self._children:
            if child.process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signum)

    def end(self) -> MlshipError | None:
        """End all processes, those that do not end in their time by force, and return an error that one told."""
        self._send(signal.SIGTERM)
        until = time.monotonic() + ENDS_SECONDS
        for child in self._children:
            child.process.join(max(0.0, until - time.monotonic()))
            if child.process.is_alive():
                _log.warning("A process of the stream did not end in time; what was under way is not committed.")
                child.process.kill()
                child.process.join()
        told = [error for child in self._children if (error := child.error()) is not None]
        self._children = []
        return told[0] if told else None
