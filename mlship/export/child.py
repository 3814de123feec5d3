"""Trying a load in a child process first, where it may crash, hang or eat memory without harm.

What is not in the allow-list is refused before it is imported, so the child is not what keeps hostile code out. It
is for what lists cannot see: a state that crashes a compiled class, a key that takes for ever to hash, an array that
asks for all the memory there is. What went well in the child, within its limits, is then done again in this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import threadpoolctl

from mlship.errors import DependencyMissing, MlshipError, ModelRefused, UsageError
from mlship.export.loading import Bounds

_KINDS = {kind.__name__: kind for kind in (ModelRefused, DependencyMissing, UsageError)}
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_LONGEST_ANSWER = 2**20


def rehearse(work: Callable[[], object], name: str, size: int, bounds: Bounds) -> None:
    """Do the work in a child process that has limits, no network where the system allows, and no environment.

    Args:
        work: What to do; what it returns is lost.
        name: The file, quoted, for messages.
        size: Its size in bytes, which the limits grow with.
        bounds: The limits.

    Raises:
        MlshipError: What the work raised.
        ModelRefused: It hit a limit or crashed.
    """
    if not hasattr(os, "fork"):  # Windows has neither fork nor rlimits; a new Python there would take seconds
        return
    if "lightgbm" in sys.modules:
        return  # its threads hang in a fork; only a program that has used it before is without limits
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python warns of forks beside threads. Those that there are, of numpy's, stand still here: the child has one.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _perform(work, writing, size, bounds)
    os.close(writing)
    try:
        answer = _answer(reading, 2 * bounds.seconds_for(size) + 30)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if answer is None:
        raise _too_slow(name, bounds.seconds_for(size))
    _judge(answer, status, name, size, bounds)


def _judge(answer: bytes, status: int, name: str, size: int, bounds: Bounds) -> None:
    """Raise what the child ended with, unless it ended well."""
    if not answer:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if number == signal.SIGXCPU:
            raise _too_slow(name, bounds.seconds_for(size))
        how = f" by {signal.Signals(number).name}" if number else ""
        raise ModelRefused(
            f"{name} cannot be loaded: the process that tried was ended{how}. The file is damaged, or made to do this.",
            hint="Copy or save the file again.",
            code="crashed",
        )
    told = json.loads(answer)
    if told.get("memory"):
        raise ModelRefused(
            f"{name} cannot be loaded within {bounds.bytes_for(size) // 2**20:,} MiB of memory.",
            hint="Copy or save the file again; if it is sound, load it on a machine with more memory.",
            code="load_limit",
        )
    if told.get("error"):
        raise _KINDS[told["error"]](told["message"], hint=told["hint"], code=told["code"])


def _too_slow(name: str, seconds: int) -> ModelRefused:
    return ModelRefused(
        f"{name} cannot be loaded within {seconds} seconds. The file is damaged, or made to do this.",
        hint="Copy or save the file again.",
        code="load_limit",
    )


def _answer(reading: int, seconds: float) -> bytes | None:
    """All that the child says, or None when the time is over."""
    deadline = time.monotonic() + seconds
    said = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        more = os.read(reading, 65536)
        if not more or len(said) > _LONGEST_ANSWER:
            return said
        said += more


def _perform(work: Callable[[], object], writing: int, size: int, bounds: Bounds) -> NoReturn:
    """The child's whole life; it leaves by _exit, so that nothing of the parent's runs twice."""
    told: dict[str, object] = {}
    try:
        _confine(size, bounds)
        work()
    except MlshipError as error:
        told = {"error": type(error).__name__, "message": error.message, "hint": error.hint, "code": error.code}
    except MemoryError:
        told = {"memory": True}
    except BaseException as error:  # noqa: BLE001  # the child has nobody above it to tell
        told = {"error": "ModelRefused", "message": f"Loading ended in {type(error).__name__}.", "hint": None}
        told["code"] = "damaged"
    finally:
        with contextlib.suppress(OSError):
            os.write(writing, json.dumps(told).encode())
        os._exit(0)


def _confine(size: int, bounds: Bounds) -> None:
    import resource

    faulthandler.disable()  # the parent says what happened
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    sys.stdout = sys.stderr = os.fdopen(null, "w")
    os.environ.clear()
    _stay_alone()
    sys.dont_write_bytecode = True
    _cut_off()
    seconds = bounds.seconds_for(size)
    for limit, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_AS, _taken() + bounds.bytes_for(size)),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS has no limit of the address space
            resource.setrlimit(limit, (bound, hard))


def _stay_alone() -> None:
    """Start no threads: a pool that the parent has used does not survive the fork, and waits for ever for its own."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # for libraries that are loaded from here on
    threadpoolctl.threadpool_limits(1)  # for those that the parent has loaded
    if hasattr(os, "sched_setaffinity"):  # for XGBoost, which counts the processors itself
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _taken() -> int:
    """The address space that this process has already: the limit counts from zero."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # no Linux: there the limit is not enforced, or not known
        return 2**34
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cut_off() -> None:
    """Leave the network, and die with the parent, where the system has that; neither is what safety rests on."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
