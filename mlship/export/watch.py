"""What the parent makes of a child that loads, converts and proves: its result, its error, or how it ended."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass
from typing import Any

from mlship.errors import (
    DependencyMissing,
    InputRefused,
    MlshipError,
    ModelRefused,
    NotConvertible,
    OutputFailed,
    UsageError,
)
from mlship.export.limits import Limits, out_of_memory, out_of_time
from mlship.export.loading import Bounds
from mlship.export.process import Child

_KINDS = {
    kind.__name__: kind
    for kind in (MlshipError, UsageError, InputRefused, ModelRefused, NotConvertible, OutputFailed, DependencyMissing)
}


@dataclass(frozen=True)
class Watch:
    """What a child is watched by.

    Attributes:
        name: The model file, quoted, for messages.
        size: Its size in bytes, which the limits of loading grow with.
        bounds: What loading may take.
        limits: What all after it may take.
    """

    name: str
    size: int
    bounds: Bounds
    limits: Limits


@dataclass
class Told:
    """What a child told.

    Attributes:
        loaded: What it said once the model was loaded, or None before that.
        done: What it said at the end.
        artifact: The bytes that it made.
    """

    loaded: Any = None
    done: Any = None
    artifact: bytes = b""


def watched(child: Child, watch: Watch) -> Told:
    """Wait for a child, and end it and all that it has started whatever happens.

    Raises:
        MlshipError: What it raised.
        ModelRefused: It hit a limit or died while it loaded the model.
        NotConvertible: It did so afterwards.
    """
    told = Told()
    deadline = time.monotonic() + 2 * watch.bounds.seconds_for(watch.size) + 30
    try:
        while not told.artifact:
            frame, data = child.receive(deadline)
            if frame == "artifact":
                told.artifact = data
                if not data:
                    break
            elif frame == "error":
                raise _rebuilt(_object(data), watch, loaded=told.loaded is not None)
            elif frame == "loaded":
                if told.loaded is not None:  # it would get its time again
                    raise ValueError("loaded twice")
                told.loaded = _object(data)
                deadline = time.monotonic() + watch.limits.seconds
            else:
                told.done = json.loads(data)
    except TimeoutError:
        raise _too_slow(watch) if told.loaded is None else out_of_time(watch.limits) from None
    except EOFError:
        raise _died(child.end(), watch, loaded=told.loaded is not None) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):  # it has no sense
        raise untold() from None
    finally:
        child.end()
    return told


def untold() -> ModelRefused:
    """The refusal of a child whose words have no sense."""
    return ModelRefused("The process that made the artifact did not tell what it made.", code="crashed")


def _object(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    if type(found) is not dict:
        raise TypeError("no object")
    return found


def described(error: BaseException) -> dict[str, Any]:
    """Say in plain values what was raised, for `watched` to raise it again."""
    if isinstance(error, MlshipError):
        said = {"message": error.message[:10_000], "hint": error.hint and error.hint[:10_000], "code": error.code}
        return {"error": type(error).__name__, **said}
    if isinstance(error, MemoryError):
        return {"memory": True}
    return {"unknown": type(error).__name__, "message": str(error)[:1000]}


def _rebuilt(said: dict[str, Any], watch: Watch, *, loaded: bool) -> MlshipError:
    if said.get("memory"):
        return out_of_memory() if loaded else _too_large(watch)
    if "unknown" in said:
        if not loaded:
            return ModelRefused(f"Loading ended in {said['unknown']}.", code="damaged")
        return MlshipError(
            f"{said['unknown']}: {said['message']}",
            hint="This is a bug of mlship. Run the command again with -v and report what it prints.",
        )
    hint = said["hint"]
    return _KINDS[said["error"]](str(said["message"]), hint=None if hint is None else str(hint), code=str(said["code"]))


def _died(number: int, watch: Watch, *, loaded: bool) -> MlshipError:
    if number == signal.SIGXCPU and not loaded:
        return _too_slow(watch)
    how = f" by {signal.Signals(number).name}" if number in list(signal.Signals) else ""
    if loaded:
        return NotConvertible(
            f"{watch.name} cannot be exported: the process that asked the model for its answers was ended{how}. "
            "Nothing was written.",
            hint="The file is damaged, or made to do this; copy or save it again.",
            code="crashed",
        )
    return ModelRefused(
        f"{watch.name} cannot be loaded: the process that tried was ended{how}. "
        "The file is damaged, or made to do this.",
        hint="Copy or save the file again.",
        code="crashed",
    )


def _too_slow(watch: Watch) -> ModelRefused:
    return ModelRefused(
        f"{watch.name} cannot be loaded within {watch.bounds.seconds_for(watch.size)} seconds. "
        "The file is damaged, or made to do this.",
        hint="Copy or save the file again.",
        code="load_limit",
    )


def _too_large(watch: Watch) -> ModelRefused:
    return ModelRefused(
        f"{watch.name} cannot be loaded within {watch.bounds.bytes_for(watch.size) // 2**20:,} MiB of memory.",
        hint="Copy or save the file again; if it is sound, load it on a machine with more memory.",
        code="load_limit",
    )
