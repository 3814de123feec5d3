"""One process of a stream: a member of the consumer group with a session of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.errors import MlshipError, Stopped, error_facts, exit_code_of
from mlship.files import write_atomic
from mlship.model.artifact import read_artifact
from mlship.model.compatible import check_fits
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.watch import Watch
from mlship.monitor.metrics import Metrics
from mlship.stream.clients import check_topics, consumer_of
from mlship.stream.delivery import AtLeastOnce, Delivery
from mlship.stream.identity import Identity
from mlship.stream.loop import Between, Loop
from mlship.stream.observed import Observed
from mlship.stream.options import StreamOptions
from mlship.stream.reader import Reader
from mlship.stream.records import check_keep
from mlship.stream.transactions import ExactlyOnce

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from confluent_kafka import KafkaError

GRACE_SECONDS = 25.0
"""How long a stop may take: Kubernetes kills 30 s after SIGTERM."""
ENDS_SECONDS = GRACE_SECONDS + 3
"""After which a process that was told to stop is ended by force."""
_PULSE_SECONDS = 1.0
_log = logging.getLogger("mlship.stream")


@dataclass(frozen=True)
class Place:
    """Where a process stands among those of its stream; picklable.

    Attributes:
        folder: The folder that they share.
        verbose: Whether what the client tells is logged too.
    """

    folder: Path
    verbose: bool


def metrics_folder(folder: Path) -> Path:
    """Return where in a stream's folder its metrics are."""
    return folder / "metrics"


def beat_file(folder: Path, pid: int) -> Path:
    """Return the file in which a process tells while it gets on with which model."""
    return folder / f"beat-{pid}.json"


def pulse_file(folder: Path, pid: int) -> Path:
    """Return the file that a process touches while it lives, also when it waits for a broker."""
    return folder / f"pulse-{pid}"


def model_file(folder: Path) -> Path:
    """Return the file with the model that was taken over last, for processes that take another's place."""
    return folder / "model.onnx"


def work(options: StreamOptions, place: Place, parent: Connection) -> None:
    """Work until SIGTERM, and end the process with the exit code that tells how it went.

    Args:
        options: What the stream is told.
        place: Where this process stands.
        parent: Told of an error as `errors.error_facts` has it.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO if place.verbose else logging.WARNING, format="%(message)s"
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which sends it to all: the parent tells what to do
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _Worker(options, place).run()
    except Stopped as stopped:
        _log.warning("%s", stopped.message)
    except MlshipError as error:
        parent.send(error_facts(error))
        sys.exit(exit_code_of(error))
    except Exception as error:  # noqa: BLE001  whatever it is, it has to reach the parent; its text may hold values
        if place.verbose:
            _log.exception("A process of the stream failed.")
        parent.send(error_facts(MlshipError(f"A process of the stream failed: {type(error).__name__}.", hint="-v")))
        sys.exit(1)


def _end_with_parent() -> None:
    """Stop when the parent was killed: nobody would answer for this process, nor end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _Worker:
    def __init__(self, options: StreamOptions, place: Place) -> None:
        self._options = options
        self._folder = place.folder
        self._beat = beat_file(place.folder, os.getpid())
        self._pulse = pulse_file(place.folder, os.getpid())
        self._pulse_at = 0.0
        self._reload = False
        self._watch = Watch([options.model]) if options.watch else None
        self._metrics = Metrics(metrics_folder(place.folder))
        self._loop: Loop | None = None
        self._session = self._first()
        signal.signal(signal.SIGHUP, self._on_hangup)
        signal.signal(signal.SIGTERM, self._on_term)

    def _first(self) -> Session:
        """The model to begin with: that which was taken over last, whatever the file holds by now."""
        source, kept = self._options.model, model_file(self._folder)
        data = kept.read_bytes() if kept.exists() else _read(source)
        session = _opened(data, source)
        check_keep(self._options.keep, session)
        if not kept.exists():
            self._put(data)
        return session

    def _put(self, data: bytes) -> None:
        write_atomic(model_file(self._folder), data)

    def _on_hangup(self, *_: Any) -> None:
        self._reload = True

    def _on_term(self, *_: Any) -> None:
        if self._loop is None:
            sys.exit(0)
        self._loop.stop(GRACE_SECONDS)

    def run(self) -> None:
        """Read, score and write."""
        options = self._options
        identity = Identity(options.group)
        instance = options.consumer.get("group.instance.id")
        heard: list[KafkaError] = []
        consumer = consumer_of(options, None if instance is None else f"{instance}.{identity.place}", heard)
        check_topics(consumer, options.topics, options.consumer["bootstrap.servers"], heard)
        reader = Reader(consumer, options.topics.source, options.bounds)
        observed = Observed(self._metrics, self._session)
        self._loop = loop = Loop(options, reader, observed, Between(self._session, self._takeover, self._live))
        delivery: Delivery = (
            ExactlyOnce(options, consumer, loop.keep_alive, identity.transactional_id)
            if options.exactly_once
            else AtLeastOnce(options, consumer, loop.keep_alive)
        )
        delivery.start()
        try:
            loop.run(delivery, self._tell)
        finally:
            with contextlib.suppress(OSError):
                observed.tick({}, 0)
            delivery.close()
            consumer.close()
            if (parent := multiprocessing.parent_process()) is not None and not parent.is_alive():
                shutil.rmtree(self._folder, ignore_errors=True)  # which nobody else does

    def _live(self) -> None:
        """Show that this process lives."""
        now = time.monotonic()
        if now - self._pulse_at >= _PULSE_SECONDS:
            self._pulse_at = now
            with contextlib.suppress(OSError):  # a full disk is no reason to stop
                self._pulse.touch()

    def _tell(self) -> None:
        """Show that this process gets on, and with which model."""
        card = self._session.card
        told = {
            "name": card.name,
            "version": card.version,
            "digest": self._session.digest,
            "golden": self._session.replay.agrees,
        }
        part = self._beat.with_suffix(".part")
        try:
            part.write_text(json.dumps({"at": time.time(), "model": told}), encoding="utf-8")
            part.replace(self._beat)
        except OSError as error:
            _log.warning("'%s' cannot be written: %s. Records are scored all the same.", self._folder, error.strerror)

    def _takeover(self) -> Session | None:
        """Another model, where one is there and can take the place of this one; else all stays as it is."""
        due = self._reload or (self._watch is not None and self._watch.changed())
        self._reload = False
        if not due:
            return None
        source = self._options.model
        try:
            data = _read(source)
            session = _opened(data, source)
            if session.digest == self._session.digest:
                return None
            check_fits(session.signature, self._session.signature.to_json(), source)
            check_keep(self._options.keep, session)
            self._put(data)
        except MlshipError as error:
            _log.warning("The model was not taken over: %s", error.message)
            return None
        self._session = session
        _log.warning("The model %s %s was taken over.", session.card.name, session.card.version)
        return session


def _read(source: str) -> bytes:
    from mlship import objects

    if objects.is_uri(source):
        return objects.get(objects.parse(source))[0]
    return read_artifact(Path(source)).data


def _opened(data: bytes, source: str) -> Session:
    """Open a model, which replays its golden rows."""
    return open_session(SessionSpec(data, origin=source))


def beats(folder: Path, pids: list[int], seconds: float) -> list[dict[str, Any]]:
    """Return with which models those processes work that got on within so many seconds."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            beat = json.loads(beat_file(folder, pid).read_bytes())
            if time.time() - beat["at"] <= seconds:
                found.append(beat["model"])
    return found
