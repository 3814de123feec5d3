"""A model is opened once in a short-lived child before anybody serves it.

A model that is refused then ends the start with one message, or a reload without anything having changed; and the
process that forks the workers never holds a session of onnxruntime, which does not survive a fork
(https://github.com/microsoft/onnxruntime/issues/9800), nor NumPy or the client of an object store, which start threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from pathlib import Path
from typing import Any

from mlship.errors import MlshipError, ModelRefused, error_facts, error_from
from mlship.serve.plan import ModelPlan
from mlship.serve.settings import ModelFacts, Pace

_LONGEST = 600  # seconds that a model may take to be read and opened


class Check:
    """A check under way.

    Args:
        name: The name that the model is to be served by.
        source: Path or URI of the model.
        served: The signature that it has to fit, as JSON, or None.
    """

    def __init__(self, name: str, source: str, served: dict[str, Any] | None = None) -> None:
        self.name = name
        self.source = source
        self._until = time.monotonic() + _LONGEST
        self._parts: list[bytes] = []
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reader)
            _child(source, writer, served)
        os.close(writer)
        os.set_blocking(self._reader, False)

    def poll(self, seconds: float = 0.0) -> ModelPlan | None:
        """Return what was found, or None while the check goes on.

        Args:
            seconds: How long to wait for it.

        Raises:
            MlshipError: The model is refused, or the child was ended by the system.
        """
        until = time.monotonic() + seconds
        while True:
            select.select((self._reader,), (), (), max(0.0, until - time.monotonic()))
            try:
                while part := os.read(self._reader, 1 << 20):
                    self._parts.append(part)
            except BlockingIOError:
                if time.monotonic() >= self._until:
                    self.end()
                    raise ModelRefused(f"'{self.source}' did not open within {_LONGEST} s.", code="no_load") from None
                if time.monotonic() >= until:
                    return None
                continue
            return self._found()

    def end(self) -> int:
        """End the child, and return what its exit told; 0 where somebody else has waited for it."""
        os.close(self._reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:
            return 0

    def _found(self) -> ModelPlan:
        status = _reaped(self._pid)
        os.close(self._reader)
        head, _, data = b"".join(self._parts).partition(b"\n")
        if not head:
            how = f"signal {-status}" if status < 0 else f"exit code {status}"
            raise ModelRefused(
                f"'{self.source}' could not be opened: the process that tried was ended by {how}.",
                hint="Give the machine or the container more memory.",
                code="no_load",
            )
        answer: dict[str, Any] = json.loads(head)
        if "error" in answer:
            raise error_from(answer["error"])
        facts = ModelFacts(**{**answer["model"], "pace": Pace(**answer["model"]["pace"])})
        return ModelPlan(self.name, self.source, data, facts)


def preflight(name: str, source: str, served: dict[str, Any] | None = None) -> ModelPlan:
    """Check a model and return it.

    Args:
        name: The name that it is to be served by.
        source: Path or URI of it.
        served: The signature that it has to fit, as JSON, or None.

    Raises:
        UsageError: There is no such file.
        ModelRefused: The model is refused, or the child was ended by the system.
    """
    check = Check(name, source, served)
    try:
        while (found := check.poll(1.0)) is None:
            pass
    except KeyboardInterrupt:
        check.end()
        raise
    return found


def _reaped(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # gunicorn's parent waits for every child
        return 0


def _child(source: str, writer: int, served: dict[str, Any] | None) -> None:
    """Report what opening came to, and end this process without running anything of the parent's."""
    code = 1
    try:
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_DFL)
        head, data = _outcome(source, served)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(head).encode() + b"\n" + data)
        code = 0
    finally:
        os._exit(code)


def _outcome(source: str, served: dict[str, Any] | None) -> tuple[dict[str, Any], bytes]:
    try:
        data = _read(source)
        return {"model": _facts(source, data, served)}, data
    except MlshipError as error:
        return {"error": error_facts(error)}, b""
    except Exception as error:  # noqa: BLE001 - whatever it is, it has to reach the parent
        return {"error": error_facts(MlshipError(f"'{source}' could not be opened: {type(error).__name__}."))}, b""


def _read(source: str) -> bytes:
    from mlship import objects

    if objects.is_uri(source):
        return objects.get(objects.parse(source))[0]
    from mlship.model.artifact import read_file

    return read_file(Path(source))


def _facts(source: str, data: bytes, served: dict[str, Any] | None) -> dict[str, Any]:
    from mlship.model.compatible import check_fits
    from mlship.model.plain import to_plain
    from mlship.model.session import SessionSpec, open_session
    from mlship.serve.example import example_record
    from mlship.serve.pace import measured

    start = time.monotonic()
    session = open_session(SessionSpec(data, origin=source))
    seconds = time.monotonic() - start
    if served is not None:
        check_fits(session.signature, served, source)
    example = example_record(session)
    facts = ModelFacts(
        name=session.card.name,
        version=session.card.version,
        digest=session.digest,
        proven=session.proven,
        warning=session.replay.warning,
        example=example,
        seconds=seconds,
        pace=measured(session, example),
        signature=session.signature.to_json(),
    )
    return {**vars(facts), "pace": to_plain(facts.pace)}
