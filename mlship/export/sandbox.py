"""What a child process that touches a model file gives up: files, network, environment, threads, time and memory.

Each measure is taken where the system has it, and each tells whether it holds. None of them is what decides which
names a file may import; they are for what a list cannot see.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlship.export import landlock

_PR_SET_PDEATHSIG = 1
_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/nix/store")
_SYSTEM = (
    "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/random",
    "/sys/devices", "/sys/bus/pci", "/sys/fs/cgroup", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm",
)  # fmt: skip
_OWN = ("maps", "status", "stat", "statm", "cgroup", "mountinfo")
"""Of this process; not `environ` and `mem`, where the variables are that were there when it began."""
_LARGEST_SCRATCH = 2**30


def begin(*, verbose: bool) -> None:
    """Become a process of its own that prints nothing: signals as they were, no keyboard, gone with its parent.

    Args:
        verbose: Whether what is printed goes to stderr, where it goes nowhere else.
    """
    with contextlib.suppress(OSError):  # a process that was started so leads its group already
        os.setsid()
    faulthandler.disable()  # the parent says what happened
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2 if verbose else null, 1)
    if not verbose:
        os.dup2(null, 2)
    os.close(null)
    sys.stdout = sys.stderr = os.fdopen(os.dup(1), "w", buffering=1, errors="replace")
    sys.dont_write_bytecode = True
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def empty_environment(scratch: Path | None = None) -> None:
    """Drop every variable; what is set instead keeps libraries from starting threads and says where scratch lies."""
    os.environ.clear()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", POLARS_MAX_THREADS="1")
    if scratch is not None:
        os.environ.update(TMPDIR=str(scratch), MPLCONFIGDIR=str(scratch))
        tempfile.tempdir = str(scratch)


def stay_alone() -> None:
    """Start no threads: a pool that the parent has used does not survive the fork, and waits for ever for its own."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)  # for those that are loaded
    lightgbm = sys.modules.get("lightgbm.basic")
    with contextlib.suppress(AttributeError):  # which does not ask OpenMP; before 4.2 it cannot be told
        if lightgbm is not None:
            lightgbm._LIB.LGBM_SetMaxThreads(ctypes.c_int(1))
    if hasattr(os, "sched_setaffinity"):  # for XGBoost, which counts the processors itself
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})  # exports at once go to different ones


def keep_from_files(reading: Sequence[Path], scratch: Path | None = None) -> bool:
    """Read nothing but libraries and what is named, write nothing but scratch, run no program, where Landlock is."""
    paths = [Path(name) for name in (*_LIBRARIES, *_SYSTEM)]
    paths += [Path("/proc/self", name) for name in _OWN]
    return landlock.restrict([*paths, *_python(), *reading], scratch)


def _python() -> Iterator[Path]:
    """Where the interpreter finds modules; the current folder is named by `python -m` and no place for libraries."""
    import mlship

    here = Path.cwd() if Path().exists() else None
    for entry in (sys.prefix, sys.base_prefix, sys.exec_prefix, *filter(None, sys.path)):
        if here is None or Path(entry) != here:
            yield Path(entry)
    yield from (Path(folder) for folder in mlship.__path__)
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):  # packages installed so lie wherever their authors work on them
            yield from (Path(place) for place in getattr(module, "MAPPING", {}).values())


def limit_load(seconds: int, most: int) -> None:
    """Bound what loading may take, counted from here, and let nothing be written and no process be started."""
    import resource

    used = int(time.process_time()) + 1
    _limit(resource.RLIMIT_CPU, used + seconds)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_CORE, 0, for_good=True)
    limit_memory(most)


def limit_work(most: int | None, *, writes: bool, reads_tables: bool) -> None:
    """Bound what conversion and proof may take: their time is the parent's to watch.

    Args:
        most: Memory beyond what there is now, or None for all that the machine has.
        writes: Whether a library among those loaded writes a file of its own, in scratch.
        reads_tables: Whether a sample is read, by a library that has a thread.
    """
    import resource

    _limit(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
    if writes:
        _limit(resource.RLIMIT_FSIZE, _LARGEST_SCRATCH)
    else:
        _limit(resource.RLIMIT_FSIZE, 0, for_good=True)
    if reads_tables:
        _limit(resource.RLIMIT_NPROC, resource.RLIM_INFINITY)
    limit_memory(most)


def limit_memory(most: int | None) -> None:
    """Bound the address space to what there is now and so much more."""
    import resource

    taken = _taken()
    wanted = most if most is not None else _memory_of_machine()
    if taken is not None and wanted is not None:
        _limit(resource.RLIMIT_AS, taken + wanted)


def _limit(which: int, most: int, *, for_good: bool = False) -> None:
    import resource

    hard = resource.getrlimit(which)[1]
    finite = [bound for bound in (most, hard) if bound != resource.RLIM_INFINITY]
    bound = min(finite, default=resource.RLIM_INFINITY)
    with contextlib.suppress(OSError, ValueError):  # macOS has no limit of the address space
        resource.setrlimit(which, (bound, bound if for_good else hard))


def _taken() -> int | None:
    """The address space that this process has already: the limit counts from zero. None where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _memory_of_machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
