"""The errors of mlship, each with the exit code and HTTP status it leads to.

    MlshipError             1  500  a bug of ours, when raised as such
    |-- UsageError          2  400  wrong options, or no model to be found
    |-- InputRefused        3  422  input absent, unreadable, or past the reject limit
    |-- ModelRefused        4  503  untrusted, corrupt, of another version, or its golden rows differ
    |-- NotConvertible      5  500  no proven equal ONNX graph could be made
    |-- OutputFailed        6  500  reading or writing failed; the same command may go on later
    |   `-- DamagedChunk    6  500  what was written is not what is on the disk
    |-- OutputLocked        7  500  another run holds the output
    |-- DependencyMissing   8  500  an optional library is absent
    |-- GateExceeded        9  500  the output is there, and what was measured on it is past a bound
    `-- Stopped       130/143  503  SIGINT or SIGTERM

The library raises; only the command line turns an error into an exit code, and only the HTTP side
turns it into a status. `message` says what failed and what was expected, `hint` is one thing to type.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MlshipError(Exception):
    """Base of all errors that mlship raises on purpose.

    Args:
        message: What failed, with the path or the column quoted, and what was expected.
        hint: One thing that the reader can type or change, or None.
        code: A short machine-readable name, by default the class's own.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    default_code: ClassVar[str] = "bug"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code
        self.facts: dict[str, Any] = {}
        """What had been reached when it was raised, for `--json`."""


class UsageError(MlshipError):
    """The command was put together wrongly, or what it needs cannot be found."""

    exit_code = 2
    http_status = 400
    default_code = "usage"


class InputRefused(MlshipError):
    """The data to score is absent, unreadable, or has too many rejected rows."""

    exit_code = 3
    http_status = 422
    default_code = "input_refused"


class ModelRefused(MlshipError):
    """The model file is untrusted, corrupt, of another version, or answers differently."""

    exit_code = 4
    http_status = 503
    default_code = "model_refused"


class NotConvertible(MlshipError):
    """No ONNX graph could be made and proven equal to the model."""

    exit_code = 5
    default_code = "not_convertible"


class OutputFailed(MlshipError):
    """Reading or writing failed in the system: disk full, no permission, port taken."""

    exit_code = 6
    default_code = "output_failed"


class DamagedChunk(OutputFailed):
    """What was written is not what the disk or the store gives back."""

    default_code = "damaged_chunk"


class OutputLocked(MlshipError):
    """Another run of mlship holds the same output."""

    exit_code = 7
    default_code = "locked"


class DependencyMissing(MlshipError):
    """A library that this command needs is not installed."""

    exit_code = 8
    default_code = "dependency_missing"


class GateExceeded(MlshipError):
    """The output was published, and drift or change on it is past what was allowed."""

    exit_code = 9
    default_code = "gate_exceeded"


class Stopped(MlshipError):
    """The run was told to stop by a signal.

    Args:
        signum: Number of the signal; the exit code is 128 plus it, as shells count.
    """

    http_status = 503
    default_code = "stopped"

    def __init__(self, signum: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.stop_code = 128 + signum


def exit_code_of(error: MlshipError) -> int:
    """Return the process exit code for an error."""
    return error.stop_code if isinstance(error, Stopped) else error.exit_code


def error_facts(error: MlshipError) -> dict[str, Any]:
    """Return an error as JSON values, to be raised again in another process by `error_from`."""
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "code": error.code}


def error_from(facts: dict[str, Any]) -> MlshipError:
    """Return the error that `error_facts` described."""
    kind = globals().get(facts["kind"], MlshipError)
    raised: MlshipError = kind(facts["message"], hint=facts["hint"], code=facts["code"])
    return raised
