"""A child process and the pipe through which it tells what it does: frames of a kind, a length and so many bytes.

What comes out of a child that has touched a model file is as little to be trusted as the file. So a frame is JSON or
plain bytes, never a pickle, and no longer than its kind may be.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import IO, Any, Literal, get_args

Frame = Literal["loaded", "error", "done", "artifact"]
_FRAMES: tuple[Frame, ...] = get_args(Frame)
_HEAD = struct.Struct(">BQ")
_LONGEST = {"loaded": 2**16, "error": 2**20, "done": 2**20, "artifact": 2**31}  # protobuf ends at 2 GiB as well
_LAST_WORDS = 1.0  # seconds
_SPAWNED = "from mlship.export.inside import spawned; spawned()"
_KEPT = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "SYSTEMROOT")  # what a Python needs to begin at all


class Sender:
    """The child's end of the pipe.

    Args:
        handle: Its file descriptor.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def send(self, frame: Frame, data: bytes) -> None:
        """Send a frame."""
        rest = memoryview(_HEAD.pack(_FRAMES.index(frame), len(data)) + data)
        while rest:
            rest = rest[os.write(self._handle, rest) :]


class Child:
    """The parent's end of the pipe, and the process.

    Args:
        pid: The process, which leads a group of its own.
        handle: The file descriptor to read from.
        noise: The file descriptor from which comes what it prints, or None when that is lost.
        popen: What started it, when it was not forked.
    """

    def __init__(self, pid: int, handle: int, noise: int | None, popen: subprocess.Popen[bytes] | None = None) -> None:
        self._pid = pid
        self._handle = handle
        self._noise = noise
        self._popen = popen
        self._status: int | None = None

    def receive(self, deadline: float) -> tuple[Frame, bytes]:
        """Return the next frame.

        Raises:
            TimeoutError: It did not come before the deadline, of the monotonic clock.
            EOFError: The child is gone.
            ValueError: This is no frame.
        """
        number, length = _HEAD.unpack(self._read(_HEAD.size, deadline))
        if number >= len(_FRAMES) or length > _LONGEST[_FRAMES[number]]:
            raise ValueError("no frame")
        return _FRAMES[number], self._read(length, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < size:
            handles = [self._handle] if self._noise is None else [self._handle, self._noise]
            ready, _, _ = select.select(handles, [], [], max(0.0, deadline - time.monotonic()))
            if not ready or time.monotonic() > deadline:  # what prints without end is never silent
                raise TimeoutError
            if self._noise in ready:
                self._repeat()
            if self._handle not in ready:
                continue
            more = os.read(self._handle, min(size - len(found), 1 << 20))
            if not more:
                raise EOFError
            found += more
        return bytes(found)

    def _repeat(self) -> None:
        """Print on stderr what the child has printed, less what a terminal would obey."""
        assert self._noise is not None
        data = os.read(self._noise, 1 << 16)
        if not data:
            os.close(self._noise)
            self._noise = None
        text = data.decode("utf-8", "replace")
        sys.stderr.write("".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text))

    def _hear_out(self) -> None:
        """Repeat what is left of what the child has printed; a process that left its group may keep its stderr open."""
        deadline = time.monotonic() + _LAST_WORDS
        while self._noise is not None and (left := deadline - time.monotonic()) > 0:
            if select.select([self._noise], [], [], left)[0]:
                self._repeat()
        if self._noise is not None:
            os.close(self._noise)
            self._noise = None

    def end(self) -> int:
        """Kill the child and all of its group, and return the signal that had ended it before, or 0."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has not become a leader yet, or is gone
                os.killpg(self._pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            if self._popen is not None:
                self._status = max(0, -self._popen.wait())
            else:
                status = os.waitpid(self._pid, 0)[1]
                self._status = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            os.close(self._handle)
            self._hear_out()
        return self._status


def forked(work: Callable[[Sender], object], *, noisy: bool = False) -> Child:
    """Do work in a copy of this process, which leaves as soon as the work returns or raises.

    Args:
        work: What to do.
        noisy: Whether what it prints on stderr is printed here; it cannot write where stderr is a file.
    """
    reading, writing = os.pipe()
    hearing, printing = os.pipe() if noisy else (None, None)
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python warns of forks beside threads. Those that there are, of numpy's, stand still here: the child has one.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            if printing is not None:
                os.dup2(printing, 2)
                os.close(printing)
            _close_others(writing)
            work(Sender(writing))
        finally:  # nothing of the parent's may run twice
            os._exit(0)
    os.close(writing)
    if printing is not None:
        os.close(printing)
    return Child(pid, reading, hearing)


def _close_others(kept: int) -> None:
    """Close what the parent had open: a file that is open already can be read and written whatever forbids opening."""
    os.closerange(3, kept)
    os.closerange(kept + 1, max(os.sysconf("SC_OPEN_MAX"), kept + 1))


def started(request: Any, *, noisy: bool = False) -> Child:
    """Start a new Python that does what is requested, for a process that has threads which a copy would wait for.

    Args:
        request: What `mlship.export.inside.spawned` takes.
        noisy: Whether what it prints on stderr is printed here.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    popen = subprocess.Popen(  # noqa: S603  this Python, and a program of ours
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {_SPAWNED}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if noisy else subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    assert popen.stdin is not None
    assert popen.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it is gone already, which is seen when its answer is read
        popen.stdin.write(pickle.dumps(request))
        popen.stdin.close()
    return Child(popen.pid, _taken_over(popen.stdout), _taken_over(popen.stderr) if popen.stderr else None, popen)


def _taken_over(stream: IO[bytes]) -> int:
    """The file descriptor of a stream, which is closed."""
    handle = os.dup(stream.fileno())
    stream.close()
    return handle
