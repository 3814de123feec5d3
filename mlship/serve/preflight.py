"""The model is opened once in a short-lived child before the server starts.

A model that is refused then ends the start with one message instead of one from each worker, and the
process that will fork the workers never holds a session of onnxruntime, which does not survive a fork
(https://github.com/microsoft/onnxruntime/issues/9800), nor NumPy, which starts threads.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from mlship import errors
from mlship.errors import MlshipError, ModelRefused
from mlship.serve.settings import ModelFacts


def preflight(model: Path) -> ModelFacts:
    """Open a model in a child process, replay its golden rows, and return what is known of it.

    Raises:
        UsageError: There is no such file.
        ModelRefused: The model is refused, or the child was ended by the system.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(model, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as stream:
            report = stream.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not report:
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        raise ModelRefused(
            f"'{model}' could not be opened: the process that tried was ended by {how}.",
            hint="Give the machine or the container more memory.",
            code="no_load",
        )
    answer: dict[str, Any] = json.loads(report)
    if "error" in answer:
        raise error_from(answer["error"])
    return ModelFacts(**answer["model"])


def error_facts(error: MlshipError) -> dict[str, Any]:
    """Return an error as JSON values, to be raised again in another process by `error_from`."""
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "code": error.code}


def error_from(facts: dict[str, Any]) -> MlshipError:
    """Return the error that `error_facts` described."""
    kind = getattr(errors, facts["kind"], MlshipError)
    raised: MlshipError = kind(facts["message"], hint=facts["hint"], code=facts["code"])
    return raised


def _child(model: Path, writer: int) -> None:
    """Report what opening came to, and end this process without running anything of the parent's."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        answer = _outcome(model)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(answer).encode())
        code = 0
    finally:
        os._exit(code)


def _outcome(model: Path) -> dict[str, Any]:
    from mlship.model.session import SessionSpec, open_session
    from mlship.serve.example import example_record

    start = time.monotonic()
    try:
        session = open_session(SessionSpec(model))
        facts = ModelFacts(
            name=session.card.name,
            version=session.card.version,
            digest=session.digest,
            proven=session.proven,
            warning=session.replay.warning,
            example=example_record(session),
            seconds=time.monotonic() - start,
        )
    except MlshipError as error:
        return {"error": error_facts(error)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it has to reach the parent
        return {"error": error_facts(MlshipError(f"'{model}' could not be opened: {type(error).__name__}."))}
    return {"model": vars(facts)}
